//! An RBD image, made in every way that matters, is a disk in every respect.

mod support;

use block::{
    Disk, Payload,
    conformance::Options,
    store::{ImageRef, OpenOptions, Store},
};
use store_rbd::RbdConfig;
use support::{MIB, ceph, read_only, sized, store_at, take_over, unique};

async fn fresh(size: u64, change: impl FnOnce(&mut RbdConfig)) -> Disk {
    let store = store_at(ceph().await, change);
    let image = unique("disk");
    store.create(&image, &sized(size)).await.expect("a new image");
    support::open(&store, &image).await
}

/// The image behind a disk, by its name `pool/image`.
async fn reopened(disk: Disk, options: OpenOptions) -> Disk {
    let (_, image) = disk.name().split_once('/').expect("pool/image");
    let store = store_at(ceph().await, |_| {});
    let again = store.open(&ImageRef::live(image), &options).await;
    again.expect("the same disk")
}

fn options() -> Options {
    Options {
        operations: 800,
        ..Options::default()
    }
    .with_reopen(|disk| reopened(disk, take_over()))
    .with_read_only(|disk| reopened(disk, read_only()))
}

mod usual_image {
    use super::*;

    block::conformance_tests!(|size| fresh(size, |_| {}), options());
}

mod small_objects_in_a_data_pool {
    use super::*;

    async fn open(size: u64) -> Disk {
        let data = ceph().await.data_pool().to_owned();
        fresh(size, |config| {
            config.data_pool = Some(data);
            config.object_size = Some(MIB);
        })
        .await
    }

    block::conformance_tests!(open, options());
}

/// Without exclusive lock and object map: an advisory lock, and each object is asked for by itself.
mod bare_image {
    use super::*;

    async fn open(size: u64) -> Disk {
        fresh(size, |config| config.features = Some(vec!["layering".to_owned()])).await
    }

    block::conformance_tests!(open, options());
}

mod clone_of_a_protected_snapshot {
    use super::*;

    /// A clone whose parent holds zeroes that take space, in most objects, but not beyond the first half.
    async fn open(size: u64) -> Disk {
        // So that also the smallest image of the suite has several objects.
        let store = store_at(ceph().await, |config| config.object_size = Some(MIB));
        let (parent, clone) = (unique("parent"), unique("clone"));
        store.create(&parent, &sized(size)).await.expect("a parent");
        let disk = support::open(&store, &parent).await;
        let half = size / 2 / 4096 * 4096;
        for at in (0..half).step_by(1 << 20) {
            let part = Payload::zeroes((half - at).min(1 << 20) as usize);
            disk.write(at, part, Default::default()).await.expect("a write");
        }
        disk.close().await.expect("closed");
        store.snapshot(&parent, Some("base")).await.expect("a snapshot");
        store.protect(&parent, "base").await.expect("protected");
        store.clone_image(&parent, "base", &clone).await.expect("a clone");
        support::open(&store, &clone).await
    }

    block::conformance_tests!(open, options());
}
