//! Where the cluster is, and stores in it.

use std::{collections::HashMap, path::Path, sync::Arc};

use anyhow::{Context, Result};
use block::{
    Disk,
    store::{ImageRef, OpenOptions, Store},
};
use store_rbd::{ClientKind, RbdConfig, RbdSecret, RbdStore, Secret};
use testkit::disks::sized;

/// What is needed to reach the cluster.
#[derive(Clone)]
pub(crate) struct Cluster(Arc<HashMap<String, String>>);

impl Cluster {
    /// Reads `NAME=VALUE` lines.
    pub(crate) fn from_input(text: &str) -> Result<Self> {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let facts: HashMap<_, _> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for name in ["monitors", "user", "key", "pool", "data_pool"] {
            facts.get(name).with_context(|| format!("the input has no {name}"))?;
        }
        Ok(Self(Arc::new(facts)))
    }

    /// The same text again.
    pub(crate) fn to_input(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    pub(crate) fn fact(&self, name: &str) -> &str {
        &self.0[name]
    }

    /// The pool as a device with this identity sees it, through a client.
    pub(crate) fn store(&self, client: ClientKind, identity: &str, change: impl FnOnce(&mut RbdConfig)) -> RbdStore {
        let mut config = RbdConfig::new(self.fact("pool"));
        config.client = client;
        config.monitors = vec![self.fact("monitors").to_owned()];
        config.user = Some(self.fact("user").to_owned());
        config.owner = Some(identity.to_owned());
        change(&mut config);
        let secret = RbdSecret::Key(Secret::new(self.fact("key")));
        let store = RbdStore::new(config, Some(&secret)).expect("valid settings");
        store
            .with_identity(Some(identity.to_owned()))
            .with_run_dir(Path::new("/run/rbd-check"))
    }

    /// The pool through the kernel's client.
    pub(crate) fn kernel(&self) -> RbdStore {
        self.store(ClientKind::Kernel, "kitchen", |_| {})
    }

    /// The pool through librbd, by another device.
    pub(crate) fn librbd(&self) -> RbdStore {
        self.store(ClientKind::Librbd, "attic", |_| {})
    }
}

/// Makes an image of `size` bytes.
pub(crate) async fn create(store: &RbdStore, image: &str, size: u64) -> Result<()> {
    store.create(image, &sized(size)).await?;
    Ok(())
}

/// Opens an image or `image@snapshot`.
pub(crate) async fn open(store: &RbdStore, image: &str, options: &OpenOptions) -> Result<Disk> {
    let reference: ImageRef = image.parse()?;
    Ok(store.open(&reference, options).await?)
}
