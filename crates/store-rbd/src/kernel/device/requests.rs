//! What the threads do: each request as direct I/O.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use block::{Payload, Result};

use super::{Held, Inner, KernelDisk};
use crate::kernel::sys;

/// Bytes that are zeroed at a time, so that a thread is not away for long.
const ZERO_AT_ONCE: u64 = 64 << 20;

/// Bytes of zeroes that are written at a time where they have to be written.
const ZEROES: usize = 1 << 20;

pub(super) fn read(file: &File, offset: u64, len: usize) -> io::Result<Payload> {
    let (mut buffer, padding) = sys::aligned(len);
    match sys::read_at(file, &mut buffer, len, offset)? {
        done if done == len => Ok(buffer.freeze().slice(padding..).into()),
        // It was checked against the size: somebody made the image smaller meanwhile.
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

pub(super) fn write(file: &File, offset: u64, data: &Payload, fua: bool) -> io::Result<()> {
    match data.segments() {
        [one] if sys::is_aligned(one) => file.write_all_at(one, offset)?,
        segments => {
            let (mut buffer, padding) = sys::aligned(data.len());
            for segment in segments {
                buffer.extend_from_slice(segment);
            }
            file.write_all_at(&buffer[padding..], offset)?;
        }
    }
    if fua { file.sync_data() } else { Ok(()) }
}

/// Zeroes by the device's own means, or by writing zeroes.
fn zero(file: &File, offset: u64, len: u64, fast: bool) -> io::Result<()> {
    if fast {
        return sys::punch_hole(file, offset, len);
    }
    let (mut buffer, padding) = sys::aligned(ZEROES);
    buffer.resize(padding + ZEROES, 0);
    let (mut at, end) = (offset, offset + len);
    while at < end {
        let part = (end - at).min(ZEROES as u64) as usize;
        file.write_all_at(&buffer[padding..padding + part], at)?;
        at += part as u64;
    }
    Ok(())
}

impl KernelDisk {
    pub(super) async fn zero(&self, offset: u64, len: u64, fast: bool, fua: bool, held: Held) -> Result<()> {
        // Shared by the parts: held until the last one that was begun has ended, also when this is dropped between two.
        let held = Arc::new(held);
        let (mut at, end) = (offset, offset + len);
        while at < end {
            let part = (ZERO_AT_ONCE - at % ZERO_AT_ONCE).min(end - at);
            let (from, sync) = (at, fua && at + part == end);
            let work = move |_: &Inner, file: &File| {
                zero(file, from, part, fast)?;
                if sync { file.sync_data() } else { Ok(()) }
            };
            self.inner.run("zeroing", held.clone(), work).await?;
            at += part;
        }
        Ok(())
    }
}
