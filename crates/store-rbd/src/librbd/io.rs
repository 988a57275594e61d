//! The requests of a disk: no thread waits for one, and no byte is copied that librbd does not copy.

use std::{
    ffi::c_int,
    sync::Arc,
};

use block::Payload;
use bytes::{Bytes, BytesMut};

use super::{
    completion::{Answer, submit},
    image::Image,
    sys,
};

/// A share of an image that a request under way has. It may be dropped by a thread of librbd.
pub(super) struct Share(Option<Arc<Image>>);

impl Share {
    pub(super) fn of(image: &Arc<Image>) -> Self {
        Self(Some(image.clone()))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(image) = self.0.take() {
            Image::drop_elsewhere(image);
        }
    }
}

/// Reads `len` bytes at `offset`. `held` is kept until librbd is done, as in all of these.
pub(super) async fn read<H: Send + 'static>(
    image: &Arc<Image>,
    offset: u64,
    len: usize,
    held: H,
) -> Result<Bytes, i32> {
    let mut buffer = BytesMut::with_capacity(len);
    let (raw, target) = (image.raw(), Raw(buffer.as_mut_ptr()));
    let keep = (buffer, Share::of(image), held);
    let reading = submit(keep, move |completion| {
        let target = target;
        // SAFETY: the image is open as long as the share is kept, and so is the buffer, whose memory does not move.
        unsafe { sys::rbd_aio_read(raw, offset, len, target.0.cast(), completion) }
    });
    match reading.await {
        (Some((mut buffer, _, _)), Ok(count)) if count == len => {
            // SAFETY: librbd filled as many bytes, holes with zeroes.
            unsafe { buffer.set_len(len) };
            Ok(buffer.freeze())
        }
        (_, Err(code)) => Err(code),
        _ => Err(libc::EIO),
    }
}

/// A pointer that goes to another thread together with what it points to.
#[derive(Clone, Copy)]
struct Raw(*mut u8);

/// Writes `data` at `offset`.
pub(super) async fn write<H: Send + 'static>(image: &Arc<Image>, offset: u64, data: Payload, held: H) -> Answer {
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
        let keep = (data, Share::of(image), held);
        submit(keep, |completion| {
            // SAFETY: the image is open as long as the share is kept, and so are the segments, whose memory neither moves
            // nor changes; librbd reads the list of them within the call. It calls back when it has let go of them.
            unsafe { sys::rbd_aio_writev(raw, slices.as_ptr(), slices.len() as c_int, offset, completion) }
        })
    };
    writing.await.1
}

/// Makes `len` bytes at `offset` read as zeroes; with `allocate` they take space afterwards.
pub(super) async fn write_zeroes<H: Send + 'static>(
    image: &Arc<Image>,
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
        submit((Share::of(image), held), |completion| {
            // SAFETY: the image is open as long as the share is kept.
            unsafe { sys::rbd_aio_write_zeroes(raw, offset, len, completion, flags, 0) }
        })
    };
    zeroing.await.1
}

/// Makes everything durable that was completed before.
pub(super) async fn flush<H: Send + 'static>(image: &Arc<Image>, held: H) -> Answer {
    let flushing = {
        let raw = image.raw();
        submit((Share::of(image), held), |completion| {
            // SAFETY: the image is open as long as the share is kept.
            unsafe { sys::rbd_aio_flush(raw, completion) }
        })
    };
    flushing.await.1
}
