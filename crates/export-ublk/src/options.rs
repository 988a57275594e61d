//! How a disk is served: queues, depth, sizes, deadline.

use std::{num::NonZero, path::PathBuf, sync::Arc, thread, time::Duration};

use crate::{FailedWrites, UblkError};

/// The largest request the kernel may be told of, in bytes: what the user-copy offset can address
/// (`UBLK_IO_BUF_BITS` in `include/uapi/linux/ublk_cmd.h`) and what a [`block::BlockDevice`] takes.
pub const MAX_IO: u32 = block::MAX_REQUEST;

/// How a disk is served.
///
/// The memory for payloads is bounded by `queues * depth * max_io`, and only what is in flight is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// The number `N` of `/dev/ublkbN`, or the first free one. A recovered device keeps its number.
    pub id: Option<u32>,
    /// Hardware queues, each with a thread of its own. The kernel allows no more than there are processors.
    pub queues: u16,
    /// Requests in flight per queue, 1 to 4096.
    pub depth: u16,
    /// Longest read or write in bytes, a multiple of 64 KiB up to [`MAX_IO`].
    pub max_io: u32,
    /// How long a request may take before it fails with `ETIMEDOUT`. USB hosts give up after about 30 s and reset the
    /// device, so stay well under that.
    pub deadline: Duration,
    /// Where it is remembered which device serves which disk. Must survive the daemon, not a reboot.
    pub state_dir: PathBuf,
    /// What tells the content of this disk from any other, for instance the address of the blob. A device that was
    /// left behind is only recovered if this is the same, so that a mounted file system never finds another disk under
    /// it. Only a hash of it is stored.
    pub identity: String,
    /// Whether the kernel looks for partitions, so that `/dev/ublkbNpM` appear. Off: the partition table of a stick is
    /// its host's business, and the search makes the start wait for the store.
    pub scan_partitions: bool,
    /// Where writes that failed are counted: the caller's own counter outlives the device.
    pub failed: Arc<FailedWrites>,
}

impl Default for Options {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            id: None,
            queues: processors.min(2) as u16,
            depth: 32,
            max_io: 512 << 10,
            deadline: Duration::from_secs(20),
            state_dir: PathBuf::from("/run/gadget-manager/ublk"),
            identity: String::new(),
            scan_partitions: false,
            failed: Arc::default(),
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), UblkError> {
        let wrong = |what: String| Err(UblkError::BadOption { what });
        if self.queues == 0 || u32::from(self.queues) > libublk::sys::UBLK_MAX_NR_QUEUES {
            return wrong(format!("{} queues: must be 1 to 4096", self.queues));
        }
        if self.depth == 0 || u32::from(self.depth) > libublk::sys::UBLK_MAX_QUEUE_DEPTH {
            return wrong(format!("queue depth {}: must be 1 to 4096", self.depth));
        }
        // 64 KiB is the largest page of any kernel, and the driver wants whole pages.
        if self.max_io == 0 || self.max_io > MAX_IO || !self.max_io.is_multiple_of(64 << 10) {
            return wrong(format!(
                "max_io {}: must be a multiple of 65536 up to {MAX_IO}",
                self.max_io
            ));
        }
        if self.deadline < Duration::from_millis(10) {
            return wrong(format!("deadline {:?}: must be at least 10 ms", self.deadline));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Options::default().check().unwrap();
    }

    #[test]
    fn each_limit_is_held() {
        let default = Options::default;
        let bad = [
            Options { queues: 0, ..default() },
            Options {
                queues: 5000,
                ..default()
            },
            Options { depth: 0, ..default() },
            Options {
                depth: 4097,
                ..default()
            },
            Options { max_io: 0, ..default() },
            Options {
                max_io: 4096,
                ..default()
            },
            Options {
                max_io: 64 << 20,
                ..default()
            },
            Options {
                deadline: Duration::ZERO,
                ..default()
            },
        ];
        for options in bad {
            assert!(
                matches!(options.check(), Err(UblkError::BadOption { .. })),
                "{options:?}"
            );
        }
    }
}
