//! A running device.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use block::Disk;
use libublk::{io::UblkDev, sys};
use tokio::{runtime::Handle, sync::watch, time::timeout};

use crate::{Options, UblkError, control, leftovers::holders, queue::Mailbox, start, state::Claim, thread};

/// How long the driver may take to stop a device beyond the deadline of its requests.
const STOP: Duration = Duration::from_secs(10);

/// A disk as a block device of the kernel.
///
/// Dropping it is a [`detach`](Self::detach) that does not wait: the kernel device stays for the next daemon, and who
/// uses it waits.
#[derive(Debug)]
pub struct UblkDevice {
    id: u32,
    path: PathBuf,
    recovered: bool,
    disk_name: String,
    queues: usize,
    /// How many queues are served.
    live: watch::Receiver<usize>,
    /// Taken by `remove` and `detach`.
    parts: Option<Parts>,
}

/// What a running device consists of.
pub(crate) struct Parts {
    pub(crate) id: u32,
    pub(crate) recovered: bool,
    pub(crate) name: String,
    pub(crate) disk: Disk,
    pub(crate) deadline: Duration,
    pub(crate) device: Arc<UblkDev>,
    pub(crate) mailboxes: Vec<Arc<Mailbox>>,
    pub(crate) threads: Vec<JoinHandle<()>>,
    pub(crate) live: watch::Receiver<usize>,
    pub(crate) claim: Claim,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on /dev/ublkb{}", self.name, self.id)
    }
}

impl UblkDevice {
    /// Makes `disk` a block device, under the `name` that the configuration gives it.
    ///
    /// If a daemon before this one left the device of that name behind (it was killed, or it
    /// [detached](Self::detach)), and the disk is still the same ([`Options::identity`], [`block::BlockDevice::name`],
    /// block sizes, cache), that device is taken over: whoever has it open saw nothing but a delay, and what the dead
    /// daemon had not answered is done now. A device that cannot be taken over is removed and made anew.
    ///
    /// Must be called in a tokio runtime, which then also runs what the disk does for the device.
    ///
    /// # Errors
    ///
    /// See [`UblkError`]; nothing is left behind.
    pub async fn start(name: &str, disk: Disk, options: Options) -> Result<Self, UblkError> {
        let runtime = Handle::current();
        let name = name.to_owned();
        let parts = thread::run("ublk-start", move || start::start(&name, disk, &options, runtime)).await?;
        let path = PathBuf::from(format!("/dev/ublkb{}", parts.id));
        tracing::info!(
            "disk {} is {}{}",
            parts.name,
            path.display(),
            if parts.recovered { ", taken over" } else { "" }
        );
        Ok(Self {
            id: parts.id,
            path,
            recovered: parts.recovered,
            disk_name: parts.name.clone(),
            queues: parts.mailboxes.len(),
            live: parts.live.clone(),
            parts: Some(parts),
        })
    }

    /// The number `N` of `/dev/ublkbN`.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// `/dev/ublkbN`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name it was started with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.disk_name
    }

    /// Whether it was taken over from a daemon before this one.
    #[must_use]
    pub fn recovered(&self) -> bool {
        self.recovered
    }

    /// Waits until a queue is not served any more: somebody else stopped or deleted the device, or the driver failed.
    pub async fn stopped(&self) {
        let mut live = self.live.clone();
        // The sender lives in the threads: an error means that they are all gone.
        let _ = live.wait_for(|&count| count < self.queues).await;
    }

    /// Tells the kernel the present size of the disk.
    ///
    /// # Errors
    ///
    /// [`ResizeUnsupported`](UblkError::ResizeUnsupported) before Linux 6.16.
    pub async fn update_size(&self) -> Result<(), UblkError> {
        let Some(parts) = &self.parts else { return Ok(()) };
        let (id, size) = (self.id, parts.disk.properties().size);
        thread::run("ublk-size", move || {
            if control::features()? & u64::from(sys::UBLK_F_UPDATE_SIZE) == 0 {
                return Err(UblkError::ResizeUnsupported {
                    device: format!("/dev/ublkb{id}"),
                });
            }
            control::update_size(id, size >> 9)
        })
        .await
    }

    /// Removes the device.
    ///
    /// What is dirty in its page cache is written first. Then requests under way are finished (each within its
    /// deadline), later ones fail, and `/dev/ublkbN` disappears. If somebody still has it open, the kernel frees its
    /// number when that one closes it; that is not waited for.
    ///
    /// # Errors
    ///
    /// [`Unflushed`](UblkError::Unflushed): removed, but dirty pages could not be written.
    /// [`Stuck`](UblkError::Stuck): the kernel did not finish in time; it goes on by itself.
    pub async fn remove(mut self) -> Result<(), UblkError> {
        let Some(parts) = self.parts.take() else { return Ok(()) };
        let (id, device) = (self.id, self.path.display().to_string());
        let limit = parts.deadline + STOP;
        let stuck = |what| {
            let device = device.clone();
            move |_| UblkError::Stuck {
                holders: holders(id),
                device,
                what,
                after: limit,
            }
        };
        let path = self.path.clone();
        let unflushed = timeout(limit, thread::run("ublk-flush", move || Ok(flush(&path).err())))
            .await
            .unwrap_or_else(|_| Ok(Some(std::io::ErrorKind::TimedOut.into())))?;
        let removed = timeout(
            limit,
            thread::run("ublk-remove", move || {
                control::stop(id)?;
                // The queues end by themselves when the device has stopped.
                for thread in parts.threads {
                    let _ = thread.join();
                }
                control::delete(id)?;
                drop(parts.device);
                parts.claim.forget();
                Ok(())
            }),
        )
        .await;
        removed.map_err(stuck("stopping"))??;
        match unflushed {
            Some(source) => Err(UblkError::Unflushed { device, source }),
            None => Ok(()),
        }
    }

    /// Stops serving and leaves the device for the next daemon.
    ///
    /// Requests under way are finished; later ones wait in the kernel, however long, until a device of the same name is
    /// [started](Self::start) again or the leftover is [removed](crate::remove_leftover).
    pub async fn detach(mut self) {
        if let Some(parts) = self.parts.take() {
            parts.mailboxes.iter().for_each(|mailbox| mailbox.detach());
            let done = thread::run("ublk-detach", move || {
                for thread in parts.threads {
                    let _ = thread.join();
                }
                Ok(())
            });
            if let Err(error) = done.await {
                tracing::warn!("{}: {error}", self.path.display());
            }
        }
    }
}

impl Drop for UblkDevice {
    fn drop(&mut self) {
        if let Some(parts) = &self.parts {
            parts.mailboxes.iter().for_each(|mailbox| mailbox.detach());
        }
    }
}

/// Writes the dirty pages of a block device and flushes it.
fn flush(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}
