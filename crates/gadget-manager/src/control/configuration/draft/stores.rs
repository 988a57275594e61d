//! Stores in the configuration, and their secrets.

use toml_edit::{Item, Table};
use web::api::Problem;

use super::{
    Draft, conflict,
    toml::{array, find, put, secret_stores, set},
};
use crate::control::{kinds::Entry, problem::not_found};

impl Draft {
    /// Whether there is a store of that name.
    pub(crate) fn has_store(&self, name: &str) -> bool {
        self.names("store").iter().any(|known| known == name)
    }

    /// Puts the settings of a store in, new or not. Keys that no form knows stay as somebody wrote them.
    pub(crate) fn put_store(&mut self, name: &str, entry: Entry) {
        let stores = array(&mut self.config, "store");
        let index = find(stores, name);
        let same_kind = |table: &Table| table.get("type").and_then(Item::as_str) == Some(entry.kind);
        let mut table = match index.and_then(|index| stores.get(index)) {
            Some(table) if same_kind(table) => table.clone(),
            _ => Table::new(),
        };
        set(&mut table, "name", name);
        set(&mut table, "type", entry.kind);
        for (key, value) in entry.settings {
            match value {
                Some(value) => set(&mut table, &key, value),
                None => {
                    table.remove(&key);
                }
            }
        }
        put(stores, index, table);
        let secrets = secret_stores(&mut self.secrets);
        let before = secrets.remove(name);
        let mut table = Table::new();
        for (key, secret) in entry.secrets {
            match (secret, before.as_ref().and_then(|before| before.get(&key))) {
                (Some(secret), _) => set(&mut table, &key, secret.as_str()),
                (None, Some(kept)) => {
                    table.insert(&key, kept.clone());
                }
                (None, None) => {}
            }
        }
        if !table.is_empty() {
            secrets.insert(name, Item::Table(table));
        }
    }

    /// The keys of a store's secrets, in the file.
    pub(crate) fn secrets_of(&self, name: &str) -> Vec<String> {
        let table = self.secrets.get("store").and_then(|stores| stores.get(name));
        let table = table.and_then(Item::as_table_like);
        table.map_or(Vec::new(), |table| {
            table.iter().map(|(key, _)| key.to_owned()).collect()
        })
    }

    /// Forgets a store that no disk lives in, with its secrets.
    pub(crate) fn remove_store(&mut self, name: &str) -> Result<(), Problem> {
        let lives = |disk: &&Table| disk.get("store").and_then(Item::as_str) == Some(name);
        if let Some(disk) = array(&mut self.config, "disk").iter().find(lives) {
            let disk = disk.get("name").and_then(Item::as_str).unwrap_or_default();
            return Err(conflict(format!("disk \"{disk}\" lives in store \"{name}\""))
                .remedy("remove the disk first; its image stays")
                .about(name));
        }
        let stores = array(&mut self.config, "store");
        let index = find(stores, name).ok_or_else(|| not_found("store", name))?;
        stores.remove(index);
        secret_stores(&mut self.secrets).remove(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::control::configuration::draft::testing::{CARD, azure, draft};

    #[test]
    fn secrets_stay_with_their_way_and_go_with_their_store() {
        let mut draft = draft(CARD, "");
        draft.put_store("my.cloud", azure(Some("one")));
        assert!(
            draft.texts().secrets.contains("[store.\"my.cloud\"]"),
            "{}",
            *draft.texts().secrets
        );
        assert!(!draft.texts().config.contains("one"));
        draft.put_store("my.cloud", azure(None));
        assert!(draft.texts().secrets.contains("account_key = \"one\""));
        let mut other_way = azure(None);
        other_way.secrets = vec![("sas".to_owned(), Some(Zeroizing::new("two".to_owned())))];
        draft.put_store("my.cloud", other_way);
        assert_eq!(draft.secrets_of("my.cloud"), ["sas"]);
        assert!(!draft.texts().secrets.contains("one"));
        draft.remove_store("my.cloud").unwrap();
        assert!(draft.texts().secrets.is_empty(), "{}", *draft.texts().secrets);
    }

    #[test]
    fn comments_and_unknown_keys_stay() {
        let mut draft = draft(CARD, "");
        draft.set_name("films");
        draft.put_store(
            "card",
            Entry {
                kind: "file",
                settings: vec![("folder".to_owned(), Some("/more".into()))],
                secrets: Vec::new(),
            },
        );
        let text = draft.texts().config;
        assert!(
            text.contains("# mine") && text.contains("# here") && text.contains("folder = \"/more\" # big"),
            "{text}"
        );
        assert!(crate::config::parse(&text).unwrap().name.get_ref() == "films", "{text}");
    }
}
