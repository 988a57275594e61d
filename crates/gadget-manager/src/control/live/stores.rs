//! The configured stores, without their secrets.

use std::collections::BTreeMap;

use web::api::Store;

use crate::{
    config::Loaded,
    control::kinds::{self, all_fields, is_secret},
};

/// All of them.
pub(super) fn stores(loaded: &Loaded) -> Vec<Store> {
    let tables = tables(&loaded.text);
    let stores = loaded.config.stores.iter();
    stores
        .map(|store| {
            let kind = kinds::of(&store.kind);
            let described = kind.describe();
            let lives = |disk: &&crate::config::model::DiskConfig| {
                disk.store.as_ref().is_some_and(|name| *name.get_ref() == store.name)
            };
            let given = loaded.secrets.of(&store.name);
            Store {
                name: store.name.clone(),
                r#type: described.key,
                description: kind.describe_store(&store.kind),
                // Only what the form knows and does not take for a secret.
                values: all_fields(&described.form)
                    .into_iter()
                    .filter(|field| !is_secret(field))
                    .filter_map(|field| {
                        let value = tables.get(&store.name)?.get(&field.key)?;
                        Some((field.key.clone(), serde_json::to_value(value).ok()?))
                    })
                    .collect(),
                secrets: given.given().map(|(key, _)| key.to_owned()).collect(),
                disks: loaded
                    .config
                    .disks
                    .iter()
                    .filter(lives)
                    .map(|disk| disk.name.get_ref().clone())
                    .collect(),
            }
        })
        .collect()
}

/// The tables `[[store]]` by their names.
fn tables(text: &str) -> BTreeMap<String, toml::Table> {
    let Ok(mut all) = text.parse::<toml::Table>() else {
        return BTreeMap::new();
    };
    let Some(toml::Value::Array(stores)) = all.remove("store") else {
        return BTreeMap::new();
    };
    let named = stores.into_iter().filter_map(|store| match store {
        toml::Value::Table(table) => Some((table.get("name")?.as_str()?.to_owned(), table)),
        _ => None,
    });
    named.collect()
}
