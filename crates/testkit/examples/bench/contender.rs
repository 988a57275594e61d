//! The NBD servers that are compared.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use testkit::{Process, program};

use crate::{
    fio::{self, Target, Workload},
    report::Run,
    sample,
};

const START_LIMIT: Duration = Duration::from_secs(60);

/// A running NBD server on a Unix socket.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
    socket: PathBuf,
}

impl Server {
    /// Our server on `disk`, with a configuration file if the disk needs one.
    pub(crate) async fn ours(program: &Path, disk: &str, config: Option<&Path>, folder: &Path) -> Result<Self> {
        let socket = folder.join("ours.sock");
        let mut builder = Process::builder(program);
        if let Some(config) = config {
            builder = builder.arg("--config").arg(config);
        }
        let process = builder
            .args(["--log", "warn", "nbd", disk, "--listen"])
            .arg(format!("unix:{}", socket.display()))
            .current_dir(folder)
            .spawn()?;
        Self::ready(process, socket).await
    }

    /// qemu-nbd on a raw file, with the durability of ours: through the page cache, a flush is an fdatasync.
    pub(crate) async fn qemu_nbd(file: &Path, folder: &Path) -> Result<Self> {
        let socket = folder.join("qemu.sock");
        let process = Process::builder(program::locate("qemu-nbd"))
            .args([
                "--format=raw",
                "--cache=writeback",
                "--aio=threads",
                "--discard=unmap",
                "--persistent",
            ])
            .arg(format!("--socket={}", socket.display()))
            .arg(file)
            .spawn()?;
        Self::ready(process, socket).await
    }

    /// qemu-nbd on an image in a Ceph pool, through librbd as QEMU uses it, without librbd's cache.
    pub(crate) async fn qemu_rbd(image: &str, folder: &Path) -> Result<Self> {
        let socket = folder.join("qemu.sock");
        let process = Process::builder(program::locate("qemu-nbd"))
            .args(["--format=raw", "--cache=none", "--discard=unmap", "--persistent"])
            .arg(format!("--socket={}", socket.display()))
            .arg(image)
            .spawn()?;
        Self::ready(process, socket).await
    }

    async fn ready(process: Process, socket: PathBuf) -> Result<Self> {
        process
            .wait_until(START_LIMIT, "listening", async || socket.exists())
            .await?;
        Ok(Self { process, socket })
    }

    /// Runs a workload and stops the server.
    pub(crate) async fn run(self, size: u64, workload: Workload, duration: Duration) -> Result<Run> {
        let before = sample::usage(self.process.id())?;
        let load = fio::run(Target::Nbd(&self.socket), size, workload, duration).await?;
        let after = sample::usage(self.process.id())?;
        self.process.stop(START_LIMIT).await?;
        // qemu-nbd leaves it behind.
        let _ = fs::remove_file(&self.socket);
        Ok(Run {
            bytes: load.bytes,
            throughput: load.bytes as f64 / load.seconds,
            cpu_per_gib: Some((after.cpu - before.cpu) / (load.bytes as f64 / f64::from(1 << 30))),
            service_cpu_per_gib: None,
            peak: Some(after.peak),
        })
    }
}
