//! What the tests of this crate share.
#![allow(dead_code, reason = "every test binary uses its own part of this")]
#![allow(unreachable_pub, reason = "a module of tests, not of a library")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use block::{
    BlockDevice, Disk, Payload,
    store::{CreateOptions, ImageRef, OpenOptions, Store},
};
use store_rbd::{RbdConfig, RbdSecret, RbdStore, Secret};
use testkit::Ceph;
use tokio::sync::OnceCell;

pub const MIB: u64 = 1 << 20;

static CEPH: OnceCell<Ceph> = OnceCell::const_new();

/// The cluster that the tests of one binary share; each test has images of its own.
pub async fn ceph() -> &'static Ceph {
    CEPH.get_or_init(|| async { Ceph::small().await.expect("a cluster must start") })
        .await
}

/// A name that nobody else uses.
pub fn unique(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The settings for the pool of images, as the restricted user.
pub fn config(ceph: &Ceph) -> RbdConfig {
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

pub fn sized(size: u64) -> CreateOptions {
    CreateOptions { size, format: None }
}

pub fn take_over() -> OpenOptions {
    OpenOptions {
        take_over: true,
        ..OpenOptions::default()
    }
}

pub fn read_only() -> OpenOptions {
    OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    }
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

/// The same bytes for the same seed, none of them in a recognisable order.
pub fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut data: Vec<u8> = Vec::with_capacity(len + 8);
    while data.len() < len {
        data.extend(next());
    }
    data.truncate(len);
    data
}

pub async fn write(disk: &dyn BlockDevice, offset: u64, data: Vec<u8>) {
    disk.write(offset, Payload::from(data), Default::default())
        .await
        .expect("a write");
}

pub async fn read(disk: &dyn BlockDevice, offset: u64, len: u32) -> Vec<u8> {
    disk.read(offset, len).await.expect("a read").to_vec()
}

/// Waits for a condition; one that does not come fails the test.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(120), wait).await;
    assert!(in_time.is_ok(), "never: {what}");
}
