//! Disks that do what a test needs of them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use block::{
    BlockDevice, BlockError, Disk, Extent, MemoryDevice, Operation, Payload, Properties, Result, Status, WriteFlags,
    ZeroFlags,
};
use tokio::sync::{Semaphore, watch};

/// A disk in memory that holds reads and writes at an offset until told to let them go, fails where told to, and
/// keeps a list of what was asked.
pub struct TestDevice {
    disk: MemoryDevice,
    gates: Mutex<Vec<(u64, Arc<Semaphore>)>>,
    failure: Mutex<Option<BlockError>>,
    /// Operations that got as far as the disk, with offset and length.
    pub log: Mutex<Vec<(Operation, u64, u64)>>,
    /// Bytes of reads and writes that the disk is asked for at this moment or whose data are still somewhere.
    pub started: AtomicU64,
}

impl TestDevice {
    pub fn new(size: u64) -> Arc<Self> {
        Arc::new(Self {
            disk: MemoryDevice::new(size).unwrap(),
            gates: Mutex::default(),
            failure: Mutex::default(),
            log: Mutex::default(),
            started: AtomicU64::new(0),
        })
    }

    /// Requests at `offset` wait until the semaphore is closed.
    pub fn hold(&self, offset: u64) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.gates.lock().unwrap().push((offset, gate.clone()));
        gate
    }

    /// Every operation fails from now on, or no more.
    pub fn fail(&self, error: Option<BlockError>) {
        *self.failure.lock().unwrap() = error;
    }

    pub fn as_disk(self: &Arc<Self>) -> Disk {
        self.clone()
    }

    pub fn count(&self, operation: Operation) -> usize {
        self.log
            .lock()
            .unwrap()
            .iter()
            .filter(|entry| entry.0 == operation)
            .count()
    }

    async fn enter(&self, operation: Operation, offset: u64, length: u64) -> Result<()> {
        self.log.lock().unwrap().push((operation, offset, length));
        self.started.fetch_add(length, Ordering::SeqCst);
        let gate = self
            .gates
            .lock()
            .unwrap()
            .iter()
            .find(|gate| gate.0 == offset)
            .map(|gate| gate.1.clone());
        if let Some(gate) = gate {
            // Closing opens it.
            let _ = gate.acquire().await;
        }
        self.failure.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl BlockDevice for TestDevice {
    fn properties(&self) -> Properties {
        self.disk.properties()
    }

    fn name(&self) -> &str {
        "test"
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.disk.status()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        self.enter(Operation::Read, offset, len.into()).await?;
        self.disk.read(offset, len).await
    }

    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        self.enter(Operation::Write, offset, data.len() as u64).await?;
        self.disk.write(offset, data, flags).await
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        self.enter(Operation::WriteZeroes, offset, len).await?;
        self.disk.write_zeroes(offset, len, flags).await
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        self.enter(Operation::Discard, offset, len).await?;
        self.disk.discard(offset, len).await
    }

    async fn flush(&self) -> Result<()> {
        self.enter(Operation::Flush, 0, 0).await?;
        self.disk.flush().await
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        self.enter(Operation::Extents, offset, len).await?;
        self.disk.extents(offset, len).await
    }

    async fn resize(&self, size: u64) -> Result<()> {
        self.disk.resize(size).await
    }

    async fn close(&self) -> Result<()> {
        self.disk.close().await
    }
}
