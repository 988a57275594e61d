//! Opening, checking and locking what holds an image.

use std::{
    fs::{self, File},
    io,
    os::{
        linux::fs::MetadataExt,
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::Path,
    thread,
    time::Duration,
};

use block::{
    BlockError, Features, LOGICAL_BLOCK_SIZE,
    store::{CreateOptions, OpenOptions, Result, StoreError},
};

use crate::{
    lock,
    sys::{self, LockKind},
};

/// What an image is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file of a file system.
    File,
    /// A block device, with its logical block size in bytes.
    BlockDevice(u32),
}

/// An image that is open, locked and known to be usable.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) file: File,
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    pub(crate) read_only: bool,
    pub(crate) physical_block_size: u32,
    pub(crate) features: Features,
}

/// The error of a system call on behalf of `object`.
pub(crate) fn failed(object: &str, what: &str, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotFound => StoreError::not_found(object, "check the path, or create it first"),
        io::ErrorKind::AlreadyExists => StoreError::already_exists(object),
        _ => BlockError::from_io(object, what, error).into(),
    }
}

/// Opens `path`, locks it and checks that it can be a disk.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<Image> {
    let name = path.display().to_string();
    loop {
        // Looked at before it is opened: to open a named pipe would wait for its other end.
        let metadata = fs::metadata(path).map_err(|error| failed(&name, "cannot look at it", &error))?;
        let file_type = metadata.file_type();
        if file_type.is_block_device() {
            return open_block_device(path, &name, &metadata, options);
        }
        if !file_type.is_file() {
            let what = match () {
                () if file_type.is_dir() => "a folder",
                () if file_type.is_fifo() => "a named pipe",
                () if file_type.is_socket() => "a socket",
                () if file_type.is_char_device() => "a character device",
                () => "no file",
            };
            let detail = format!("is {what}; a disk is a regular file or a block device");
            return Err(StoreError::invalid(name, detail));
        }
        let image = open_file(path, &name, &metadata, options)?;
        // The path may lead to another file by now, put in its place by a restore that held the lock before us.
        let now = fs::metadata(path).map_err(|error| failed(&name, "cannot look at it", &error))?;
        let opened = image
            .file
            .metadata()
            .map_err(|error| failed(&name, "cannot look at it", &error))?;
        if (now.st_dev(), now.st_ino()) == (opened.st_dev(), opened.st_ino()) {
            return Ok(image);
        }
    }
}

/// Opens for writing if that is wanted and the medium allows it; the file, and whether it is read-only.
fn open_rights(path: &Path, name: &str, options: &OpenOptions, flags: i32) -> Result<(File, bool)> {
    let mut open = fs::OpenOptions::new();
    open.read(true).custom_flags(flags);
    let opened = match patiently(|| open.clone().write(!options.read_only).open(path)) {
        Ok(file) => return Ok((file, options.read_only)),
        Err(error) if !options.read_only && error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            tracing::warn!(disk = name, "on read-only media: opened read-only");
            open.open(path)
        }
        Err(error) => Err(error),
    };
    match opened {
        Ok(file) => Ok((file, true)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let remedy = if options.read_only {
                ""
            } else {
                ", or open it read-only"
            };
            let detail = format!("{error}; give this user the right to read and write it{remedy}");
            Err(BlockError::denied(name, detail).into())
        }
        Err(error) if is_busy(&error) => {
            let owner = "the system (mounted, swapped to, or part of a volume)";
            Err(StoreError::in_use(name, owner, "unmount it, or stop what uses it"))
        }
        Err(error) => Err(failed(name, "cannot open it", &error)),
    }
}

fn conflict(name: &str, metadata: &fs::Metadata) -> StoreError {
    let remedy = "stop that first, or open it read-only everywhere";
    StoreError::in_use(
        name,
        lock::holder(metadata).unwrap_or_else(|| "another process".into()),
        remedy,
    )
}

fn open_file(path: &Path, name: &str, metadata: &fs::Metadata, options: &OpenOptions) -> Result<Image> {
    let (file, read_only) = open_rights(path, name, options, 0)?;
    let kind = if read_only {
        LockKind::Shared
    } else {
        LockKind::Exclusive
    };
    match patiently(|| sys::lock_file(&file, kind)) {
        Ok(()) => {}
        Err(error) if is_taken(&error) => return Err(conflict(name, metadata)),
        Err(error) => {
            tracing::warn!(disk = name, %error, "the file system has no locks: nothing keeps others from this disk");
        }
    }
    if !read_only && let Some(device) = lock::loop_device(path) {
        let remedy = format!("detach it with: losetup -d {}", device.display());
        return Err(StoreError::in_use(name, device.display().to_string(), remedy));
    }
    let size = sys::size(&file).map_err(|error| failed(name, "cannot find out its size", &error))?;
    check_size(name, size)?;
    // Whether holes can be punched is tried where there is nothing to lose: behind the end.
    let punch = !read_only && sys::punch_hole(&file, size.next_multiple_of(1 << 20), 4096).is_ok();
    Ok(Image {
        kind: Kind::File,
        size,
        read_only,
        // What a page of the page cache holds: less would be read first.
        physical_block_size: 4096,
        features: Features {
            discard: punch,
            discard_zeroes: punch,
            fast_zero: punch,
            // Where there cannot be holes all is data.
            extents: punch || read_only,
            resize: true,
            volatile_cache: true,
        },
        file,
    })
}

/// Makes a sparse file that does not exist yet.
pub(crate) fn create(path: &Path, options: &CreateOptions) -> Result<()> {
    let name = path.display().to_string();
    if let Some(format) = options.format.as_deref().filter(|format| *format != "raw") {
        return Err(StoreError::unsupported(name, format!("format {format}"), "use raw"));
    }
    check_size(&name, options.size)?;
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| failed(&name, "cannot create it", &error))?;
    let made = file
        .set_len(options.size)
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(path));
    made.map_err(|error| {
        // Ours, as it did not exist before.
        let _ = fs::remove_file(path);
        failed(&name, &format!("cannot make it {} bytes long", options.size), &error)
    })
}

/// Makes the entry of `path` in its folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Refuses sizes that no disk has.
pub(crate) fn check_size(name: &str, size: u64) -> Result<()> {
    let sector = u64::from(LOGICAL_BLOCK_SIZE);
    if size.is_multiple_of(sector) {
        return Ok(());
    }
    let detail = format!(
        "has {size} bytes, which is no multiple of {sector}; if it is a disk image, pad it with: truncate -s {} {name}",
        size.next_multiple_of(sector)
    );
    Err(StoreError::invalid(name, detail))
}

fn open_block_device(path: &Path, name: &str, metadata: &fs::Metadata, options: &OpenOptions) -> Result<Image> {
    // Refused by the kernel if it is mounted, part of a RAID, swapped to (open(2), O_EXCL on a block device).
    let probe = OpenOptions {
        read_only: true,
        ..options.clone()
    };
    let (probe, _) = open_rights(path, name, &probe, libc::O_EXCL).map_err(|error| in_use(error, metadata))?;
    let protected =
        sys::is_write_protected(&probe).map_err(|error| failed(name, "cannot ask for write protection", &error))?;
    drop(probe);
    let read_only = options.read_only || protected;
    if protected && !options.read_only {
        tracing::warn!(disk = name, "write-protected: opened read-only");
    }
    let rights = OpenOptions {
        read_only,
        ..options.clone()
    };
    // Readers do not keep each other out.
    let flags = if read_only { 0 } else { libc::O_EXCL };
    let (file, read_only) = open_rights(path, name, &rights, flags).map_err(|error| in_use(error, metadata))?;
    let kind = if read_only {
        LockKind::Shared
    } else {
        LockKind::Exclusive
    };
    patiently(|| sys::lock_block_device(&file, kind)).map_err(|_| conflict(name, metadata))?;
    let (logical, physical) =
        sys::block_sizes(&file).map_err(|error| failed(name, "cannot ask for block sizes", &error))?;
    let size = sys::size(&file).map_err(|error| failed(name, "cannot find out its size", &error))?;
    check_size(name, size)?;
    let queue = |attribute: &str| queue_limit(metadata, attribute) > 0 && !read_only;
    let features = Features {
        discard: queue("discard_max_bytes") && queue("write_zeroes_max_bytes"),
        // Only what is aligned to pages of the cache is discarded.
        discard_zeroes: false,
        fast_zero: queue("write_zeroes_max_bytes"),
        extents: false,
        resize: false,
        volatile_cache: true,
    };
    Ok(Image {
        file,
        kind: Kind::BlockDevice(logical),
        size,
        read_only,
        physical_block_size: physical.max(4096),
        features,
    })
}

/// Names the holder if it is a process like ourselves.
fn in_use(error: StoreError, metadata: &fs::Metadata) -> StoreError {
    match error {
        StoreError::InUse { object, owner, remedy } => {
            let owner = lock::holder(metadata).unwrap_or(owner);
            StoreError::InUse { object, owner, remedy }
        }
        other => other,
    }
}

/// Tries to get hold of something for up to a second while somebody else has it. Some hold a file or a lock for moments only:
/// `udevd` while it looks at a block device, a program that is just being started and still has its parent's files.
fn patiently<T>(attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let mut attempts = 0;
    loop {
        match attempt() {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) || is_busy(&error) => {
                if attempts == 20 {
                    return Err(error);
                }
                attempts += 1;
                thread::sleep(Duration::from_millis(50));
            }
            result => return result,
        }
    }
}

/// Whether somebody else has the lock: the codes of fcntl(2) and flock(2).
fn is_taken(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES))
}

/// Whether the system has it: open(2) with O_EXCL on a block device.
fn is_busy(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBUSY | libc::ETXTBSY))
}

/// A limit of the device's queue in sysfs (`Documentation/ABI/stable/sysfs-block`), of the whole disk for a partition.
fn queue_limit(metadata: &fs::Metadata, attribute: &str) -> u64 {
    let device = metadata.st_rdev();
    let device = format!("/sys/dev/block/{}:{}", libc::major(device), libc::minor(device));
    ["queue", "../queue"]
        .iter()
        .find_map(|queue| fs::read_to_string(format!("{device}/{queue}/{attribute}")).ok())
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}
