//! `/dev/ublkbN` as its users see it: direct I/O on the block device, and a disk made of that, so that the suite which
//! every disk must pass also judges the way through the kernel and back.

use std::{
    fs::File,
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{FileExt, OpenOptionsExt},
    },
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use block::{
    BlockDevice, BlockError, Extent, Features, Health, Operation, Payload, Properties, RangeLock, Result, Status,
    WriteFlags, ZeroFlags,
};
use export_ublk::UblkDevice;
use tokio::sync::watch;

// linux/fs.h: _IO(0x12, 119), _IO(0x12, 127), _IO(0x12, 94).
const BLKDISCARD: libc::c_ulong = 0x1277;
const BLKZEROOUT: libc::c_ulong = 0x127f;
const BLKROGET: libc::c_ulong = 0x125e;

/// Memory for direct I/O begins at a page.
pub(crate) struct Aligned {
    memory: Vec<u8>,
    from: usize,
    len: usize,
}

impl Aligned {
    pub(crate) fn zeroed(len: usize) -> Self {
        let memory = vec![0; len + 4096];
        let from = memory.as_ptr().align_offset(4096);
        Self { memory, from, len }
    }

    pub(crate) fn copy_of(data: &[u8]) -> Self {
        let mut new = Self::zeroed(data.len());
        new.get_mut().copy_from_slice(data);
        new
    }

    pub(crate) fn get(&self) -> &[u8] {
        &self.memory[self.from..][..self.len]
    }

    pub(crate) fn get_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.from..][..self.len]
    }
}

/// Direct access to a block device.
pub(crate) struct Direct(File);

impl Direct {
    pub(crate) fn open(path: &Path, flags: i32) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_DIRECT | flags)
            .open(path)?;
        Ok(Self(file))
    }

    pub(crate) fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut data = Aligned::zeroed(len);
        self.0.read_exact_at(data.get_mut(), offset)?;
        Ok(data.get().to_vec())
    }

    pub(crate) fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(Aligned::copy_of(data).get(), offset)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    pub(crate) fn discard(&self, offset: u64, len: u64) -> io::Result<()> {
        self.range(BLKDISCARD, offset, len)
    }

    pub(crate) fn zero(&self, offset: u64, len: u64) -> io::Result<()> {
        self.range(BLKZEROOUT, offset, len)
    }

    /// Zeroes that may become holes: fallocate on a block device.
    pub(crate) fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        // SAFETY: no memory is involved.
        let result = unsafe {
            libc::fallocate64(
                self.0.as_raw_fd(),
                libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE,
                offset as i64,
                len as i64,
            )
        };
        check(result)
    }

    pub(crate) fn read_only(&self) -> io::Result<bool> {
        let mut answer: libc::c_int = 0;
        // SAFETY: the answer is one int.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), BLKROGET, &mut answer) })?;
        Ok(answer != 0)
    }

    fn range(&self, request: libc::c_ulong, offset: u64, len: u64) -> io::Result<()> {
        let range = [offset, len];
        // SAFETY: both requests take two u64.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), request, range.as_ptr()) })
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The disk that a ublk device of a disk is.
pub(crate) struct KernelDisk {
    device: Mutex<Option<UblkDevice>>,
    direct: Mutex<Option<Arc<Direct>>>,
    properties: Properties,
    lock: RangeLock,
    closed: AtomicBool,
    status: watch::Sender<Status>,
}

impl KernelDisk {
    /// Takes over `device`, which serves a disk with `properties`.
    pub(crate) fn new(device: UblkDevice, properties: Properties) -> io::Result<Self> {
        let direct = Direct::open(device.path(), 0)?;
        Ok(Self {
            properties: Properties {
                features: Features {
                    resize: false,
                    extents: false,
                    ..properties.features
                },
                ..properties
            },
            device: Mutex::new(Some(device)),
            direct: Mutex::new(Some(Arc::new(direct))),
            lock: RangeLock::new(),
            closed: AtomicBool::new(false),
            status: watch::Sender::new(Status::online(properties.size)),
        })
    }

    /// Runs a system call in a thread, with the range locked until it ends even if nobody waits any more.
    async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        offset: u64,
        len: u64,
        work: impl FnOnce(&Direct) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(BlockError::io("kernel", "closed"));
        }
        self.properties.check("kernel", operation, offset, len)?;
        let guard = if operation.modifies() {
            self.lock.exclusive(offset..offset + len).await
        } else {
            self.lock.shared(offset..offset + len).await
        };
        let direct = self.direct.lock().expect("no panic while held").clone();
        let direct = direct.ok_or_else(|| BlockError::io("kernel", "closed"))?;
        let done = tokio::task::spawn_blocking(move || {
            let _guard = guard;
            work(&direct)
        });
        done.await
            .map_err(|error| BlockError::io("kernel", error.to_string()))?
            .map_err(|error| BlockError::from_io("kernel", operation.as_str(), &error))
    }
}

#[async_trait::async_trait]
impl BlockDevice for KernelDisk {
    fn properties(&self) -> Properties {
        self.properties
    }

    fn name(&self) -> &str {
        "kernel"
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        let data = self.run(Operation::Read, offset, len.into(), move |direct| {
            direct.read(offset, len as usize)
        });
        Ok(data.await?.into())
    }

    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        let len = data.len() as u64;
        self.run(Operation::Write, offset, len, move |direct| {
            direct.write(offset, &data.to_vec())?;
            if flags.fua { direct.sync() } else { Ok(()) }
        })
        .await
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        self.run(Operation::WriteZeroes, offset, len, move |direct| {
            match (len, flags.no_hole) {
                (0, _) => return Ok(()),
                (_, true) => direct.zero(offset, len)?,
                (_, false) => direct.punch(offset, len)?,
            }
            if flags.fua { direct.sync() } else { Ok(()) }
        })
        .await
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        self.run(Operation::Discard, offset, len, move |direct| match len {
            0 => Ok(()),
            _ => direct.discard(offset, len),
        })
        .await
    }

    async fn flush(&self) -> Result<()> {
        self.run(Operation::Flush, 0, 0, Direct::sync).await
    }

    async fn extents(&self, offset: u64, length: u64) -> Result<Vec<Extent>> {
        self.run(Operation::Extents, offset, length, |_| Ok(())).await?;
        let extent = Extent {
            offset,
            length,
            kind: block::ExtentKind::Data,
        };
        Ok(if length == 0 { Vec::new() } else { vec![extent] })
    }

    async fn resize(&self, _size: u64) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(BlockError::io("kernel", "closed"));
        }
        Err(BlockError::unsupported("kernel", "resize"))
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::SeqCst);
        drop(self.direct.lock().expect("no panic while held").take());
        let device = self.device.lock().expect("no panic while held").take();
        self.status.send_modify(|status| status.health = Health::Closed);
        match device {
            Some(device) => device
                .remove()
                .await
                .map_err(|error| BlockError::io("kernel", error.to_string())),
            None => Ok(()),
        }
    }
}
