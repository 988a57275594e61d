//! What the threads do: each request as the system calls it takes.

use std::{
    fs::File,
    io::{self, IoSlice},
    sync::atomic::Ordering,
};

use block::{BlockError, Extent, ExtentKind, LOGICAL_BLOCK_SIZE, Payload, Result, ZeroFlags};
use bytes::BytesMut;

use super::Shared;
use crate::{image::Kind, sys};

/// Extents in one answer, at most: a caller asks again for more.
const MAX_EXTENTS: usize = 512;

/// Unit in which a block device is zeroed and discarded: a page of the page cache, so that no cached sector beside the
/// range is touched.
const PAGE: u64 = 4096;

/// Bytes of zeroes written at a time.
const ZEROES: u64 = 1 << 20;

/// Reads what `buffer` does not have yet.
pub(super) fn read(shared: &Shared, file: &File, mut buffer: BytesMut, len: usize, offset: u64) -> Result<Payload> {
    let count =
        sys::read_at(file, &mut buffer, len, offset, false).map_err(|error| shared.error("cannot read", &error))?;
    if count == len {
        return Ok(buffer.freeze().into());
    }
    // Somebody cut it behind our back.
    if let Ok(size) = sys::size(file) {
        shared.set_size(size & !u64::from(LOGICAL_BLOCK_SIZE - 1));
    }
    Err(BlockError::io(
        &shared.name,
        format!(
            "ends at byte {}; was it truncated by somebody else?",
            offset + count as u64
        ),
    ))
}

pub(super) fn write(shared: &Shared, file: &File, offset: u64, data: &Payload, fua: bool) -> Result<()> {
    match data.segments() {
        [] => Ok(()),
        [one] => write_slices(shared, file, &mut [IoSlice::new(one)], offset, fua),
        _ => write_slices(shared, file, &mut data.io_slices().collect::<Vec<_>>(), offset, fua),
    }
    .map_err(|error| shared.error("cannot write", &error))
}

fn write_slices(shared: &Shared, file: &File, slices: &mut [IoSlice<'_>], offset: u64, fua: bool) -> io::Result<()> {
    if !fua {
        return sys::write_at(file, slices, offset, false);
    }
    let can = &shared.can.dsync;
    if can.load(Ordering::Relaxed) {
        // A kernel that does not know the flag refuses before it writes anything, so that the slices are whole.
        match sys::write_at(file, slices, offset, true) {
            Err(error) if sys::is_unsupported(&error) => can.store(false, Ordering::Relaxed),
            result => return shared.sync.noted(result),
        }
    }
    sys::write_at(file, slices, offset, false)?;
    shared.sync.noted(file.sync_data())
}

pub(super) fn write_zeroes(shared: &Shared, file: &File, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
    if len == 0 {
        return Ok(());
    }
    let done = match shared.kind {
        Kind::File => zero_file(shared, file, offset, len, flags),
        Kind::BlockDevice(logical) => zero_block_device(file, offset, len, flags, u64::from(logical).max(PAGE)),
    };
    let zeroed = match done {
        Ok(true) => Ok(()),
        Ok(false) => return Err(BlockError::unsupported(&shared.name, "fast write of zeroes")),
        Err(error) => Err(error),
    };
    let durable = zeroed.and_then(|()| {
        if flags.fua {
            shared.sync.noted(file.sync_data())
        } else {
            Ok(())
        }
    });
    durable.map_err(|error| shared.error("cannot write zeroes", &error))
}

/// Zeroes a range of a regular file; false if that would only be possible slowly and must not be slow.
fn zero_file(shared: &Shared, file: &File, offset: u64, len: u64, flags: ZeroFlags) -> io::Result<bool> {
    if !flags.no_hole && shared.properties.features.fast_zero {
        return sys::punch_hole(file, offset, len).map(|()| true);
    }
    let can = &shared.can.zero_range;
    if can.load(Ordering::Relaxed) {
        match sys::zero_range(file, offset, len) {
            Err(error) if sys::is_unsupported(&error) => can.store(false, Ordering::Relaxed),
            result => return result.map(|()| true),
        }
    }
    if flags.fast_only {
        return Ok(false);
    }
    write_out_zeroes(file, offset, len).map(|()| true)
}

/// Zeroes a range of a block device; as [`zero_file`].
fn zero_block_device(file: &File, offset: u64, len: u64, flags: ZeroFlags, unit: u64) -> io::Result<bool> {
    let (start, end) = (offset.next_multiple_of(unit), (offset + len) / unit * unit);
    if start >= end {
        // Less than a unit is nothing, either way.
        return write_out_zeroes(file, offset, len).map(|()| true);
    }
    // The large part first: if it is refused nothing has changed.
    let punched = if flags.no_hole {
        Err(io::ErrorKind::Unsupported.into())
    } else {
        sys::punch_hole(file, start, end - start)
    };
    let zeroed = match punched {
        Err(error) if error.kind() == io::ErrorKind::Unsupported || sys::is_unsupported(&error) => {
            if flags.fast_only {
                return Ok(false);
            }
            // The kernel writes zeroes itself where the device has no command for it.
            sys::zero_range(file, start, end - start)
        }
        result => result,
    };
    match zeroed {
        Err(error) if sys::is_unsupported(&error) => write_out_zeroes(file, start, end - start)?,
        result => result?,
    }
    write_out_zeroes(file, offset, start - offset)?;
    write_out_zeroes(file, end, offset + len - end)?;
    Ok(true)
}

fn write_out_zeroes(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let (mut at, end) = (offset, offset + len);
    while at < end {
        let part = (end - at).min(ZEROES);
        let zeroes = Payload::zeroes(part as usize);
        sys::write_at(file, &mut zeroes.io_slices().collect::<Vec<_>>(), at, false)?;
        at += part;
    }
    Ok(())
}

/// On a block device only by the command that promises zeroes: what a plain discard (`BLKDISCARD`) leaves may be
/// anything, and some SD cards answer with ones.
pub(super) fn discard(shared: &Shared, file: &File, offset: u64, len: u64) -> Result<()> {
    let unit = match shared.kind {
        Kind::File => 1,
        Kind::BlockDevice(logical) => u64::from(logical).max(PAGE),
    };
    let (start, end) = (offset.next_multiple_of(unit), (offset + len) / unit * unit);
    if start >= end || !shared.properties.features.discard {
        return Ok(());
    }
    match sys::punch_hole(file, start, end - start) {
        Err(error) if !sys::is_unsupported(&error) || shared.kind == Kind::File => {
            Err(shared.error("cannot punch a hole", &error))
        }
        _ => Ok(()),
    }
}

pub(super) fn flush(shared: &Shared, file: &File, before: u64) -> Result<()> {
    if shared.kind != Kind::File
        && let Ok(size) = sys::size(file)
    {
        // A volume may grow while it is in use.
        shared.set_size(size & !u64::from(LOGICAL_BLOCK_SIZE - 1));
    }
    if shared.properties.read_only {
        return Ok(());
    }
    shared
        .sync
        .flush(before, || file.sync_data())
        .map_err(|error| shared.error("cannot flush", &error))
}

pub(super) fn extents(shared: &Shared, file: &File, offset: u64, len: u64) -> Result<Vec<Extent>> {
    if len == 0 {
        return Ok(Vec::new());
    }
    let all_data = vec![Extent {
        offset,
        length: len,
        kind: ExtentKind::Data,
    }];
    if shared.kind != Kind::File {
        return Ok(all_data);
    }
    match holes_and_data(file, offset, offset + len) {
        Err(error) if sys::is_unsupported(&error) => Ok(all_data),
        result => result.map_err(|error| shared.error("cannot find holes", &error)),
    }
}

fn holes_and_data(file: &File, offset: u64, end: u64) -> io::Result<Vec<Extent>> {
    // File systems know blocks of 512 bytes and more; should one be finer, a sector with any data is data.
    let sector = u64::from(LOGICAL_BLOCK_SIZE);
    let mut extents = Vec::new();
    let mut at = offset;
    let mut add = |from: u64, to: u64, kind| {
        if from < to {
            extents.push(Extent {
                offset: from,
                length: to - from,
                kind,
            });
        }
        extents.len()
    };
    while at < end {
        let Some(data) = sys::next_data(file, at)? else {
            add(at, end, ExtentKind::Hole);
            break;
        };
        let data = (data / sector * sector).clamp(at, end);
        add(at, data, ExtentKind::Hole);
        if data == end {
            break;
        }
        let hole = sys::next_hole(file, data)?.unwrap_or(end);
        at = hole.next_multiple_of(sector).clamp(data + sector, end);
        if add(data, at, ExtentKind::Data) >= MAX_EXTENTS {
            break;
        }
    }
    Ok(extents)
}
