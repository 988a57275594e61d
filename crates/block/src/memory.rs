//! A disk in memory: the reference implementation, for tests and for boards without any store yet.

use std::sync::{
    Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
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

/// What the disk holds, shared by all who opened it.
struct Content {
    size: u64,
    chunks: Vec<Option<Box<[u8]>>>,
}

/// A sparse disk in memory; 64 KiB at a time is allocated when first written and given back when discarded.
pub struct MemoryDevice {
    name: String,
    properties: Properties,
    content: Arc<RwLock<Content>>,
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
        let mut content = Content {
            size: 0,
            chunks: Vec::new(),
        };
        content.resize(name, properties.size)?;
        Ok(Self {
            name: name.to_owned(),
            properties: Properties { features, ..properties },
            content: Arc::new(RwLock::new(content)),
            closed: AtomicBool::new(false),
            status: watch::Sender::new(Status::online(properties.size)),
        })
    }

    /// A device on the same memory, as if a disk that survives its owner were opened again; also after this one was
    /// closed. Each tells its own watchers only.
    #[must_use]
    pub fn reopen(&self, read_only: bool) -> Self {
        let size = self.content().size;
        Self {
            name: self.name.clone(),
            properties: Properties {
                size,
                read_only,
                ..self.properties
            },
            content: self.content.clone(),
            closed: AtomicBool::new(false),
            status: watch::Sender::new(Status::online(size)),
        }
    }

    fn content(&self) -> RwLockReadGuard<'_, Content> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn content_mut(&self) -> RwLockWriteGuard<'_, Content> {
        self.content.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks a request against `content`, which the caller holds, so that the size cannot change before it is done.
    fn check(&self, content: &Content, operation: Operation, offset: u64, length: u64) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(BlockError::closed(&self.name));
        }
        let properties = Properties {
            size: content.size,
            ..self.properties
        };
        properties.check(&self.name, operation, offset, length)
    }
}

impl Content {
    fn resize(&mut self, name: &str, size: u64) -> Result<()> {
        let too_large = || BlockError::no_space(name, format!("{size} bytes are more than memory can hold"));
        let chunks = usize::try_from(size.div_ceil(CHUNK)).map_err(|_| too_large())?;
        let more = chunks.saturating_sub(self.chunks.len());
        self.chunks.try_reserve_exact(more).map_err(|_| too_large())?;
        if size < self.size {
            // The tail of the last chunk that stays must not come back when the disk grows again.
            self.zero(size, self.size - size);
        }
        self.chunks.resize_with(chunks, || None);
        self.size = size;
        Ok(())
    }

    fn zero(&mut self, offset: u64, length: u64) {
        for (index, from, to) in pieces(offset, length) {
            if to - from == CHUNK as usize {
                self.chunks[index] = None;
            } else if let Some(chunk) = &mut self.chunks[index] {
                chunk[from..to].fill(0);
            }
        }
    }

    /// The chunk `index`, allocated if need be.
    fn chunk_mut(&mut self, index: usize) -> &mut [u8] {
        self.chunks[index].get_or_insert_with(|| vec![0; CHUNK as usize].into())
    }
}

/// The chunks that a range touches, each with the part of it that is inside.
fn pieces(offset: u64, length: u64) -> impl Iterator<Item = (usize, usize, usize)> {
    let end = offset + length;
    let chunks = if length == 0 {
        0..0
    } else {
        offset / CHUNK..end.div_ceil(CHUNK)
    };
    chunks.map(move |index| {
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
            size: self.content().size,
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
        let content = self.content();
        self.check(&content, Operation::Read, offset, u64::from(len))?;
        let mut payload = Payload::new();
        for (index, from, to) in pieces(offset, u64::from(len)) {
            match &content.chunks[index] {
                Some(chunk) => payload.push(Bytes::copy_from_slice(&chunk[from..to])),
                None => payload.push_zeroes(to - from),
            }
        }
        Ok(payload)
    }

    async fn write(&self, offset: u64, mut data: Payload, _flags: WriteFlags) -> Result<()> {
        let mut content = self.content_mut();
        self.check(&content, Operation::Write, offset, data.len() as u64)?;
        for (index, from, to) in pieces(offset, data.len() as u64) {
            let part = data.split_to(to - from);
            part.copy_to_slice(&mut content.chunk_mut(index)[from..to]);
        }
        Ok(())
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        let mut content = self.content_mut();
        self.check(&content, Operation::WriteZeroes, offset, len)?;
        if flags.no_hole {
            for (index, from, to) in pieces(offset, len) {
                content.chunk_mut(index)[from..to].fill(0);
            }
        } else {
            content.zero(offset, len);
        }
        Ok(())
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        let mut content = self.content_mut();
        self.check(&content, Operation::Discard, offset, len)?;
        content.zero(offset, len);
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        self.check(&self.content(), Operation::Flush, 0, 0)
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        let content = self.content();
        self.check(&content, Operation::Extents, offset, len)?;
        let mut extents: Vec<Extent> = Vec::new();
        for (index, from, to) in pieces(offset, len) {
            let kind = if content.chunks[index].is_some() {
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
        let mut content = self.content_mut();
        self.check(&content, Operation::Resize, 0, 0)?;
        if !size.is_multiple_of(u64::from(self.properties.logical_block_size)) {
            let block_size = self.properties.logical_block_size;
            return Err(BlockError::misaligned(&self.name, 0, size, block_size));
        }
        content.resize(&self.name, size)?;
        drop(content);
        self.status.send_modify(|status| status.size = size);
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        self.status.send_modify(|status| status.health = Health::Closed);
        Ok(())
    }
}
