//! Keeps little dirty data in the kernel's page cache in front of a slow store, and writes out what is there.

use std::{fs, io, path::Path, process::Stdio, time::Duration};

use tokio::io::AsyncReadExt;
use tracing::debug;

/// The hidden command of the helper process.
pub(crate) const COMMAND: &str = "write-out";

/// Limits the dirty page cache of the block device at `path` to about `bytes` (`Documentation/ABI/testing/
/// sysfs-class-bdi`: `strict_limit`, `max_bytes`, since Linux 6.2; older kernels keep their default).
///
/// `f_mass_storage` acknowledges writes from the page cache. What lies there when the host asks for a flush must reach
/// the store within the host's patience.
pub(crate) fn limit_dirty_pages(path: &Path, bytes: u64) {
    let Some(name) = path.file_name() else { return };
    let bdi = Path::new("/sys/class/block").join(name).join("bdi");
    for (attribute, value) in [("strict_limit", "1".to_owned()), ("max_bytes", bytes.to_string())] {
        if let Err(error) = fs::write(bdi.join(attribute), value) {
            debug!("{}/{attribute}: {error}; the kernel's default stays", bdi.display());
        }
    }
}

/// Writes the dirty pages of the block device at `path` to it and flushes it, in a process of its own.
///
/// Whoever waits for this device waits for the daemon that serves it. Were it a thread of the daemon itself, a daemon
/// that is killed meanwhile could not die: that thread would hold its files and locks until the device is served again,
/// which no other daemon could do for the very locks.
pub(crate) async fn write_out(path: &Path, limit: Duration) -> io::Result<()> {
    let mut helper = tokio::process::Command::new("/proc/self/exe")
        .arg(COMMAND)
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    let outcome = tokio::time::timeout(limit, async {
        if let Some(stderr) = &mut helper.stderr {
            stderr.read_to_string(&mut said).await?;
        }
        helper.wait().await
    });
    match outcome.await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(_)) => Err(io::Error::other(said.trim().to_owned())),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("not done within {} s", limit.as_secs()),
        )),
    }
}

/// What the helper process does. Blocks.
pub(crate) fn write_out_here(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().read(true).write(true).open(path)?.sync_all()
}
