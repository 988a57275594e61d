//! The load: fio as an NBD client, or on librbd by itself.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use testkit::program;
use tokio::process::Command;

/// What a client does all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) write: bool,
    pub(crate) random: bool,
    /// Bytes of one request.
    pub(crate) block: u64,
    /// Requests under way at once.
    pub(crate) depth: usize,
}

/// The four workloads of the page.
pub(crate) const WORKLOADS: [Workload; 4] = [
    Workload {
        write: false,
        random: false,
        block: 1 << 20,
        depth: 8,
    },
    Workload {
        write: true,
        random: false,
        block: 1 << 20,
        depth: 8,
    },
    Workload {
        write: false,
        random: true,
        block: 4 << 10,
        depth: 16,
    },
    Workload {
        write: true,
        random: true,
        block: 4 << 10,
        depth: 16,
    },
];

impl Workload {
    pub(crate) fn name(self) -> String {
        let order = if self.random { "random" } else { "sequential" };
        let what = if self.write { "write" } else { "read" };
        let block = if self.block >= 1 << 20 {
            format!("{} MiB", self.block >> 20)
        } else {
            format!("{} KiB", self.block >> 10)
        };
        format!("{order} {what} {block} x {}", self.depth)
    }
}

/// What went through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
}

/// What the load goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// The NBD server behind a Unix socket.
    Nbd(&'a Path),
    /// An image in a Ceph pool, by fio's own use of librbd.
    Rbd {
        conf: &'a Path,
        user: &'a str,
        pool: &'a str,
        image: &'a str,
    },
}

/// Runs a workload on the first `size` bytes of a disk.
pub(crate) async fn run(target: Target<'_>, size: u64, workload: Workload, duration: Duration) -> Result<Load> {
    let direction = if workload.write { "write" } else { "read" };
    let order = if workload.random { "rand" } else { "" };
    let mut command = command(target);
    command
        .args(["--time_based", "--norandommap"])
        .arg(format!("--rw={order}{direction}"))
        .arg(format!("--bs={}", workload.block))
        .arg(format!("--iodepth={}", workload.depth))
        .arg(format!("--size={size}"))
        .arg(format!("--runtime={}", duration.as_secs()));
    let json = output(command).await?;
    let part = &json["jobs"][0][direction];
    let bytes = part["io_bytes"].as_u64().context("fio told no io_bytes")?;
    let milliseconds = part["runtime"].as_f64().context("fio told no runtime")?;
    if bytes == 0 || milliseconds <= 0.0 {
        bail!("fio moved nothing");
    }
    let seconds = milliseconds / 1e3;
    Ok(Load { bytes, seconds })
}

/// Reads one block: for what fio's start and end take by themselves.
pub(crate) async fn start(target: Target<'_>) -> Result<()> {
    let mut command = command(target);
    command.args(["--rw=read", "--bs=4096", "--size=4096"]);
    output(command).await.map(drop)
}

fn command(target: Target<'_>) -> Command {
    let mut command = Command::new(program::locate("fio"));
    command.args(["--name=bench", "--output-format=json", "--eta=never"]);
    match target {
        Target::Nbd(socket) => {
            command.arg("--ioengine=nbd");
            command.arg(format!("--uri=nbd+unix:///?socket={}", socket.display()));
        }
        Target::Rbd {
            conf,
            user,
            pool,
            image,
        } => {
            command.env("CEPH_CONF", conf).arg("--ioengine=rbd");
            command.arg(format!("--clientname={user}"));
            command.arg(format!("--pool={pool}"));
            command.arg(format!("--rbdname={image}"));
        }
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// What fio reports, once it has ended well.
async fn output(mut command: Command) -> Result<Value> {
    let output = command.output().await.context("cannot run fio")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("fio failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    // A warning may stand before the JSON.
    let json = text
        .find('{')
        .and_then(|start| text.get(start..))
        .context("fio printed no JSON")?;
    let json: Value = serde_json::from_str(json).context("fio's JSON")?;
    match json["jobs"][0]["error"].as_i64() {
        Some(0) => Ok(json),
        error => bail!("fio met error {error:?}"),
    }
}
