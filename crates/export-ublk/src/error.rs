//! What can go wrong with a ublk device as a whole; the errors of single requests are in [`errno`](crate::errno).

use std::{io, path::PathBuf, time::Duration};

/// Why a ublk device could not be started, changed or removed. Every text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum UblkError {
    /// The name of a disk that cannot name a file.
    #[error(
        "{name:?} cannot name a ublk device: use 1 to 64 letters, digits, '.', '_' and '-', not beginning with '.'"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// An option outside its limits.
    #[error("ublk: {what}")]
    BadOption {
        /// Which, and its limits.
        what: String,
    },
    /// The driver is not there.
    #[error(
        "ublk: no /dev/ublk-control: run `modprobe ublk_drv`, or use a kernel built with CONFIG_BLK_DEV_UBLK (Linux 6.5 or newer)"
    )]
    NoDriver,
    /// The control device or io_uring is refused.
    #[error("ublk: {what}: {source}; {remedy}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The kernel lacks something that is needed.
    #[error("ublk: this kernel lacks {feature}: use Linux {since} or newer")]
    MissingFeature {
        /// The flag in `include/uapi/linux/ublk_cmd.h`.
        feature: &'static str,
        /// The first kernel that has it.
        since: &'static str,
    },
    /// Somebody serves this disk already.
    #[error("disk {name}: already served{}: stop that first", .pid.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    InUse {
        /// Name of the disk.
        name: String,
        /// The process that serves it.
        pid: Option<i32>,
    },
    /// A command to the driver failed.
    #[error("{device}: {command} failed: {source}")]
    Control {
        /// The device, `/dev/ublkcN`, or the driver.
        device: String,
        /// The command in words.
        command: &'static str,
        /// The driver's answer.
        source: io::Error,
    },
    /// A queue could not be set up.
    #[error("{device}: queue {queue} could not be set up: {detail}")]
    Queue {
        /// The device.
        device: String,
        /// Number of the queue.
        queue: u16,
        /// What happened.
        detail: String,
    },
    /// The state file could not be read or written.
    #[error("{}: {source}: make the folder writable for this process, or set another state folder", .path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The device belongs to somebody else.
    #[error("/dev/ublkb{id} was not made by this program and is left alone")]
    NotOurs {
        /// Its number.
        id: u32,
    },
    /// What a file system or a gadget had written to the page cache could not be stored before the removal. The device
    /// was removed all the same.
    #[error("{device}: removed, but data that were not yet flushed are lost: {source}")]
    Unflushed {
        /// The device.
        device: String,
        /// The system's answer to fsync.
        source: io::Error,
    },
    /// The driver did not finish in time; it goes on in the background.
    #[error("{device}: {what} not finished after {after:?}{}", in_use(.holders))]
    Stuck {
        /// The device.
        device: String,
        /// What was being done.
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
        /// Who has the device open.
        holders: Vec<String>,
    },
    /// The size of a device that is in use cannot be changed by this kernel.
    #[error(
        "{device}: Linux before 6.16 cannot change the size of a ublk device in use (UBLK_F_UPDATE_SIZE): eject the medium and insert it again"
    )]
    ResizeUnsupported {
        /// The device.
        device: String,
    },
    /// No thread could be started.
    #[error("ublk: cannot start a thread: {source}")]
    Thread {
        /// The system's answer.
        source: io::Error,
    },
}

fn in_use(holders: &[String]) -> String {
    if holders.is_empty() {
        String::new()
    } else {
        format!("; in use by {}: stop or unmount that", holders.join(", "))
    }
}

impl UblkError {
    pub(crate) fn control(id: Option<u32>, command: &'static str, source: io::Error) -> Self {
        let device = id.map_or_else(|| "ublk driver".to_owned(), |id| format!("/dev/ublkc{id}"));
        Self::Control {
            device,
            command,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_object_and_the_remedy() {
        let stuck = UblkError::Stuck {
            device: "/dev/ublkb0".into(),
            what: "stopping",
            after: Duration::from_secs(5),
            holders: vec!["/mnt (mounted)".into()],
        };
        assert_eq!(
            stuck.to_string(),
            "/dev/ublkb0: stopping not finished after 5s; in use by /mnt (mounted): stop or unmount that"
        );
        let used = UblkError::InUse {
            name: "tv".into(),
            pid: Some(7),
        };
        assert_eq!(
            used.to_string(),
            "disk tv: already served by process 7: stop that first"
        );
    }
}
