//! What the tests of this crate share.
#![allow(dead_code, unused_imports, reason = "every test binary uses its own part of this")]
#![allow(unreachable_pub, reason = "a module of tests, not of a library")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use block::{
    Disk,
    store::{ImageRef, OpenOptions, Store},
};
use store_rbd::{RbdConfig, RbdSecret, RbdStore, Secret};
use testkit::Ceph;
pub use testkit::{
    disks::{MIB, random, read, read_only, sized, take_over, unique, write},
    until,
};
use tokio::sync::OnceCell;

static CEPH: OnceCell<Ceph> = OnceCell::const_new();

/// The cluster that the tests of one binary share; each test has images of its own.
pub async fn ceph() -> &'static Ceph {
    CEPH.get_or_init(|| async { Ceph::small().await.expect("a cluster must start") })
        .await
}

/// The settings for the pool of images, as the restricted user.
pub fn config(ceph: &Ceph) -> RbdConfig {
    testkit::hang::guard();
    let mut config = RbdConfig::new(ceph.pool());
    config.conf_file = Some(ceph.conf());
    config.user = Some(ceph.user().to_owned());
    config.owner = Some("test".to_owned());
    config
}

pub fn secret(ceph: &Ceph) -> RbdSecret {
    RbdSecret::Key(Secret::new(ceph.key(ceph.user()).expect("a key")))
}

/// A store on `ceph`, as the restricted user, with settings changed.
pub fn store_at(ceph: &Ceph, change: impl FnOnce(&mut RbdConfig)) -> RbdStore {
    let mut config = config(ceph);
    change(&mut config);
    RbdStore::new(config, Some(&secret(ceph))).expect("a valid configuration")
}

/// A store on the shared cluster.
pub async fn store() -> RbdStore {
    store_at(ceph().await, |_| {})
}

/// The shared cluster as a device with this identity sees it.
pub async fn as_device(identity: &str) -> RbdStore {
    store_at(ceph().await, |config| config.owner = Some(identity.to_owned())).with_identity(Some(identity.to_owned()))
}

pub async fn open(store: &RbdStore, image: &str) -> Disk {
    store
        .open(&ImageRef::live(image), &OpenOptions::default())
        .await
        .expect("a free disk")
}

/// A new disk, open.
pub async fn disk(store: &RbdStore, image: &str, size: u64) -> Disk {
    store.create(image, &sized(size)).await.expect("a new image");
    open(store, image).await
}
