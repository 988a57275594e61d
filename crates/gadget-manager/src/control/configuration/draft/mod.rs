//! A configuration that is being changed: its text with all its comments, and the operations that the page needs.

mod disks;
mod gadget;
mod stores;
mod toml;
mod wifi;

use toml_edit::{DocumentMut, Item, Table};
use web::api::{Problem, ProblemCode};
use zeroize::Zeroizing;

use self::toml::{document, forget_positions, normalise, secret_stores, set};
use super::files::Texts;

/// What belongs to this installation and not to what it serves: nobody changes it from afar, and a back-up of another
/// device does not bring it along.
const LOCAL_KEYS: [&str; 4] = ["state_dir", "run_dir", "secrets", "web"];
/// What belongs to the place where the device is, and stays unless a text from elsewhere says something about it.
const PLACE_KEY: &str = "wifi";

/// A configuration that is being changed.
pub(crate) struct Draft {
    config: DocumentMut,
    secrets: DocumentMut,
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::Invalid, detail)
}

fn conflict(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::Conflict, detail)
}

impl Draft {
    /// Reads what there is.
    pub(super) fn parse(texts: &Texts) -> Result<Self, Problem> {
        Ok(Self {
            config: document(&texts.config, "the configuration")?,
            secrets: document(&texts.secrets, "the file of secrets")?,
        })
    }

    /// The secrets alone, without the settings: for a store that is to be tested.
    pub(crate) fn only_secrets(texts: &Texts) -> Result<Self, Problem> {
        Ok(Self {
            config: DocumentMut::new(),
            secrets: document(&texts.secrets, "the file of secrets")?,
        })
    }

    /// What it has become.
    pub(in crate::control) fn texts(&self) -> Texts {
        let secrets = Zeroizing::new(self.secrets.to_string());
        let is_empty = self.secrets.as_table().is_empty() || secrets.trim().is_empty();
        Texts {
            config: self.config.to_string(),
            secrets: if is_empty { Zeroizing::default() } else { secrets },
        }
    }

    /// Takes another text instead. What belongs to this installation stays.
    pub(crate) fn replace_config(&mut self, text: &str) -> Result<(), Problem> {
        self.replace(document(text, "the configuration")?);
        Ok(())
    }

    /// Takes an earlier text of this device instead. It knows nothing of the networks that were joined since, and their passwords are
    /// kept nowhere else: these stay, too.
    pub(super) fn go_back(&mut self, text: &str) -> Result<(), Problem> {
        let mut earlier = document(text, "the configuration")?;
        earlier.remove(PLACE_KEY);
        self.replace(earlier);
        Ok(())
    }

    fn replace(&mut self, mut new: DocumentMut) {
        for key in LOCAL_KEYS {
            new.remove(key);
        }
        // Plain keys have to come before the first table: behind those that are there, or at the very beginning.
        let mut head = Table::new();
        let of_place = (!new.contains_key(PLACE_KEY)).then_some(PLACE_KEY);
        for key in LOCAL_KEYS.into_iter().chain(of_place) {
            if let Some(item) = self.config.remove(key) {
                head.insert(key, item);
            }
        }
        for (key, item) in std::mem::take(new.as_table_mut()) {
            head.insert(&key, item);
        }
        let mut text = DocumentMut::new();
        for (key, mut item) in head {
            forget_positions(&mut item);
            text.insert(&key, item);
        }
        self.config = text;
        normalise(&mut self.config);
        self.forget_orphans();
    }

    /// Refuses a foreign text that would change what belongs to this installation.
    pub(crate) fn check_foreign(text: &str) -> Result<(), Problem> {
        let document = document(text, "the configuration")?;
        match LOCAL_KEYS.iter().find(|key| document.contains_key(key)) {
            Some(key) => Err(invalid(format!("`{key}` cannot be set this way")).remedy("remove it from the file")),
            None => Ok(()),
        }
    }

    /// Adds secrets to those there are; of a store that has some already, these count.
    pub(crate) fn merge_secrets(&mut self, text: &str) -> Result<(), Problem> {
        let new = document(text, "the file of secrets")?;
        let stores = new.get("store").and_then(Item::as_table);
        for (name, table) in stores.into_iter().flat_map(Table::iter) {
            secret_stores(&mut self.secrets).insert(name, table.clone());
        }
        self.merge_wifi_secrets(&new);
        self.forget_orphans();
        Ok(())
    }

    /// Removes the secrets of stores and networks that are not there any more.
    fn forget_orphans(&mut self) {
        self.forget_wifi_orphans();
        let names: Vec<String> = self.names("store");
        secret_stores(&mut self.secrets).retain(|name, _| names.iter().any(|known| known == name));
    }

    /// Leaves nothing but what belongs to this installation.
    pub(super) fn clear(&mut self) {
        self.config
            .retain(|key, _| LOCAL_KEYS.contains(&key) || key == PLACE_KEY);
        self.forget_all_wifi();
        self.secrets = DocumentMut::new();
    }

    /// Gives the device a name.
    pub(crate) fn set_name(&mut self, name: &str) {
        set(self.config.as_table_mut(), "name", name);
    }

    fn names(&self, key: &str) -> Vec<String> {
        let tables = self.config.get(key).and_then(Item::as_array_of_tables);
        let names = tables
            .into_iter()
            .flatten()
            .filter_map(|table| table.get("name")?.as_str());
        names.map(str::to_owned).collect()
    }
}

/// What the tests of the parts share.
#[cfg(test)]
mod testing {
    use web::api::NewDisk;

    use super::*;
    use crate::control::kinds::Entry;

    pub(super) fn draft(config: &str, secrets: &str) -> Draft {
        Draft::parse(&Texts {
            config: config.to_owned(),
            secrets: Zeroizing::new(secrets.to_owned()),
        })
        .unwrap()
    }

    pub(super) fn azure(key: Option<&str>) -> Entry {
        Entry {
            kind: "azure",
            settings: vec![
                ("container".to_owned(), Some("sticks".into())),
                ("account".to_owned(), None),
            ],
            secrets: vec![("account_key".to_owned(), key.map(|key| Zeroizing::new(key.to_owned())))],
        }
    }

    pub(super) fn new_disk(name: &str, insert: bool) -> NewDisk {
        NewDisk {
            name: name.to_owned(),
            store: "card".to_owned(),
            image: name.to_owned(),
            read_only: false,
            insert,
        }
    }

    pub(super) const CARD: &str =
        "# mine\n[[store]]  # here\nname = \"card\"\ntype = \"file\"\nfolder = \"/data\" # big\n";
}

#[cfg(test)]
mod tests {
    use super::{
        testing::{CARD, azure, draft},
        *,
    };

    #[test]
    fn what_belongs_to_the_installation_stays() {
        let mut draft = draft(&format!("state_dir = \"/s\"\n[web]\nannounce = false\n{CARD}"), "");
        draft.put_store("cloud", azure(Some("one")));
        let foreign = "state_dir = \"/evil\"\nname = \"other\"\n[[store]]\nname = \"cloud\"\ntype = \"azure\"\ncontainer = \"c1c\"\n[web]\nhttp = []\n";
        draft.replace_config(foreign).unwrap();
        let text = draft.texts().config;
        let config = crate::config::parse(&text).unwrap();
        assert_eq!(config.state_dir.to_str(), Some("/s"), "{text}");
        assert!(
            config.web.is_some_and(|web| !web.announce && web.http.is_none()),
            "{text}"
        );
        assert_eq!((config.name.get_ref().as_str(), config.stores.len()), ("other", 1));
        assert_eq!(draft.secrets_of("cloud"), ["account_key"], "the store is the same");
        assert!(Draft::check_foreign("run_dir = \"/x\"\n").is_err());
        draft.clear();
        let config = crate::config::parse(&draft.texts().config).unwrap();
        assert!(config.stores.is_empty() && config.web.is_some() && draft.texts().secrets.is_empty());
    }

    #[test]
    fn errors_do_not_quote_the_text() {
        let texts = Texts {
            config: String::new(),
            secrets: Zeroizing::new("[store.x]\nkey = planted-secret\n".to_owned()),
        };
        let problem = Draft::parse(&texts).err().unwrap();
        assert!(
            problem.detail.contains("line 2") && !format!("{problem:?}").contains("planted"),
            "{problem:?}"
        );
    }
}
