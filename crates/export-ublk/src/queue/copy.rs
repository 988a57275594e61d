//! The one copy of every payload: between the pages of a kernel request and our memory (`UBLK_F_USER_COPY`).
//!
//! A read or write of `/dev/ublkcN` at an offset that encodes queue, tag and position copies straight from or to the
//! pages of that request (`ublk_ch_read_iter` in `drivers/block/ublk_drv.c`). The kernel allows it from any thread; it
//! is done in the thread of the queue only, because that thread cannot be in the middle of a copy when it dies: a copy
//! under way while the driver aborts the requests of a killed daemon would turn "issue again" into an error.

use std::{io, os::fd::RawFd};

use block::Payload;
use libublk::io::UblkIOCtx;

/// Segments per system call.
const BATCH: usize = 64;

/// Fills `buffer` with what the host writes in the request `tag` of queue `queue`.
pub(super) fn from_request(device: RawFd, queue: u16, tag: u16, buffer: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        let rest = &mut buffer[done..];
        let at = UblkIOCtx::ublk_user_copy_pos(queue, tag, done as u32);
        // SAFETY: `rest` is valid for writing its length. pread64, because off_t has 32 bits on 32-bit systems and the
        // queue and the tag are in bits 25 to 53 of the offset.
        let got = unsafe { libc::pread64(device, rest.as_mut_ptr().cast(), rest.len(), at as libc::off64_t) };
        done += count(got)?;
    }
    Ok(())
}

/// Hands `payload` to the host as what it reads in the request `tag` of queue `queue`.
pub(super) fn to_request(device: RawFd, queue: u16, tag: u16, payload: &Payload) -> io::Result<()> {
    let mut done = 0;
    let mut segments = payload.segments();
    let mut skip = 0;
    while !segments.is_empty() {
        let mut batch = [libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        }; BATCH];
        let mut used = 0;
        for (slot, segment) in batch.iter_mut().zip(segments) {
            let from = if used == 0 { skip } else { 0 };
            slot.iov_base = segment[from..].as_ptr().cast_mut().cast();
            slot.iov_len = segment.len() - from;
            used += 1;
        }
        let at = UblkIOCtx::ublk_user_copy_pos(queue, tag, done as u32);
        // SAFETY: the first `used` vectors point into segments that live as long as `payload`, and are only read from.
        let put = unsafe { libc::pwritev64(device, batch.as_ptr(), used as libc::c_int, at as libc::off64_t) };
        let mut put = count(put)?;
        done += put;
        // Where the next call goes on, should the kernel have stopped in the middle.
        put += skip;
        skip = 0;
        while let Some(first) = segments.first() {
            if put < first.len() {
                skip = put;
                break;
            }
            put -= first.len();
            segments = &segments[1..];
        }
    }
    Ok(())
}

/// The bytes that a system call says it copied; none is an error, or it would be called for ever.
fn count(result: libc::ssize_t) -> io::Result<usize> {
    match usize::try_from(result) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::AsRawFd};

    use bytes::Bytes;

    use super::*;

    /// A sparse file stands for the character device: the encoded offset is just a position in it.
    fn device() -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 43).unwrap();
        file
    }

    #[test]
    fn payloads_of_any_shape_arrive_at_the_place_of_their_request() {
        let device = device();
        let pieces: Vec<Vec<u8>> = (0..200_usize).map(|n| vec![n as u8; n * 7 % 900 + 1]).collect();
        let payload: Payload = pieces.iter().cloned().map(Bytes::from).collect();
        to_request(device.as_raw_fd(), 3, 77, &payload).unwrap();
        let mut back = vec![0; payload.len()];
        from_request(device.as_raw_fd(), 3, 77, &mut back).unwrap();
        assert_eq!(back, pieces.concat());
        from_request(device.as_raw_fd(), 3, 78, &mut back[..512]).unwrap();
        assert_eq!(back[..512], [0; 512], "its neighbour is untouched");
    }

    #[test]
    fn an_end_in_the_middle_is_an_error_and_no_endless_loop() {
        let file = tempfile::tempfile().unwrap();
        assert!(from_request(file.as_raw_fd(), 0, 0, &mut [0; 512]).is_err());
        assert!(from_request(-1, 0, 0, &mut [0; 512]).is_err());
        assert!(to_request(-1, 0, 0, &Payload::zeroes(512)).is_err());
        to_request(-1, 0, 0, &Payload::new()).unwrap();
    }
}
