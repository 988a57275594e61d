//! What is opened and what is refused, and what a file looks like from outside.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use block::{
    BlockDevice, BlockError, Disk, ExtentKind, Payload, WriteFlags, ZeroFlags,
    store::{OpenOptions, StoreError},
};
use store_file::FileDevice;
use support::{LoopDevice, Tmpfs, run};
use tempfile::TempDir;

fn read_only() -> OpenOptions {
    OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    }
}

async fn open(path: impl AsRef<Path>) -> Result<FileDevice, StoreError> {
    FileDevice::open(path, &OpenOptions::default()).await
}

async fn refused(path: impl AsRef<Path>) -> StoreError {
    open(path).await.map(|disk| disk.name().to_owned()).unwrap_err()
}

/// A folder with an image of 1 MiB.
fn image() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("image");
    File::create(&path).unwrap().set_len(1 << 20).unwrap();
    (folder, path)
}

#[tokio::test]
async fn what_is_no_disk_is_refused_with_a_remedy() {
    let (folder, path) = image();
    let at = |name: &str| folder.path().join(name);
    assert!(matches!(refused(at("none")).await, StoreError::NotFound { .. }));
    run("mkfifo", "coreutils", &[at("pipe").to_str().unwrap()]);
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    for (path, what) in [
        (folder.path().to_owned(), "folder"),
        (at("pipe"), "pipe"),
        (at("socket"), "socket"),
        (PathBuf::from("/dev/null"), "character device"),
    ] {
        let error = refused(&path).await.to_string();
        assert!(
            error.contains(what) && error.contains("regular file or a block device"),
            "{error}"
        );
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
    File::options().write(true).open(&path).unwrap().set_len(1000).unwrap();
    let error = refused(&path).await.to_string();
    assert!(
        error.contains("1000 bytes") && error.contains("truncate -s 1024"),
        "{error}"
    );
    assert_eq!(fs::metadata(&path).unwrap().len(), 1000, "left alone");
}

#[tokio::test]
async fn creating_never_touches_what_exists() {
    let (folder, path) = image();
    fs::write(&path, b"precious").unwrap();
    let error = FileDevice::create(&path, 1 << 20).await.map(drop).unwrap_err();
    assert!(matches!(error, StoreError::AlreadyExists { .. }));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    // Nor what a link leads to.
    symlink(folder.path().join("nowhere"), folder.path().join("link")).unwrap();
    assert!(FileDevice::create(folder.path().join("link"), 512).await.is_err());
    for (size, left) in [(1000, false), (u64::MAX - 511, false), (0, true), (8 << 40, true)] {
        let path = folder.path().join(size.to_string());
        let made = FileDevice::create(&path, size).await;
        assert_eq!((made.is_ok(), path.exists()), (left, left), "{size} bytes");
    }
    assert!(
        FileDevice::create(folder.path().join("no/such/folder"), 512)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_second_writer_is_told_who_the_first_is() {
    let (_folder, path) = image();
    let first = open(&path).await.unwrap();
    let error = refused(&path).await.to_string();
    assert!(
        error.contains(&format!("this process ({})", std::process::id())),
        "{error}"
    );
    assert!(
        FileDevice::open(&path, &read_only()).await.is_err(),
        "a reader beside a writer"
    );
    first.close().await.unwrap();
    let readers = [
        FileDevice::open(&path, &read_only()).await,
        FileDevice::open(&path, &read_only()).await,
    ];
    assert!(readers.iter().all(Result::is_ok));
    assert!(
        matches!(refused(&path).await, StoreError::InUse { .. }),
        "a writer beside readers"
    );
    drop(readers);
    open(&path).await.unwrap();
}

/// A process that has an image open until it is ended.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn locks_hold_between_processes_and_against_qemu() {
    use std::io::{BufRead, BufReader, Write};
    let (_folder, path) = image();
    let mut qemu = Command::new("qemu-io")
        .args(["-f", "raw", path.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map(Qemu)
        .expect("qemu-io, of the Debian package qemu-utils");
    // It has the file open and locked when it answers.
    let mut input = qemu.0.stdin.take().unwrap();
    input.write_all(b"length\n").unwrap();
    let mut output = BufReader::new(qemu.0.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("1 MiB") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "qemu-io ended");
    }
    let error = refused(&path).await.to_string();
    assert!(error.contains(&format!("process {} (qemu-io)", qemu.0.id())), "{error}");
    drop(qemu);
    let _ours = open(&path).await.unwrap();
    let theirs = Command::new("qemu-io")
        .args(["-f", "raw", "-c", "length", path.to_str().unwrap()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&theirs.stderr);
    assert!(!theirs.status.success() && text.contains("lock"), "{text}");
}

#[tokio::test]
async fn an_image_behind_a_loop_device_is_in_use() {
    let (folder, path) = image();
    let device = LoopDevice::over(&path, &[], folder);
    let error = refused(&path).await.to_string();
    assert!(
        error.contains(&format!("losetup -d {}", device.path().display())),
        "{error}"
    );
    FileDevice::open(&path, &read_only()).await.unwrap();
}

#[tokio::test]
async fn a_mounted_block_device_is_in_use() {
    let device = LoopDevice::new(32 << 20);
    let path = device.path().to_str().unwrap();
    run("mkfs.ext4", "e2fsprogs", &["-q", path]);
    let mount = TempDir::new().unwrap();
    run("mount", "mount", &[path, mount.path().to_str().unwrap()]);
    let (writer, reader) = (
        open(path).await.map(drop),
        FileDevice::open(path, &read_only()).await.map(drop),
    );
    run("umount", "mount", &[mount.path().to_str().unwrap()]);
    for result in [writer, reader] {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::InUse { .. }), "{error}");
        assert!(error.to_string().contains("unmount"), "{error}");
    }
    let first = freed(path).await;
    assert!(matches!(refused(path).await, StoreError::InUse { .. }), "ours");
    first.close().await.unwrap();
    open(path).await.unwrap();
}

/// Opens a device that was unmounted: the kernel may let go of it a moment later.
async fn freed(path: &str) -> FileDevice {
    let free = async {
        loop {
            match open(path).await {
                Ok(device) => return device,
                Err(StoreError::InUse { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), free)
        .await
        .expect("nobody uses the device any more")
}

#[tokio::test]
async fn block_devices_have_their_own_sizes_and_rights() {
    let device = LoopDevice::with_options(1 << 20, &["--sector-size", "4096"]);
    let disk = open(device.path()).await.unwrap();
    let properties = disk.properties();
    assert_eq!(
        (properties.logical_block_size, properties.physical_block_size),
        (512, 4096)
    );
    // One 512-byte sector within one of 4096.
    disk.write(4096 + 512, vec![1; 512].into(), WriteFlags::FUA)
        .await
        .unwrap();
    disk.write_zeroes(512, 1 << 16, ZeroFlags::default()).await.unwrap();
    assert!(disk.read(0, 1 << 20).await.unwrap().is_zero());
    let error = disk.resize(2 << 20).await.unwrap_err();
    assert!(matches!(error, BlockError::Unsupported { .. }), "{error}");
    disk.close().await.unwrap();

    let device = LoopDevice::with_options(1 << 20, &["--read-only"]);
    let disk = open(device.path()).await.unwrap();
    assert!(disk.properties().read_only);
    let error = disk
        .write(0, Payload::zeroes(512), WriteFlags::default())
        .await
        .unwrap_err();
    assert!(matches!(error, BlockError::ReadOnly { .. }));
}

#[tokio::test]
async fn a_block_device_that_grows_is_noticed() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("loop");
    File::create(&file).unwrap().set_len(1 << 20).unwrap();
    let device = LoopDevice::over(&file, &[], folder);
    let disk = open(device.path()).await.unwrap();
    let mut status = disk.status();
    File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_len(2 << 20)
        .unwrap();
    run("losetup", "mount", &["-c", device.path().to_str().unwrap()]);
    disk.flush().await.unwrap();
    assert!(status.has_changed().unwrap());
    assert_eq!(status.borrow_and_update().size, 2 << 20);
    assert_eq!(disk.properties().size, 2 << 20);
}

#[tokio::test]
async fn read_only_media_are_opened_read_only() {
    let mount = Tmpfs::new("4m");
    let path = mount.path().join("image");
    File::create(&path).unwrap().set_len(1 << 20).unwrap();
    run("mount", "mount", &["-o", "remount,ro", mount.path().to_str().unwrap()]);
    let disk = open(&path).await.unwrap();
    assert!(disk.properties().read_only);
    assert!(disk.read(0, 512).await.unwrap().is_zero());
    disk.flush().await.unwrap();
}

#[tokio::test]
async fn missing_rights_are_named() {
    let (folder, path) = image();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    if open(&path).await.is_ok() {
        // Root may do everything, but not to a file that nobody may change.
        run("chattr", "e2fsprogs", &["+i", path.to_str().unwrap()]);
        let error = refused(&path).await;
        run("chattr", "e2fsprogs", &["-i", path.to_str().unwrap()]);
        assert!(error.to_string().contains("access denied"), "{error}");
    }
    drop(folder);
}

#[tokio::test]
async fn a_full_file_system_is_no_space_and_harms_nothing() {
    let mount = Tmpfs::new("4m");
    let disk = FileDevice::create(mount.path().join("image"), 64 << 20).await.unwrap();
    disk.write(0, vec![1; 1 << 20].into(), WriteFlags::default())
        .await
        .unwrap();
    let error = disk
        .write(8 << 20, vec![2; 8 << 20].into(), WriteFlags::default())
        .await
        .unwrap_err();
    assert!(matches!(error, BlockError::NoSpace { .. }), "{error:?}");
    assert!(error.to_string().contains("make room"), "{error}");
    assert_eq!(disk.read(0, 1 << 20).await.unwrap(), Payload::from(vec![1; 1 << 20]));
    // What is given back can be used again.
    disk.discard(8 << 20, 8 << 20).await.unwrap();
    disk.write(32 << 20, vec![3; 1 << 20].into(), WriteFlags::default())
        .await
        .unwrap();
    disk.flush().await.unwrap();
}

#[tokio::test]
async fn a_flush_hears_of_writes_that_were_lost() {
    // A block device whose storage is full only when the page cache is written back.
    let mount = Tmpfs::new("4m");
    let file = mount.path().join("loop");
    File::create(&file).unwrap().set_len(64 << 20).unwrap();
    let device = LoopDevice::over(&file, &[], TempDir::new().unwrap());
    let disk = open(device.path()).await.unwrap();
    let fill = || disk.write(0, vec![1; 16 << 20].into(), WriteFlags::default());
    fill().await.unwrap();
    assert!(disk.flush().await.is_err());

    fill().await.unwrap();
    let fua = disk.write(32 << 20, vec![1; 8 << 20].into(), WriteFlags::FUA).await;
    let flush = disk.flush().await;
    assert!(
        fua.is_err() && flush.is_err(),
        "also if a FUA write was told before: {fua:?} {flush:?}"
    );
    drop((disk, device));
}

#[tokio::test]
async fn a_file_truncated_by_somebody_else_is_an_error_and_noticed() {
    let (_folder, path) = image();
    let disk = open(&path).await.unwrap();
    File::options().write(true).open(&path).unwrap().set_len(4096).unwrap();
    let error = disk.read(8192, 512).await.unwrap_err();
    assert!(error.to_string().contains("truncated"), "{error}");
    assert_eq!(disk.status().borrow().size, 4096);
}

#[tokio::test]
async fn extents_are_the_real_holes() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("image");
    let disk: Disk = Arc::new(FileDevice::create(&path, 64 << 20).await.unwrap());
    for (offset, length) in [
        (0, 4096),
        (1 << 20, 64 << 10),
        (10 << 20, 1 << 20),
        ((64 << 20) - 4096, 4096),
    ] {
        disk.write(offset, vec![7; length].into(), WriteFlags::default())
            .await
            .unwrap();
    }
    disk.discard(10 << 20, 512 << 10).await.unwrap();
    disk.write_zeroes(1 << 20, 4096, ZeroFlags::default()).await.unwrap();
    disk.flush().await.unwrap();
    let extents = disk.extents(0, 64 << 20).await.unwrap();
    let ours: Vec<_> = extents
        .iter()
        .map(|extent| (extent.offset, extent.length, extent.kind))
        .collect();
    disk.close().await.unwrap();
    let map = run(
        "qemu-img",
        "qemu-utils",
        &["map", "--output=json", "-f", "raw", path.to_str().unwrap()],
    );
    let map: serde_json::Value = serde_json::from_str(&map).unwrap();
    let theirs: Vec<_> = map
        .as_array()
        .unwrap()
        .iter()
        .map(|extent| {
            let kind = if extent["data"] == true {
                ExtentKind::Data
            } else {
                ExtentKind::Hole
            };
            (
                extent["start"].as_u64().unwrap(),
                extent["length"].as_u64().unwrap(),
                kind,
            )
        })
        .collect();
    assert_eq!(ours, theirs);
    assert!(ours.len() >= 7, "{ours:?}");
}

#[tokio::test]
async fn discarded_space_is_given_back_and_kept_where_asked() {
    let (_folder, path) = image();
    let disk = open(&path).await.unwrap();
    let blocks = || fs::metadata(&path).unwrap().blocks();
    disk.write(0, vec![1; 1 << 20].into(), WriteFlags::FUA).await.unwrap();
    let full = blocks();
    assert!(full >= 2048);
    let no_hole = ZeroFlags {
        no_hole: true,
        ..ZeroFlags::default()
    };
    disk.write_zeroes(0, 1 << 20, no_hole).await.unwrap();
    disk.flush().await.unwrap();
    assert!(blocks() >= 2048, "kept");
    disk.write_zeroes(0, 512 << 10, ZeroFlags::default()).await.unwrap();
    assert!(blocks() <= full - 1024, "half of it given back");
    disk.discard(512 << 10, 512 << 10).await.unwrap();
    assert!(blocks() < 64, "all of it given back");
}

#[tokio::test]
async fn more_segments_than_one_system_call_takes() {
    let (_folder, path) = image();
    let disk = open(&path).await.unwrap();
    let data: Vec<u8> = (0..40_960_u32).map(|index| (index % 251) as u8).collect();
    let payload: Payload = data.chunks(10).map(bytes::Bytes::copy_from_slice).collect();
    assert_eq!(payload.segments().len(), 4096);
    disk.write(512, payload, WriteFlags::FUA).await.unwrap();
    let mut found = vec![0; data.len()];
    File::open(&path).unwrap().read_exact_at(&mut found, 512).unwrap();
    assert_eq!(found, data);
}
