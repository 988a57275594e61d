//! Makes any device read-only.

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    BlockDevice, BlockError, Disk, Extent, Operation, Payload, Properties, Result, Status, WriteFlags, ZeroFlags,
};

/// A device that cannot be changed through this layer, whatever the one below it allows.
pub struct ReadOnly {
    inner: Disk,
}

impl ReadOnly {
    /// Protects `inner`.
    #[must_use]
    pub fn new(inner: Disk) -> Self {
        Self { inner }
    }

    /// The error of a modifying request: that of a bad range where it is one, else [`BlockError::ReadOnly`].
    fn refuse(&self, operation: Operation, offset: u64, length: u64) -> Result<()> {
        self.properties().check(self.name(), operation, offset, length)?;
        Err(BlockError::read_only(self.name()))
    }
}

#[async_trait]
impl BlockDevice for ReadOnly {
    fn properties(&self) -> Properties {
        Properties {
            read_only: true,
            ..self.inner.properties()
        }
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn generation(&self) -> Option<u64> {
        self.inner.generation()
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.inner.status()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        self.inner.read(offset, len).await
    }

    async fn write(&self, offset: u64, data: Payload, _flags: WriteFlags) -> Result<()> {
        self.refuse(Operation::Write, offset, data.len() as u64)
    }

    async fn write_zeroes(&self, offset: u64, len: u64, _flags: ZeroFlags) -> Result<()> {
        self.refuse(Operation::WriteZeroes, offset, len)
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        self.refuse(Operation::Discard, offset, len)
    }

    async fn flush(&self) -> Result<()> {
        self.inner.flush().await
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        self.inner.extents(offset, len).await
    }

    async fn resize(&self, _size: u64) -> Result<()> {
        self.refuse(Operation::Resize, 0, 0)
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
