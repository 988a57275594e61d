//! The requests of a disk: no thread waits for one, and no byte is copied that librbd does not copy.

use std::ffi::c_int;

use block::Payload;
use bytes::{Bytes, BytesMut};

use super::{
    completion::{Answer, submit},
    image::Share,
    sys,
};

/// Reads `len` bytes at `offset`. `held` is kept until librbd is done, as in all of these.
pub(super) async fn read<H: Send + 'static>(image: &Share, offset: u64, len: usize, held: H) -> Result<Bytes, i32> {
    let reading = {
        let mut buffer = BytesMut::with_capacity(len);
        let (raw, target) = (image.raw(), buffer.as_mut_ptr().cast());
        submit((buffer, image.clone(), held), |completion| {
            let Some(_open) = image.using() else {
                return -libc::ESHUTDOWN;
            };
            // SAFETY: the image is open within the call, and closing it waits for requests; the buffer is kept, and its
            // memory does not move.
            unsafe { sys::rbd_aio_read(raw, offset, len, target, completion) }
        })
    };
    match reading.ended().await {
        (Some((mut buffer, _, _)), Ok(count)) if count == len => {
            // SAFETY: librbd filled as many bytes, holes with zeroes.
            unsafe { buffer.set_len(len) };
            Ok(buffer.freeze())
        }
        (_, Err(code)) => Err(code),
        _ => Err(libc::EIO),
    }
}

/// Writes `data` at `offset`.
pub(super) async fn write<H: Send + 'static>(image: &Share, offset: u64, data: Payload, held: H) -> Answer {
    let writing = {
        let raw = image.raw();
        let slices: Vec<libc::iovec> = data
            .segments()
            .iter()
            .map(|segment| libc::iovec {
                iov_base: segment.as_ptr().cast_mut().cast(),
                iov_len: segment.len(),
            })
            .collect();
        let keep = (data, image.clone(), held);
        submit(keep, |completion| {
            let Some(_open) = image.using() else {
                return -libc::ESHUTDOWN;
            };
            // SAFETY: the image is open within the call, and closing it waits for requests; the segments are kept, and
            // their memory neither moves nor changes; librbd reads the list of them within the call. It calls back when it
            // has let go of them.
            unsafe { sys::rbd_aio_writev(raw, slices.as_ptr(), slices.len() as c_int, offset, completion) }
        })
    };
    writing.ended().await.1
}

/// Makes `len` bytes at `offset` read as zeroes; with `allocate` they take space afterwards.
pub(super) async fn write_zeroes<H: Send + 'static>(
    image: &Share,
    offset: u64,
    len: usize,
    allocate: bool,
    held: H,
) -> Answer {
    let zeroing = {
        let raw = image.raw();
        let flags = match allocate {
            true => sys::RBD_WRITE_ZEROES_FLAG_THICK_PROVISION,
            false => 0,
        };
        submit((image.clone(), held), |completion| {
            let Some(_open) = image.using() else {
                return -libc::ESHUTDOWN;
            };
            // SAFETY: the image is open within the call, and closing it waits for requests.
            unsafe { sys::rbd_aio_write_zeroes(raw, offset, len, completion, flags, 0) }
        })
    };
    zeroing.ended().await.1
}

/// Makes everything durable that was completed before.
pub(super) async fn flush<H: Send + 'static>(image: &Share, held: H) -> Answer {
    let flushing = {
        let raw = image.raw();
        submit((image.clone(), held), |completion| {
            let Some(_open) = image.using() else {
                return -libc::ESHUTDOWN;
            };
            // SAFETY: the image is open within the call, and closing it waits for requests.
            unsafe { sys::rbd_aio_flush(raw, completion) }
        })
    };
    flushing.ended().await.1
}
