//! A disk in memory: the reference implementation, for tests and for boards without any store yet.

use std::sync::{
    PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    BlockDevice, BlockError, Extent, ExtentKind, Features, Health, Operation, Payload, Properties, Result, Status,
    WriteFlags, ZeroFlags,
};

/// Unit of allocation, in bytes.
const CHUNK: u64 = 64 << 10;

/// A sparse disk in memory; 64 KiB at a time is allocated when first written and given back when discarded.
pub struct MemoryDevice {
    name: String,
    properties: Properties,
    chunks: RwLock<Vec<Option<Box<[u8]>>>>,
    closed: AtomicBool,
    status: watch::Sender<Status>,
}

impl MemoryDevice {
    /// A disk of `size` bytes, all zeroes, that calls itself `memory`.
    ///
    /// # Errors
    ///
    /// [`Misaligned`](BlockError::Misaligned) if `size` is no multiple of 512.
    pub fn new(size: u64) -> Result<Self> {
        Self::with_properties("memory", Properties::new(size))
    }

    /// A disk that calls itself `name`, with block sizes and the read-only flag of `properties`; its features are
    /// those of memory.
    ///
    /// # Errors
    ///
    /// [`Misaligned`](BlockError::Misaligned) if the size is no multiple of the logical block size.
    pub fn with_properties(name: &str, properties: Properties) -> Result<Self> {
        if !properties.size.is_multiple_of(u64::from(properties.logical_block_size)) {
            return Err(BlockError::misaligned(
                name,
                0,
                properties.size,
                properties.logical_block_size,
            ));
        }
        let features = Features {
            discard: true,
            discard_zeroes: true,
            fast_zero: true,
            extents: true,
            resize: true,
            volatile_cache: false,
        };
        let mut chunks = Vec::new();
        chunks.resize_with(properties.size.div_ceil(CHUNK) as usize, || None);
        Ok(Self {
            name: name.to_owned(),
            properties: Properties { features, ..properties },
            chunks: RwLock::new(chunks),
            closed: AtomicBool::new(false),
            status: watch::Sender::new(Status::online(properties.size)),
        })
    }

    fn check(&self, operation: Operation, offset: u64, length: u64) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(BlockError::io(&self.name, "the disk is closed"));
        }
        self.properties().check(&self.name, operation, offset, length)
    }

    fn zero(&self, offset: u64, length: u64) {
        let mut chunks = self.chunks.write().unwrap_or_else(PoisonError::into_inner);
        for (index, from, to) in pieces(offset, length) {
            if to - from == CHUNK as usize {
                chunks[index] = None;
            } else if let Some(chunk) = &mut chunks[index] {
                chunk[from..to].fill(0);
            }
        }
    }
}

/// The chunks that a range touches, each with the part of it that is inside.
fn pieces(offset: u64, length: u64) -> impl Iterator<Item = (usize, usize, usize)> {
    let end = offset + length;
    (offset / CHUNK..end.div_ceil(CHUNK)).map(move |index| {
        let start = index * CHUNK;
        let from = offset.saturating_sub(start);
        let to = (end - start).min(CHUNK);
        (index as usize, from as usize, to as usize)
    })
}

#[async_trait]
impl BlockDevice for MemoryDevice {
    fn properties(&self) -> Properties {
        Properties {
            size: self.status.borrow().size,
            ..self.properties
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        self.check(Operation::Read, offset, u64::from(len))?;
        let chunks = self.chunks.read().unwrap_or_else(PoisonError::into_inner);
        let mut payload = Payload::new();
        for (index, from, to) in pieces(offset, u64::from(len)) {
            match &chunks[index] {
                Some(chunk) => payload.push(Bytes::copy_from_slice(&chunk[from..to])),
                None => payload.push_zeroes(to - from),
            }
        }
        Ok(payload)
    }

    async fn write(&self, offset: u64, mut data: Payload, _flags: WriteFlags) -> Result<()> {
        self.check(Operation::Write, offset, data.len() as u64)?;
        let mut chunks = self.chunks.write().unwrap_or_else(PoisonError::into_inner);
        for (index, from, to) in pieces(offset, data.len() as u64) {
            let part = data.split_to(to - from);
            let chunk = chunks[index].get_or_insert_with(|| vec![0; CHUNK as usize].into());
            part.copy_to_slice(&mut chunk[from..to]);
        }
        Ok(())
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        self.check(Operation::WriteZeroes, offset, len)?;
        if flags.no_hole {
            let mut chunks = self.chunks.write().unwrap_or_else(PoisonError::into_inner);
            for (index, from, to) in pieces(offset, len) {
                chunks[index].get_or_insert_with(|| vec![0; CHUNK as usize].into())[from..to].fill(0);
            }
        } else {
            self.zero(offset, len);
        }
        Ok(())
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        self.check(Operation::Discard, offset, len)?;
        self.zero(offset, len);
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        self.check(Operation::Flush, 0, 0)
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        self.check(Operation::Extents, offset, len)?;
        let chunks = self.chunks.read().unwrap_or_else(PoisonError::into_inner);
        let mut extents: Vec<Extent> = Vec::new();
        for (index, from, to) in pieces(offset, len) {
            let kind = if chunks[index].is_some() {
                ExtentKind::Data
            } else {
                ExtentKind::Hole
            };
            let length = (to - from) as u64;
            match extents.last_mut() {
                Some(last) if last.kind == kind => last.length += length,
                _ => extents.push(Extent {
                    offset: index as u64 * CHUNK + from as u64,
                    length,
                    kind,
                }),
            }
        }
        Ok(extents)
    }

    async fn resize(&self, size: u64) -> Result<()> {
        if !size.is_multiple_of(u64::from(self.properties.logical_block_size)) {
            return Err(BlockError::misaligned(
                &self.name,
                0,
                size,
                self.properties.logical_block_size,
            ));
        }
        self.check(Operation::Resize, 0, 0)?;
        let old = self.properties().size;
        if size < old {
            // The tail of the last chunk that stays must not come back when the disk grows again.
            self.zero(size, old - size);
        }
        let mut chunks = self.chunks.write().unwrap_or_else(PoisonError::into_inner);
        chunks.resize_with(size.div_ceil(CHUNK) as usize, || None);
        self.status.send_modify(|status| status.size = size);
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        self.status.send_modify(|status| status.health = Health::Closed);
        Ok(())
    }
}
