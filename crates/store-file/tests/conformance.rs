//! Files on several file systems, and block devices, keep the contract.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use block::{Disk, conformance::Options, store::OpenOptions};
use futures::{FutureExt, future::BoxFuture};
use store_file::FileDevice;
use tempfile::TempDir;

/// Makes image files in `folder`, which lives as long as `keep`.
fn files<K: Send + Sync + 'static>(
    folder: PathBuf,
    keep: K,
) -> impl Fn(u64) -> BoxFuture<'static, Disk> + Send + Sync + 'static {
    let count = AtomicUsize::new(0);
    move |size| {
        let _ = &keep;
        let path = folder.join(format!("disk-{}", count.fetch_add(1, Ordering::Relaxed)));
        async move { Arc::new(FileDevice::create(path, size).await.unwrap()) as Disk }.boxed()
    }
}

async fn open(path: &Path, read_only: bool) -> Disk {
    let options = OpenOptions {
        read_only,
        ..OpenOptions::default()
    };
    Arc::new(FileDevice::open(path, &options).await.unwrap())
}

/// The page cache outlives the process, so that a file just dropped and opened again has everything.
fn options() -> Options {
    Options::default()
        .with_reopen(|disk| async move {
            let path = PathBuf::from(disk.name());
            drop(disk);
            open(&path, false).await
        })
        .with_read_only(|disk| async move { open(Path::new(disk.name()), true).await })
}

/// As [`options`], for file systems on which each flush takes long.
fn fewer() -> Options {
    Options {
        operations: 1000,
        ..options()
    }
}

mod temporary_folder {
    use super::*;

    fn make() -> impl Fn(u64) -> BoxFuture<'static, Disk> + Send + Sync + 'static {
        let folder = TempDir::new().unwrap();
        files(folder.path().to_owned(), folder)
    }

    block::conformance_tests!(make(), options());
}

mod tmpfs {
    use super::*;

    fn make() -> impl Fn(u64) -> BoxFuture<'static, Disk> + Send + Sync + 'static {
        let mount = support::Tmpfs::new("200m");
        files(mount.path().to_owned(), mount)
    }

    block::conformance_tests!(make(), options());
}

/// A file system that cannot zero a range and keep its space, so that zeroes are written out.
mod ext3 {
    use super::*;

    fn make() -> impl Fn(u64) -> BoxFuture<'static, Disk> + Send + Sync + 'static {
        let mount = support::FileSystem::new("mkfs.ext3", "e2fsprogs", 400 << 20);
        files(mount.path().to_owned(), mount)
    }

    block::conformance_tests!(make(), fewer());
}

mod btrfs {
    use super::*;

    fn make() -> impl Fn(u64) -> BoxFuture<'static, Disk> + Send + Sync + 'static {
        let mount = support::FileSystem::new("mkfs.btrfs", "btrfs-progs", 400 << 20);
        files(mount.path().to_owned(), mount)
    }

    block::conformance_tests!(make(), fewer());
}

mod loop_device {
    use super::*;

    /// A loop device cannot be made anew for each size within one mount, so that each disk is one of its own.
    fn make() -> impl Fn(u64) -> BoxFuture<'static, Disk> + Send + Sync + 'static {
        let devices = std::sync::Mutex::new(Vec::new());
        move |size| {
            let device = support::LoopDevice::new(size);
            let path = device.path().to_owned();
            devices.lock().unwrap().push(device);
            async move { open(&path, false).await }.boxed()
        }
    }

    block::conformance_tests!(make(), fewer());
}
