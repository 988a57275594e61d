//! A page blob, raw and as a VHD, is a disk in every respect.

mod support;

use std::sync::Arc;

use block::{
    Disk,
    conformance::Options,
    store::{CreateOptions, ImageRef, Store},
};
use store_azure::AzureStore;
use support::{raw, read_only, unique, vhd};

async fn fresh(options: CreateOptions) -> (Arc<AzureStore>, Disk) {
    let store = Arc::new(support::store().await);
    let image = unique("disk");
    store.create(&image, &options).await.expect("a new image");
    let disk = store
        .open(&ImageRef::live(image), &Default::default())
        .await
        .expect("a free disk");
    (store, disk)
}

/// The store and image behind a disk, by its name `container/image`.
async fn reopened(disk: Disk, options: block::store::OpenOptions) -> Disk {
    let (container, image) = disk.name().split_once('/').expect("container/image");
    let mut config = store_azure::AzureConfig::new(container);
    config.owner = Some("again".to_owned());
    let secret = support::connection(support::azurite().await);
    let store = AzureStore::new(config, &secret).expect("the same store");
    store
        .open(&ImageRef::live(image), &options)
        .await
        .expect("the same disk")
}

fn options() -> Options {
    Options {
        operations: 1200,
        ..Options::default()
    }
    .with_reopen(|disk| reopened(disk, support::take_over()))
    .with_read_only(|disk| reopened(disk, read_only()))
}

async fn open_raw(size: u64) -> Disk {
    fresh(raw(size)).await.1
}

async fn open_vhd(size: u64) -> Disk {
    // VHDs are made with whole MiB; the suite wants other sizes too.
    let (_, disk) = fresh(vhd(size.next_multiple_of(1 << 20))).await;
    disk.resize(size).await.expect("a smaller disk");
    disk
}

mod raw_blob {
    block::conformance_tests!(super::open_raw, super::options());
}

mod vhd_blob {
    block::conformance_tests!(super::open_vhd, super::options());
}
