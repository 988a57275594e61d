//! Stores from their configuration.

use std::{path::Path, sync::Arc};

use block::store::{ImageRef, SharedStore, StoreError};
use store_azure::{AzureSecret, AzureStore, Secret};
use store_file::FileStore;
use store_rbd::RbdStore;

use super::owner;
use crate::config::{
    Loaded, StoreSecrets,
    model::{StoreConfig, StoreKind},
};

/// Names of all stores, or of the one asked for.
pub(crate) fn store_names(loaded: &Loaded, only: Option<&str>) -> Result<Vec<String>, StoreError> {
    match only {
        Some(name) => Ok(vec![find(loaded, name)?.name.clone()]),
        None => Ok(loaded.config.stores.iter().map(|store| store.name.clone()).collect()),
    }
}

fn find<'a>(loaded: &'a Loaded, name: &str) -> Result<&'a StoreConfig, StoreError> {
    loaded
        .config
        .stores
        .iter()
        .find(|store| store.name == name)
        .ok_or_else(|| {
            let known: Vec<_> = loaded.config.stores.iter().map(|store| store.name.as_str()).collect();
            let remedy = if known.is_empty() {
                format!("add a [[store]] to {}", loaded.file.display())
            } else {
                format!("configured are: {}", known.join(", "))
            };
            StoreError::not_found(format!("store \"{name}\""), remedy)
        })
}

/// The store that the configuration calls `name`.
pub(crate) fn store(loaded: &Loaded, name: &str) -> Result<SharedStore, StoreError> {
    build(loaded, find(loaded, name)?)
}

/// A store that a configuration describes.
pub(crate) fn build(loaded: &Loaded, config: &StoreConfig) -> Result<SharedStore, StoreError> {
    let name = &config.name;
    match &config.kind {
        StoreKind::File(file) => Ok(Arc::new(FileStore::new(&file.folder))),
        StoreKind::Azure(azure) => {
            let secret = azure_secret(name, loaded.secrets.of(name))?;
            let owner = owner::identity(&loaded.config.state_dir);
            Ok(Arc::new(
                AzureStore::new((**azure).clone(), &secret)?.with_identity(owner),
            ))
        }
        StoreKind::Rbd(rbd) => {
            let secret = loaded.secrets.of(name).rbd();
            let owner = owner::identity(&loaded.config.state_dir);
            let store = RbdStore::new((**rbd).clone(), secret.as_ref())?;
            Ok(Arc::new(
                store.with_identity(owner).with_run_dir(&loaded.config.run_dir),
            ))
        }
    }
}

/// The one secret that a store in Azure is to use.
pub(crate) fn azure_secret(name: &str, secrets: StoreSecrets) -> Result<AzureSecret, StoreError> {
    let [connection_string, account_key, sas, client_secret] = [
        secrets.connection_string,
        secrets.account_key,
        secrets.sas,
        secrets.client_secret,
    ]
    .map(|secret| secret.map(|text| Secret::new(text.as_str())));
    let mut given = [
        connection_string.map(AzureSecret::ConnectionString),
        account_key.map(AzureSecret::AccountKey),
        sas.map(AzureSecret::Sas),
        client_secret.map(AzureSecret::ClientSecret),
    ]
    .into_iter()
    .flatten();
    let object = format!("store \"{name}\"");
    let Some(secret) = given.next() else {
        let detail = format!(
            "has no secret; put connection_string, account_key, sas or client_secret into [store.{name}] of the file of secrets"
        );
        return Err(StoreError::invalid(object, detail));
    };
    if given.next().is_some() {
        return Err(StoreError::invalid(object, "has several secrets; leave one of them"));
    }
    Ok(secret)
}

/// Finds the store and image that `text` names: `STORE/IMAGE[@SNAPSHOT]` or a configured disk.
pub(crate) fn locate(loaded: &Loaded, text: &str) -> Result<(SharedStore, ImageRef), StoreError> {
    if let Some((name, image)) = text.split_once('/') {
        return Ok((store(loaded, name)?, image.parse()?));
    }
    let disk = loaded
        .config
        .disks
        .iter()
        .find(|disk| disk.name.get_ref() == text)
        .ok_or_else(|| {
            StoreError::not_found(
                format!("disk \"{text}\""),
                "name a configured disk, or an image as STORE/IMAGE",
            )
        })?;
    match (&disk.store, &disk.image, &disk.path) {
        (Some(name), Some(image), _) => Ok((store(loaded, name.get_ref())?, image.get_ref().parse()?)),
        (_, _, Some(path)) => {
            let (folder, file) = split(path)?;
            Ok((Arc::new(FileStore::new(folder)), ImageRef::live(file)))
        }
        _ => Err(StoreError::invalid(
            text,
            "this disk has neither `store` and `image` nor `path`",
        )),
    }
}

fn split(path: &Path) -> Result<(&Path, &str), StoreError> {
    match (path.parent(), path.file_name().and_then(|name| name.to_str())) {
        (Some(folder), Some(file)) => Ok((folder, file)),
        _ => Err(StoreError::invalid(
            path.display().to_string(),
            "this is not the path of a file",
        )),
    }
}
