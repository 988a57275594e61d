//! `[wifi]`: networks to join, and the access point.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use toml::Spanned;
use wifi::{Key, Network, Ssid};

use super::{error::Problem, secrets::Secrets};

/// `[wifi]`. Without it, Wi-Fi is left to whoever else looks after it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WifiConfig {
    /// The interface; the first one that is Wi-Fi if left out.
    pub interface: Option<String>,
    /// The country whose rules for radio hold (ISO 3166-1 alpha-2).
    pub country: Option<Spanned<String>>,
    /// Whether to make an access point while there is no network or no owner.
    pub access_point: bool,
    /// How long a remembered network may be away before that.
    pub patience_seconds: Spanned<u32>,
    /// What `udhcpc` calls when an address comes or goes.
    pub dhcp_script: PathBuf,
    /// Networks to join, the best first.
    #[serde(rename = "network")]
    pub networks: Vec<WifiNetworkConfig>,
}

/// `[[wifi.network]]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WifiNetworkConfig {
    /// Its name; `hex:` and hexadecimal digits for one that is no text.
    pub ssid: Spanned<String>,
    /// Whether it hides its name.
    #[serde(default)]
    pub hidden: bool,
    /// Whether it has no password. Said in so many words: a network whose password is lost must not become one that
    /// anybody can pretend to be.
    #[serde(default)]
    pub open: bool,
}

impl Default for WifiConfig {
    fn default() -> Self {
        Self {
            interface: None,
            country: None,
            access_point: true,
            patience_seconds: Spanned::new(0..0, 120),
            dhcp_script: "/usr/lib/cloud-stick/lease".into(),
            networks: Vec::new(),
        }
    }
}

impl WifiConfig {
    /// How long a remembered network may be away.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs((*self.patience_seconds.get_ref()).into())
    }

    /// Whether only the networks differ, which can change while the radio runs.
    pub(crate) fn differs_in_networks_only(&self, other: &Self) -> bool {
        let without = |config: &Self| Self {
            networks: Vec::new(),
            ..config.clone()
        };
        without(self) == without(other)
    }

    /// The networks to join, the best first: those that can be.
    pub(crate) fn networks(&self, secrets: &Secrets) -> Vec<Network> {
        self.networks
            .iter()
            .filter_map(|network| network.with(secrets).ok())
            .collect()
    }

    /// Networks that are left out, and why.
    pub(crate) fn lacks(&self, secrets: &Secrets) -> Vec<Problem> {
        self.networks
            .iter()
            .filter_map(|network| network.with(secrets).err())
            .collect()
    }
}

impl WifiNetworkConfig {
    fn with(&self, secrets: &Secrets) -> Result<Network, Problem> {
        let name = self.ssid.get_ref();
        let problem = |message: String, remedy: &str| Problem::whole_file(message, remedy.to_owned());
        let ssid: Ssid = name
            .parse()
            .map_err(|error| problem(format!("Wi-Fi network {name:?}: {error}"), "correct its name"))?;
        let key = match (secrets.wifi(name), self.open) {
            (Some(_), true) => {
                let message = format!("Wi-Fi network {name:?} is called open and has a password");
                return Err(problem(message, "remove `open` or the password"));
            }
            (Some(password), false) => Some(Key::new(password.clone()).map_err(|error| {
                problem(
                    format!("Wi-Fi network {name:?}: {error}"),
                    "correct it in the file of secrets",
                )
            })?),
            (None, true) => None,
            (None, false) => {
                let message = format!("Wi-Fi network {name:?} has no password and is not joined");
                let remedy = "put `password` into [wifi.NAME] of the file of secrets, or say open = true";
                return Err(problem(message, remedy));
            }
        };
        Ok(Network {
            ssid,
            key,
            hidden: self.hidden,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Secrets, parse, validate};

    #[test]
    fn networks_have_a_password_or_are_open_in_so_many_words() {
        let config = parse(
            "[wifi]\ncountry = \"DE\"\n[[wifi.network]]\nssid = \"Home\"\n[[wifi.network]]\nssid = \"Café\"\nopen = true\n\
             [[wifi.network]]\nssid = \"hex:ff00\"\nhidden = true\n",
        )
        .unwrap();
        let wifi = config.wifi.unwrap();
        let secrets = Secrets::parse("[wifi.Home]\npassword = \"planted secret\"\n").unwrap();
        let networks = wifi.networks(&secrets);
        assert_eq!(networks.len(), 2, "{networks:?}");
        assert!(networks[0].key.is_some() && networks[1].key.is_none());
        let lacks = format!("{:?}", wifi.lacks(&secrets));
        assert!(lacks.contains("hex:ff00") && !lacks.contains("Home"), "{lacks}");
        assert!(!format!("{networks:?} {secrets:?}").contains("planted"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let judge = |text: &str| {
            let config = parse(text).unwrap();
            let errors = validate(text, &config).errors;
            errors
                .iter()
                .map(|problem| format!("{:?}", problem))
                .collect::<String>()
        };
        assert!(judge("[wifi]\ncountry = \"Germany\"\n").contains("line: Some(2)"));
        assert!(judge("[wifi]\npatience_seconds = 0\n").contains("patience_seconds"));
        assert!(judge("[wifi]\ndhcp_script = \"lease\"\n").contains("dhcp_script"));
        let twice = "[wifi]\n[[wifi.network]]\nssid = \"a\"\nopen = true\n[[wifi.network]]\nssid = \"a\"\n";
        assert!(judge(twice).contains("twice"));
        let long = format!("[wifi]\n[[wifi.network]]\nssid = \"{}\"\nopen = true\n", "x".repeat(33));
        assert!(judge(&long).contains("32 bytes"));
        assert_eq!(judge("[wifi]\ncountry = \"DE\"\n"), "");
    }
}
