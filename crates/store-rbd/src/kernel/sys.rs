//! The system calls of direct I/O that the standard library does not have, each as one safe function.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::Path,
};

use bytes::BytesMut;

/// What the kernel wants direct I/O to be aligned to, in memory and on the device: the size of a sector, also where it does
/// not tell (`queue/dma_alignment` is 511 for rbd).
pub(super) const ALIGNMENT: usize = 512;

/// Opens a block device for direct I/O. `alone`: nobody else has it that way, nor mounted, nor as part of a volume.
pub(super) fn open_direct(path: &Path, write: bool, alone: bool) -> io::Result<File> {
    let alone = if alone { libc::O_EXCL } else { 0 };
    OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags(libc::O_DIRECT | alone)
        .open(path)
}

/// An empty buffer whose first byte after the padding that it returns is aligned, with room for `len` bytes from there.
pub(super) fn aligned(len: usize) -> (BytesMut, usize) {
    let mut buffer = BytesMut::with_capacity(len + ALIGNMENT);
    let padding = buffer.as_ptr().align_offset(ALIGNMENT);
    // Within the capacity: the memory stays where it is.
    buffer.resize(padding, 0);
    (buffer, padding)
}

/// Whether direct I/O can take its bytes from here.
pub(super) fn is_aligned(data: &[u8]) -> bool {
    data.as_ptr().addr().is_multiple_of(ALIGNMENT)
}

fn to_offset(offset: u64) -> io::Result<libc::off64_t> {
    libc::off64_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Reads `len` bytes at `offset` behind what `buffer` has; fewer where the device ends. How many were read.
pub(super) fn read_at(file: &File, buffer: &mut BytesMut, len: usize, offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < len {
        let at = to_offset(offset + done as u64)?;
        buffer.reserve(len - done);
        let spare = buffer.spare_capacity_mut();
        // SAFETY: the buffer has so much spare capacity after the reservation above, borrowed mutably for the call.
        let count = unsafe { libc::pread64(file.as_raw_fd(), spare.as_mut_ptr().cast(), len - done, at) };
        match usize::try_from(count) {
            Ok(0) => break,
            Ok(count) => {
                // SAFETY: the kernel has just filled so many bytes behind the length.
                unsafe { buffer.set_len(buffer.len() + count) };
                done += count;
            }
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
    Ok(done)
}

/// Makes a range of a block device read as zeroes by the device's own means (`REQ_OP_WRITE_ZEROES`), which gives the space
/// back. Fails where the device has none.
pub(super) fn punch_hole(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    let (offset, length) = (to_offset(offset)?, to_offset(length)?);
    loop {
        // SAFETY: plain numbers.
        if unsafe { libc::fallocate64(file.as_raw_fd(), mode, offset, length) } == 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn what_is_read_lies_behind_the_padding_and_aligned() {
        let file = tempfile::tempfile().unwrap();
        let data: Vec<u8> = (0..4096_u32).map(|at| at as u8).collect();
        file.write_all_at(&data, 0).unwrap();
        for len in [512, 1024, 4096] {
            let (mut buffer, padding) = aligned(len);
            assert!(buffer.as_ptr().wrapping_add(padding).addr().is_multiple_of(ALIGNMENT));
            let place = buffer.as_ptr();
            assert_eq!(read_at(&file, &mut buffer, len, 0).unwrap(), len);
            assert_eq!(buffer.as_ptr(), place, "it was not moved");
            let read = buffer.freeze().slice(padding..);
            assert!(is_aligned(&read));
            assert_eq!(read, data[..len]);
        }
        let (mut buffer, _) = aligned(4096);
        assert_eq!(read_at(&file, &mut buffer, 4096, 3584).unwrap(), 512, "the end");
        assert!(read_at(&file, &mut buffer, 512, u64::MAX).is_err());
    }
}
