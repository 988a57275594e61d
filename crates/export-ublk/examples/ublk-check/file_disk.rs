//! A disk in a file, with a delay that keeps requests under way when its server is killed.

use std::{fs::File, os::unix::fs::FileExt, path::Path, sync::Arc, time::Duration};

use block::{
    BlockDevice, BlockError, Extent, ExtentKind, Features, Operation, Payload, Properties, Result, Status, WriteFlags,
    ZeroFlags,
};
use tokio::sync::watch;

/// A file as a disk.
pub(crate) struct FileDisk {
    file: Arc<File>,
    name: String,
    properties: Properties,
    delay: Duration,
    status: watch::Sender<Status>,
}

impl FileDisk {
    /// Opens the file; every operation takes at least `delay`.
    pub(crate) fn open(path: &Path, delay: Duration) -> std::io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let size = file.metadata()?.len() / 512 * 512;
        Ok(Self {
            file: Arc::new(file),
            name: path.display().to_string(),
            properties: Properties {
                physical_block_size: 4096,
                preferred_request: 64 << 10,
                features: Features {
                    volatile_cache: true,
                    ..Features::default()
                },
                ..Properties::new(size)
            },
            delay,
            status: watch::Sender::new(Status::online(size)),
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&File) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let file = self.file.clone();
        let done = tokio::task::spawn_blocking(move || work(&file)).await;
        done.map_err(|error| BlockError::io(&self.name, error.to_string()))?
            .map_err(|error| BlockError::from_io(&self.name, "file", &error))
    }
}

#[async_trait::async_trait]
impl BlockDevice for FileDisk {
    fn properties(&self) -> Properties {
        self.properties
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        self.properties
            .check(&self.name, Operation::Read, offset, u64::from(len))?;
        self.run(move |file| {
            let mut data = vec![0; len as usize];
            file.read_exact_at(&mut data, offset)?;
            Ok(data.into())
        })
        .await
    }

    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        self.properties
            .check(&self.name, Operation::Write, offset, data.len() as u64)?;
        self.run(move |file| {
            let mut at = offset;
            for segment in data.segments() {
                file.write_all_at(segment, at)?;
                at += segment.len() as u64;
            }
            if flags.fua { file.sync_data() } else { Ok(()) }
        })
        .await
    }

    async fn write_zeroes(&self, mut offset: u64, mut len: u64, flags: ZeroFlags) -> Result<()> {
        while len > 0 {
            let part = len.min(1 << 20);
            self.write(offset, Payload::zeroes(part as usize), WriteFlags { fua: flags.fua })
                .await?;
            offset += part;
            len -= part;
        }
        Ok(())
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        self.properties.check(&self.name, Operation::Discard, offset, len)
    }

    async fn flush(&self) -> Result<()> {
        self.run(File::sync_data).await
    }

    async fn extents(&self, offset: u64, length: u64) -> Result<Vec<Extent>> {
        self.properties.check(&self.name, Operation::Extents, offset, length)?;
        Ok(vec![Extent {
            offset,
            length,
            kind: ExtentKind::Data,
        }])
    }

    async fn resize(&self, _size: u64) -> Result<()> {
        Err(BlockError::unsupported(&self.name, "resize"))
    }

    async fn close(&self) -> Result<()> {
        self.flush().await
    }
}
