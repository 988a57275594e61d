//! Remembered Wi-Fi networks in the configuration, and their passwords.

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table};
use web::api::Problem;
use wifi::Network;

use super::{
    Draft,
    toml::{array, set, table, write_out},
};
use crate::control::problem::not_found;

impl Draft {
    /// Puts a network in front of all others, instead of one of the same name.
    pub(crate) fn remember_wifi(&mut self, network: &Network) {
        let name = network.ssid.to_string();
        self.drop_wifi(&name);
        let mut new = Table::new();
        set(&mut new, "ssid", name.as_str());
        if network.hidden {
            set(&mut new, "hidden", true);
        }
        match &network.key {
            Some(key) => {
                let mut secret = Table::new();
                set(&mut secret, "password", key.expose());
                wifi_secrets(&mut self.secrets).insert(&name, Item::Table(secret));
            }
            None => set(&mut new, "open", true),
        }
        let networks = self.wifi_networks();
        let old = std::mem::take(networks);
        networks.push(new);
        for mut network in old {
            network.set_position(None);
            networks.push(network);
        }
    }

    /// Forgets a network and its password.
    pub(crate) fn forget_wifi(&mut self, name: &str) -> Result<(), Problem> {
        match self.drop_wifi(name) {
            true => Ok(()),
            false => Err(not_found("Wi-Fi network", name)),
        }
    }

    fn drop_wifi(&mut self, name: &str) -> bool {
        wifi_secrets(&mut self.secrets).remove(name);
        let networks = self.wifi_networks();
        let before = networks.len();
        networks.retain(|network| network.get("ssid").and_then(Item::as_str) != Some(name));
        networks.len() != before
    }

    /// Forgets all networks. The radio and its country stay: they belong to the place where the device is.
    pub(super) fn forget_all_wifi(&mut self) {
        if let Some(wifi) = self.config.get_mut("wifi").and_then(Item::as_table_like_mut) {
            wifi.remove("network");
        }
    }

    /// Removes the passwords of networks that are not there any more.
    pub(super) fn forget_wifi_orphans(&mut self) {
        if !self.config.contains_key("wifi") && !self.secrets.contains_key("wifi") {
            return;
        }
        let known: Vec<String> = match self.config.contains_key("wifi") {
            true => names(self.wifi_networks()),
            false => Vec::new(),
        };
        wifi_secrets(&mut self.secrets).retain(|name, _| known.iter().any(|known| known == name));
    }

    /// Adds passwords to those there are; of a network that has one already, these count.
    pub(super) fn merge_wifi_secrets(&mut self, new: &DocumentMut) {
        let Some(networks) = new.get("wifi").and_then(Item::as_table_like) else {
            return;
        };
        for (name, secret) in networks.iter() {
            wifi_secrets(&mut self.secrets).insert(name, secret.clone());
        }
    }

    fn wifi_networks(&mut self) -> &mut ArrayOfTables {
        let wifi = table(self.config.as_table_mut(), "wifi");
        array(wifi, "network")
    }
}

fn names(networks: &ArrayOfTables) -> Vec<String> {
    let names = networks.iter().filter_map(|network| network.get("ssid")?.as_str());
    names.map(str::to_owned).collect()
}

/// The tables `[wifi.NAME]` of the secrets.
fn wifi_secrets(secrets: &mut DocumentMut) -> &mut Table {
    write_out(secrets.as_table_mut(), "wifi");
    let networks = table(secrets.as_table_mut(), "wifi");
    networks.set_implicit(true);
    networks
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        config::{Secrets, parse},
        control::configuration::draft::testing::draft,
    };

    fn network(name: &str, key: Option<&str>) -> Network {
        Network {
            ssid: name.parse().unwrap(),
            key: key.map(|key| wifi::Key::new(Zeroizing::new(key.to_owned())).unwrap()),
            hidden: false,
        }
    }

    fn read(draft: &Draft) -> Vec<(String, Option<String>)> {
        let texts = draft.texts();
        let wifi = parse(&texts.config).unwrap().wifi.unwrap();
        let secrets = Secrets::parse(&texts.secrets).unwrap();
        let networks = wifi.networks(&secrets).into_iter();
        networks
            .map(|network| (network.ssid.to_string(), network.key.map(|key| key.expose().to_owned())))
            .collect()
    }

    #[test]
    fn the_last_one_joined_comes_first_and_passwords_live_beside() {
        let mut draft = draft("[wifi]\ncountry = \"DE\" # here\n", "");
        draft.remember_wifi(&network("Home", Some("first password")));
        draft.remember_wifi(&network("a.\"b\" <i>", None));
        draft.remember_wifi(&network("Home", Some("second password")));
        let expected = [
            ("Home".to_owned(), Some("second password".to_owned())),
            ("a.\"b\" <i>".to_owned(), None),
        ];
        assert_eq!(read(&draft), expected);
        let texts = draft.texts();
        assert!(
            texts.config.contains("# here") && !texts.config.contains("password"),
            "{}",
            texts.config
        );
        draft.forget_wifi("Home").unwrap();
        assert!(draft.forget_wifi("Home").is_err());
        assert!(draft.texts().secrets.is_empty(), "{}", *draft.texts().secrets);
    }

    #[test]
    fn an_earlier_version_keeps_the_networks_and_their_passwords() {
        let mut draft = draft("[wifi]\n", "");
        draft.remember_wifi(&network("Home", Some("first password")));
        let present = read(&draft);
        for earlier in [
            "name = \"other\"\n",
            "name = \"other\"\n[wifi]\n",
            "name = \"other\"\n[wifi]\ncountry = \"DE\"\n[[wifi.network]]\nssid = \"Old\"\nopen = true\n",
        ] {
            draft.go_back(earlier).unwrap();
            let text = draft.texts().config;
            assert_eq!(read(&draft), present, "{text}");
            assert!(text.contains("\"other\"") && !text.contains("DE"), "{text}");
        }
    }

    #[test]
    fn other_configurations_keep_the_networks_and_a_reset_forgets_them() {
        let mut draft = draft("[wifi]\ncountry = \"DE\"\n", "");
        draft.remember_wifi(&network("Home", Some("first password")));
        draft.replace_config("name = \"other\"\n").unwrap();
        assert_eq!(read(&draft).len(), 1, "{}", draft.texts().config);
        draft
            .merge_secrets("[wifi.New]\npassword = \"new password\"\n")
            .unwrap();
        assert!(!draft.texts().secrets.contains("new password"), "no such network");
        draft
            .replace_config(
                "[wifi]\n[[wifi.network]]\nssid = \"New\"\n[[store]]\nname = \"x\"\ntype = \"file\"\nfolder = \"/x\"\n",
            )
            .unwrap();
        draft
            .merge_secrets("[wifi.New]\npassword = \"new password\"\n")
            .unwrap();
        assert_eq!(read(&draft), [("New".to_owned(), Some("new password".to_owned()))]);
        assert!(!draft.texts().secrets.contains("first"), "that network is gone");
        draft.clear();
        assert_eq!(read(&draft), []);
        assert!(draft.texts().secrets.is_empty());
    }
}
