//! What the tests of this crate share.
#![allow(dead_code, unused_imports, reason = "every test binary uses its own part of this")]
#![allow(unreachable_pub, reason = "a module of tests, not of a library")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

pub mod rules;
pub mod service;

use block::store::{CreateOptions, ImageRef, OpenOptions, Store};
use store_azure::{AzureConfig, AzureDisk, AzureSecret, AzureStore, Secret};
use testkit::Azurite;
pub use testkit::{
    disks::{MIB, random, read, read_only, sized as raw, take_over, unique, write},
    until,
};
use tokio::sync::OnceCell;

static AZURITE: OnceCell<Azurite> = OnceCell::const_new();

/// The Azurite that the tests of one binary share; each test has containers of its own.
pub async fn azurite() -> &'static Azurite {
    AZURITE
        .get_or_init(|| async { Azurite::in_memory().await.expect("Azurite must start") })
        .await
}

pub fn connection(azurite: &Azurite) -> AzureSecret {
    AzureSecret::ConnectionString(Secret::new(azurite.connection_string()))
}

/// A store in a new container of `azurite`, with the account's key.
pub async fn store_at(azurite: &Azurite, change: impl FnOnce(&mut AzureConfig)) -> AzureStore {
    let mut config = AzureConfig::new(&unique("disks"));
    config.owner = Some("test".to_owned());
    change(&mut config);
    let store = AzureStore::new(config, &connection(azurite)).expect("a valid configuration");
    store.container().create().await.expect("a new container");
    store
}

/// A store in a new container of the shared Azurite.
pub async fn store() -> AzureStore {
    store_at(azurite().await, |_| {}).await
}

/// The same container again, as a device with this identity sees it.
pub async fn as_device(store: &AzureStore, identity: &str) -> AzureStore {
    let mut config = AzureConfig::new(store.container().name());
    config.owner = Some("test".to_owned());
    AzureStore::new(config, &connection(azurite().await))
        .expect("a valid configuration")
        .with_identity(Some(identity.to_owned()))
}

pub fn vhd(size: u64) -> CreateOptions {
    CreateOptions {
        size,
        format: Some("vhd".to_owned()),
    }
}

pub async fn open(store: &AzureStore, image: &str) -> AzureDisk {
    store
        .open_disk(&ImageRef::live(image), &OpenOptions::default())
        .await
        .expect("a free disk")
}

/// A new raw disk, open.
pub async fn disk(store: &AzureStore, image: &str, size: u64) -> AzureDisk {
    store.create(image, &raw(size)).await.expect("a new image");
    open(store, image).await
}

/// How a raw image is opened for writing, by somebody without an identity.
pub fn open_settings(io: store_azure::IoSettings) -> store_azure::OpenSettings {
    store_azure::OpenSettings {
        read_only: false,
        take_over: false,
        owner: "test".to_owned(),
        identity: None,
        lease_seconds: 60,
        format: Some(store_azure::Format::Raw),
        io,
    }
}

/// A disk on the scripted service, with settings of the test's own.
pub async fn scripted(
    service: &service::Service,
    config: impl FnOnce(&mut AzureConfig),
    settings: impl FnOnce(&mut store_azure::OpenSettings),
) -> Result<AzureDisk, store_azure::AzureError> {
    let mut all = AzureConfig::new("disks");
    all.endpoint = Some(service.endpoint().parse().expect("a URL"));
    config(&mut all);
    let key = AzureSecret::AccountKey(Secret::new(store_azure::DEVELOPMENT_KEY));
    let client = all.client(&key)?;
    let blob = store_azure::Container::new(client, "disks")?.blob("tv", None)?;
    let mut open = open_settings(store_azure::IoSettings {
        request_size: all.request_size,
        md5_writes: all.md5_writes,
        md5_reads_up_to: all.md5_reads_up_to,
    });
    settings(&mut open);
    store_azure::open(&blob, "disks/tv", &open).await
}

/// A store whose container `disks` is on the scripted service, with one image: `tv`.
pub fn scripted_store(service: &service::Service, change: impl FnOnce(&mut AzureConfig)) -> AzureStore {
    let mut config = AzureConfig::new("disks");
    config.endpoint = Some(service.endpoint().parse().expect("a URL"));
    config.owner = Some("test".to_owned());
    change(&mut config);
    let key = AzureSecret::AccountKey(Secret::new(store_azure::DEVELOPMENT_KEY));
    AzureStore::new(config, &key).expect("a valid configuration")
}
