//! Copies of images: clones that share blocks where the file system can, sparse copies elsewhere.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use block::store::{Result, StoreError};

use crate::{
    image, lock,
    sys::{self, LockKind},
};

/// Bytes copied between two looks at whether anybody still wants it.
const PART: u64 = 4 << 20;

/// Nobody writes to a snapshot.
const SNAPSHOT_MODE: u32 = 0o444;

/// Whether what was begun is still wanted.
#[derive(Clone, Default)]
pub(super) struct Cancel(Arc<AtomicBool>);

/// Stops the copy when dropped, in a future that waits for it.
pub(super) struct CancelGuard(Arc<AtomicBool>);

impl Cancel {
    pub(super) fn guard(&self) -> CancelGuard {
        CancelGuard(self.0.clone())
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What to do where the target exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// Leave it alone and fail; the copy can only be read.
    Keep,
    /// Put the copy in its place, with the same owner and rights.
    Replace,
}

/// A copy from one path to another.
pub(super) struct Copy<'a> {
    pub(super) source: &'a Path,
    pub(super) target: &'a Path,
    pub(super) existing: Existing,
    pub(super) cancel: &'a Cancel,
    /// Told how many bytes are done, and how many there are.
    pub(super) progress: &'a dyn Fn(u64, u64),
}

impl Copy<'_> {
    /// Makes the target with the content of the source, durably, or not at all: it is written under another name in
    /// the same folder, and renamed when it is whole.
    pub(super) fn run(&self) -> Result<()> {
        let partial = self.partial()?;
        let name = partial.display().to_string();
        let made = self.make(&partial).and_then(|()| {
            let placed = match self.existing {
                Existing::Replace => fs::rename(&partial, self.target),
                // Unlike a rename, a link never replaces.
                Existing::Keep => fs::hard_link(&partial, self.target).and_then(|()| fs::remove_file(&partial)),
            };
            placed
                .and_then(|()| image::sync_folder(self.target))
                .map_err(|error| image::failed(&self.target.display().to_string(), "cannot put the copy there", &error))
        });
        if made.is_err() && fs::remove_file(&partial).is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {
            tracing::warn!(file = name, "a partial copy could not be removed; delete it by hand");
        }
        made
    }

    /// Where the copy is made: hidden, so that nobody takes it for an image.
    fn partial(&self) -> Result<PathBuf> {
        let invalid = || StoreError::invalid(self.target.display().to_string(), "is no name of a file");
        let name = self.target.file_name().ok_or_else(invalid)?.to_string_lossy();
        Ok(self.target.with_file_name(format!(".{name}.partial")))
    }

    fn make(&self, partial: &Path) -> Result<()> {
        let object = self.source.display().to_string();
        let source = File::open(self.source).map_err(|error| image::failed(&object, "cannot open it", &error))?;
        let metadata = source
            .metadata()
            .map_err(|error| image::failed(&object, "cannot look at it", &error))?;
        if !metadata.is_file() {
            return Err(StoreError::invalid(object, "is no regular file"));
        }
        // What an interrupted copy left is of no use to anybody.
        let _ = fs::remove_file(partial);
        let target = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(partial);
        let place = partial.display().to_string();
        let target = target.map_err(|error| image::failed(&place, "cannot create it", &error))?;
        let copied = match sys::clone_file(&source, &target) {
            Ok(()) => Ok(()),
            Err(error) if sys::is_unsupported(&error) => {
                // A copy takes time, in which nobody may write; a clone is of one moment.
                if sys::lock_file(&source, LockKind::Shared).is_err() {
                    let owner = lock::holder(&metadata).unwrap_or_else(|| "another process".to_owned());
                    let remedy = "close it there first; only file systems that clone files (btrfs, XFS) take a snapshot \
                                  of an image in use";
                    return Err(StoreError::in_use(object, owner, remedy));
                }
                self.copy_sparsely(&source, &target)
            }
            Err(error) => Err(error),
        };
        copied
            .and_then(|()| self.set_rights(&target))
            .and_then(|()| target.sync_all())
            .map_err(|error| image::failed(&place, "cannot copy to it", &error))
    }

    fn set_rights(&self, copy: &File) -> io::Result<()> {
        match self.existing {
            Existing::Keep => copy.set_permissions(Permissions::from_mode(SNAPSHOT_MODE)),
            Existing::Replace => {
                let metadata = fs::metadata(self.target)?;
                fchown(copy, Some(metadata.uid()), Some(metadata.gid()))?;
                copy.set_permissions(metadata.permissions())
            }
        }
    }

    fn copy_sparsely(&self, source: &File, target: &File) -> io::Result<()> {
        let size = sys::size(source)?;
        target.set_len(size)?;
        let mut at = 0;
        let mut in_kernel = true;
        while at < size {
            let Some(data) = sys::next_data(source, at)? else { break };
            let end = sys::next_hole(source, data)?.unwrap_or(size);
            at = data;
            while at < end {
                if self.cancel.0.load(Ordering::Acquire) {
                    return Err(io::Error::new(
                        io::ErrorKind::Interrupted,
                        "nobody waits for the copy any more",
                    ));
                }
                at += copy_part(source, target, at, (end - at).min(PART), &mut in_kernel)?;
                (self.progress)(at, size);
            }
        }
        (self.progress)(size, size);
        Ok(())
    }
}

/// Copies a part, inside the kernel where that works; how much.
fn copy_part(source: &File, target: &File, at: u64, length: u64, in_kernel: &mut bool) -> io::Result<u64> {
    if *in_kernel {
        match sys::copy_range(source, target, at, length as usize) {
            Ok(0) => {}
            Err(error) if !sys::is_unsupported(&error) => return Err(error),
            Err(_) => {}
            Ok(copied) => return Ok(copied as u64),
        }
        *in_kernel = false;
    }
    let mut buffer = vec![0; length as usize];
    let count = source.read_at(&mut buffer, at)?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    target.write_all_at(&buffer[..count], at)?;
    Ok(count as u64)
}
