//! What can be put into a LUN.

use std::{
    fs::{self, OpenOptions},
    io::{self, Seek, SeekFrom},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, OpenOptionsExt},
    },
    path::Path,
};

/// Why a file cannot be a medium.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediumProblem {
    /// The kernel resolves the path by itself, so it must be complete.
    #[error("is not an absolute path")]
    NotAbsolute,
    /// An attribute cannot hold it.
    #[error("has a line break, a NUL byte or more than 4000 bytes in its path")]
    UnusablePath,
    /// No such file.
    #[error("does not exist: create it, or see that its disk is online")]
    Missing,
    /// Neither a regular file nor a block device.
    #[error("is neither a regular file nor a block device")]
    WrongType,
    /// The kernel wants a sector at least (`fsg_lun_open`), 300 sectors of 2048 bytes for a CD-ROM.
    #[error("has {size} bytes, at least {least} are needed")]
    TooSmall {
        /// Bytes there are.
        size: u64,
        /// Bytes needed.
        least: u64,
    },
    /// The kernel would show the start of it only.
    #[error("has {size} bytes, a CD-ROM has at most {most}: use it as a read-only disk instead")]
    TooBig {
        /// Bytes there are.
        size: u64,
        /// Bytes that fit.
        most: u64,
    },
    /// The kernel would cut off the rest.
    #[error("has {size} bytes, which is no multiple of {sector}: the end would be cut off, so make it one")]
    Ragged {
        /// Bytes there are.
        size: u64,
        /// Bytes a sector has.
        sector: u64,
    },
    /// Somebody else has it.
    #[error("is in use on this machine (mounted, or part of another device): release it there first")]
    InUse,
    /// In another LUN, and one of the two writes.
    #[error("is in LUN {lun} already: two writers destroy it, so make both read-only or choose another")]
    InLun {
        /// The other LUN.
        lun: usize,
    },
    /// The kernel opened it read-only though it was to be written.
    #[error("cannot be written: make it writable, or the LUN read-only")]
    NotWritable,
    /// No right to open it.
    #[error("may not be opened: give this process the right, or choose another")]
    Denied,
    /// Anything else, in the system's words.
    #[error("cannot be opened: {0}")]
    Other(String),
}

/// A CD-ROM's sector, its smallest track and its largest number of sectors (`fsg_lun_open`).
const CD_SECTOR: u64 = 2048;
const CD_LEAST: u64 = 300 * CD_SECTOR;
const CD_MOST: u64 = (256 * 60 * 75 - 1) * CD_SECTOR;

/// Whether an attribute can hold the path. A page is the limit of an attribute, and the kernel appends to it on reading.
pub(crate) fn check_path(path: &Path) -> Result<(), MediumProblem> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() > 4000 || bytes.contains(&b'\n') || bytes.contains(&0) {
        return Err(MediumProblem::UnusablePath);
    }
    if !path.is_absolute() {
        return Err(MediumProblem::NotAbsolute);
    }
    Ok(())
}

/// Looks at a medium before the kernel gets it, since its own answers are one `EINVAL` for all.
pub(crate) fn check(path: &Path, cdrom: bool) -> Result<(), MediumProblem> {
    check_path(path)?;
    let kind = fs::metadata(path).map_err(|error| problem(&error))?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        return Err(MediumProblem::WrongType);
    }
    let mut options = OpenOptions::new();
    options.read(true);
    if kind.is_block_device() {
        // O_EXCL on a block device fails while somebody has claimed it: a mounted file system, LVM, swap (open(2)).
        options.custom_flags(nix::fcntl::OFlag::O_EXCL.bits());
    }
    let size = options
        .open(path)
        .and_then(|mut file| file.seek(SeekFrom::End(0)))
        .map_err(|error| problem(&error))?;
    check_size(size, cdrom)
}

fn check_size(size: u64, cdrom: bool) -> Result<(), MediumProblem> {
    let (least, sector) = if cdrom { (CD_LEAST, CD_SECTOR) } else { (512, 512) };
    if size < least {
        Err(MediumProblem::TooSmall { size, least })
    } else if !size.is_multiple_of(sector) {
        Err(MediumProblem::Ragged { size, sector })
    } else if cdrom && size > CD_MOST {
        Err(MediumProblem::TooBig { size, most: CD_MOST })
    } else {
        Ok(())
    }
}

/// What an error on opening means.
pub(crate) fn problem(error: &io::Error) -> MediumProblem {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => MediumProblem::Missing,
        io::ErrorKind::PermissionDenied => MediumProblem::Denied,
        io::ErrorKind::ReadOnlyFilesystem => MediumProblem::NotWritable,
        io::ErrorKind::ResourceBusy => MediumProblem::InUse,
        _ => MediumProblem::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_must_be_absolute_and_fit_an_attribute() {
        assert_eq!(check_path(Path::new("/dev/ublkb0")), Ok(()));
        assert_eq!(check_path(Path::new("disk.img")), Err(MediumProblem::NotAbsolute));
        assert_eq!(check_path(Path::new("/a\nb")), Err(MediumProblem::UnusablePath));
        assert_eq!(
            check_path(Path::new(&format!("/{}", "x".repeat(4000)))),
            Err(MediumProblem::UnusablePath)
        );
    }

    #[test]
    fn files_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        assert_eq!(check(&path, false), Err(MediumProblem::Missing));
        assert_eq!(check(dir.path(), false), Err(MediumProblem::WrongType));
        assert_eq!(check(Path::new("/dev/null"), false), Err(MediumProblem::WrongType));
        fs::write(&path, vec![0; 1024]).unwrap();
        assert_eq!(check(&path, false), Ok(()));
        assert_eq!(check(&path.join("x"), false), Err(MediumProblem::Missing));
    }

    #[test]
    fn sizes_are_those_the_kernel_can_show_whole() {
        assert_eq!(
            check_size(0, false),
            Err(MediumProblem::TooSmall { size: 0, least: 512 })
        );
        assert_eq!(
            check_size(513, false),
            Err(MediumProblem::Ragged { size: 513, sector: 512 })
        );
        assert_eq!(check_size(8 << 40, false), Ok(()));
        assert_eq!(check_size(CD_LEAST - CD_SECTOR, true).map_err(|_| ()), Err(()));
        assert_eq!(check_size(CD_LEAST, true), Ok(()));
        assert_eq!(check_size(CD_LEAST + 512, true).map_err(|_| ()), Err(()));
        assert_eq!(check_size(CD_MOST, true), Ok(()));
        assert!(matches!(
            check_size(CD_MOST + CD_SECTOR, true),
            Err(MediumProblem::TooBig { .. })
        ));
    }
}
