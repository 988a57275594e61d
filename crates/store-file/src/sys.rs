//! The system calls that the standard library does not have, each as one safe function.

use std::{
    fs::File,
    io::{self, IoSlice},
    os::fd::{AsRawFd, RawFd},
};

use bytes::BytesMut;
use libc::{c_int, c_ulong};

/// Logical block size of a block device (`include/uapi/linux/fs.h`).
const BLKSSZGET: c_ulong = 0x1268;
/// Physical block size of a block device, ibidem.
const BLKPBSZGET: c_ulong = 0x127B;
/// Whether a block device is read-only, ibidem.
const BLKROGET: c_ulong = 0x125E;
/// Makes one file share the blocks of another, ibidem.
const FICLONE: c_ulong = 0x4004_9409;

/// Slices of one vectored call; the kernel's own limit (`UIO_MAXIOV`).
const MAX_SLICES: usize = 1024;

fn check(result: c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Whether the kernel or the file system lacks what was asked for.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::ENOTTY | libc::EINVAL | libc::EXDEV)
    )
}

fn to_offset(offset: u64) -> io::Result<libc::off64_t> {
    libc::off64_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Reads until `buffer` has `len` bytes, or the file ends; how many are there then.
///
/// With `nowait` only what is in the page cache is read, as far as it goes, and an error may mean that nothing was
/// (`EAGAIN`) or that the file system cannot tell (`EOPNOTSUPP`).
pub(crate) fn read_at(file: &File, buffer: &mut BytesMut, len: usize, offset: u64, nowait: bool) -> io::Result<usize> {
    let flags = if nowait { libc::RWF_NOWAIT } else { 0 };
    buffer.reserve(len - buffer.len());
    while buffer.len() < len {
        let at = to_offset(offset + buffer.len() as u64)?;
        let missing = len - buffer.len();
        let slice = libc::iovec {
            iov_base: buffer.spare_capacity_mut().as_mut_ptr().cast(),
            iov_len: missing,
        };
        // SAFETY: the slice is spare capacity of the buffer, at least `missing` bytes after the reservation above,
        // borrowed mutably for the call.
        let count = unsafe { libc::preadv64v2(file.as_raw_fd(), &raw const slice, 1, at, flags) };
        match usize::try_from(count) {
            Ok(0) => break,
            // SAFETY: the kernel has just filled so many bytes behind the length.
            Ok(count) => unsafe { buffer.set_len(buffer.len() + count) },
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                // Part of it is in the cache.
                error if nowait && !buffer.is_empty() && error.kind() == io::ErrorKind::WouldBlock => break,
                error => return Err(error),
            },
        }
    }
    Ok(buffer.len())
}

/// Writes all of `slices` at `offset`; with `dsync` they are durable then (`RWF_DSYNC`).
pub(crate) fn write_at(file: &File, slices: &mut [IoSlice<'_>], offset: u64, dsync: bool) -> io::Result<()> {
    let flags = if dsync { libc::RWF_DSYNC } else { 0 };
    let (mut slices, mut offset) = (slices, offset);
    while !slices.is_empty() {
        let count = slices.len().min(MAX_SLICES);
        let at = to_offset(offset)?;
        // SAFETY: `IoSlice` has the layout of `iovec` by its documentation, and the slices live through the call.
        let written = unsafe { libc::pwritev64v2(file.as_raw_fd(), slices.as_ptr().cast(), count as c_int, at, flags) };
        match usize::try_from(written) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                IoSlice::advance_slices(&mut slices, written);
                offset += written as u64;
            }
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
    Ok(())
}

fn fallocate(file: &File, mode: c_int, offset: u64, length: u64) -> io::Result<()> {
    let (offset, length) = (to_offset(offset)?, to_offset(length)?);
    loop {
        // SAFETY: plain numbers.
        match check(unsafe { libc::fallocate64(file.as_raw_fd(), mode, offset, length) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Makes a range read as zeroes and gives its space back. On a block device: if the device can do it by itself.
pub(crate) fn punch_hole(file: &File, offset: u64, length: u64) -> io::Result<()> {
    fallocate(
        file,
        libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE,
        offset,
        length,
    )
}

/// Makes a range read as zeroes and keeps its space.
pub(crate) fn zero_range(file: &File, offset: u64, length: u64) -> io::Result<()> {
    fallocate(
        file,
        libc::FALLOC_FL_ZERO_RANGE | libc::FALLOC_FL_KEEP_SIZE,
        offset,
        length,
    )
}

/// Where the next data (`SEEK_DATA`) or the next hole (`SEEK_HOLE`) begin, from `offset` on; `None` for no more data.
fn seek(file: &File, offset: u64, whence: c_int) -> io::Result<Option<u64>> {
    // SAFETY: plain numbers. The position that this moves is used by nobody.
    let found = unsafe { libc::lseek64(file.as_raw_fd(), to_offset(offset)?, whence) };
    match u64::try_from(found) {
        Ok(found) => Ok(Some(found)),
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            error => Err(error),
        },
    }
}

/// The first data at or after `offset`.
pub(crate) fn next_data(file: &File, offset: u64) -> io::Result<Option<u64>> {
    seek(file, offset, libc::SEEK_DATA)
}

/// The first hole at or after `offset`; there is one at the end of every file.
pub(crate) fn next_hole(file: &File, offset: u64) -> io::Result<Option<u64>> {
    seek(file, offset, libc::SEEK_HOLE)
}

/// The size of a file or block device as it is now.
pub(crate) fn size(file: &File) -> io::Result<u64> {
    seek(file, 0, libc::SEEK_END).map(Option::unwrap_or_default)
}

fn get_number(fd: RawFd, request: c_ulong) -> io::Result<u32> {
    let mut value: c_int = 0;
    // SAFETY: all requests passed here write one int.
    check(unsafe { libc::ioctl(fd, request as libc::Ioctl, &raw mut value) })?;
    Ok(value as u32)
}

/// Logical and physical block size of a block device, in bytes.
pub(crate) fn block_sizes(file: &File) -> io::Result<(u32, u32)> {
    Ok((
        get_number(file.as_raw_fd(), BLKSSZGET)?,
        get_number(file.as_raw_fd(), BLKPBSZGET)?,
    ))
}

/// Whether a block device is write-protected.
pub(crate) fn is_write_protected(file: &File) -> io::Result<bool> {
    Ok(get_number(file.as_raw_fd(), BLKROGET)? != 0)
}

/// Makes `target` share all blocks of `source`, which takes no time and no space, on file systems that can.
pub(crate) fn clone_file(source: &File, target: &File) -> io::Result<()> {
    // SAFETY: the argument is a file descriptor.
    check(unsafe { libc::ioctl(target.as_raw_fd(), FICLONE as libc::Ioctl, source.as_raw_fd()) })
}

/// Copies up to `length` bytes at `offset` from one file to the same place of another, inside the kernel.
pub(crate) fn copy_range(source: &File, target: &File, offset: u64, length: usize) -> io::Result<usize> {
    let (mut from, mut to) = (to_offset(offset)?, to_offset(offset)?);
    // SAFETY: both positions live through the call.
    let count = unsafe {
        libc::copy_file_range(
            source.as_raw_fd(),
            &raw mut from,
            target.as_raw_fd(),
            &raw mut to,
            length,
            0,
        )
    };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// A lock on a file or block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockKind {
    /// Shared with others that read.
    Shared,
    /// Nobody else.
    Exclusive,
}

/// Locks a whole regular file for this open file description (`F_OFD_SETLK`, fcntl(2)); QEMU's tools honour and take
/// the same kind of lock.
pub(crate) fn lock_file(file: &File, kind: LockKind) -> io::Result<()> {
    let lock_type = match kind {
        LockKind::Shared => libc::F_RDLCK,
        LockKind::Exclusive => libc::F_WRLCK,
    };
    // SAFETY: all-zero is a valid `flock64`: the whole file, and the process id 0 that the kernel demands. On 32 bits
    // it is read as the shorter `flock` by newer C libraries, which with zeroes comes to the same.
    let mut lock: libc::flock64 = unsafe { std::mem::zeroed() };
    lock.l_type = lock_type as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: the lock lives through the call.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) })
}

/// Locks a block device (flock(2)), as systemd's "Locking Block Device Access" asks of everybody who changes one.
pub(crate) fn lock_block_device(file: &File, kind: LockKind) -> io::Result<()> {
    let operation = match kind {
        LockKind::Shared => libc::LOCK_SH,
        LockKind::Exclusive => libc::LOCK_EX,
    };
    // SAFETY: plain numbers.
    check(unsafe { libc::flock(file.as_raw_fd(), operation | libc::LOCK_NB) })
}

/// Free bytes for us and size of the file system that holds `file`.
pub(crate) fn free_space(file: &File) -> io::Result<(u64, u64)> {
    // SAFETY: all-zero is a valid `statvfs64`.
    let mut stat: libc::statvfs64 = unsafe { std::mem::zeroed() };
    // SAFETY: the structure lives through the call, which fills it.
    check(unsafe { libc::fstatvfs64(file.as_raw_fd(), &raw mut stat) })?;
    #[allow(clippy::unnecessary_cast, reason = "32 bits wide on 32-bit systems")]
    let unit = stat.f_frsize as u64;
    Ok((stat.f_bavail * unit, stat.f_blocks * unit))
}
