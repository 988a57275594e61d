//! Which objects of an image exist.

use std::{
    ffi::{c_int, c_void},
    ptr,
};

use block::{Extent, ExtentKind};
use libc::size_t;

use super::{image::Image, sys};
use crate::error::Result;

/// Most runs in one answer.
const MAX_RUNS: usize = 4096;

/// Collects runs of data.
struct Runs {
    found: Vec<(u64, u64)>,
    /// Where the answer ends because there are too many.
    end: u64,
}

/// The extents from `offset` on, to `end` or less far; whole objects count as data if they exist, here or in a parent.
pub(super) fn extents(image: &Image, offset: u64, end: u64) -> Result<Vec<Extent>> {
    let mut runs = Runs { found: Vec::new(), end };
    // SAFETY: an open image; the collector lives through the call.
    let code = unsafe {
        sys::rbd_diff_iterate2(
            image.raw(),
            ptr::null(),
            offset,
            end - offset,
            1,
            1,
            collect,
            (&raw mut runs).cast(),
        )
    };
    image.check("asking which objects exist", code)?;
    let mut extents = Vec::new();
    let mut push = |from: u64, to: u64, kind| {
        if to > from {
            extents.push(Extent {
                offset: from,
                length: to - from,
                kind,
            });
        }
    };
    // They come in order, but nothing promises it.
    runs.found.sort_unstable();
    let mut at = offset;
    for (from, to) in runs.found {
        let (from, to) = (from.clamp(at, runs.end), to.clamp(at, runs.end));
        push(at, from, ExtentKind::Hole);
        push(from, to, ExtentKind::Data);
        at = to;
    }
    push(at, runs.end, ExtentKind::Hole);
    Ok(extents)
}

/// Bytes in objects that exist.
pub(super) fn allocated(image: &Image, size: u64) -> Result<u64> {
    let mut sum = 0_u64;
    // SAFETY: an open image; the sum lives through the call.
    let code =
        unsafe { sys::rbd_diff_iterate2(image.raw(), ptr::null(), 0, size, 0, 1, add_up, (&raw mut sum).cast()) };
    image.check("asking which objects exist", code)?;
    Ok(sum)
}

extern "C" fn collect(offset: u64, length: size_t, exists: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: the collector given to `rbd_diff_iterate2`, which calls from one thread at a time, within its call.
    let runs = unsafe { &mut *argument.cast::<Runs>() };
    if exists != 0 && length > 0 && offset < runs.end {
        let end = offset + length as u64;
        let is_full = runs.found.len() == MAX_RUNS;
        match runs.found.last_mut() {
            Some(last) if last.1 == offset => last.1 = end,
            _ if is_full => runs.end = offset,
            _ => runs.found.push((offset, end)),
        }
    }
    0
}

extern "C" fn add_up(_offset: u64, length: size_t, exists: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: as in `collect`.
    let sum = unsafe { &mut *argument.cast::<u64>() };
    if exists != 0 {
        *sum += length as u64;
    }
    0
}
