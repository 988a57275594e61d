//! The state of an open disk, as a value that others watch.

use std::time::SystemTime;

use tokio::sync::watch;

use crate::{BlockError, Health, Status};

/// Publishes size and health of a device. What is [final](Health::is_final) stays, but for closing.
#[derive(Debug)]
pub struct Monitor {
    status: watch::Sender<Status>,
}

impl Monitor {
    /// Of a device of `size` bytes that works.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self {
            status: watch::Sender::new(Status::online(size)),
        }
    }

    /// For [`BlockDevice::status`](crate::BlockDevice::status).
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// The size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.status.borrow().size
    }

    /// Takes notice of another size.
    pub fn set_size(&self, size: u64) {
        self.status
            .send_if_modified(|status| std::mem::replace(&mut status.size, size) != size);
    }

    /// The store answers. Whether that is news.
    pub fn answered(&self) -> bool {
        self.change(Health::Online, |health| matches!(health, Health::Unreachable { .. }))
    }

    /// The store does not answer, since so long ago.
    pub fn silent(&self, since: SystemTime, error: BlockError) {
        self.change(Health::Unreachable { since, error }, |health| {
            matches!(health, Health::Online)
        });
    }

    /// Why it does not answer, which is better known now than it was. Whether that is news.
    pub fn silent_because(&self, error: BlockError) -> bool {
        self.status.send_if_modified(|status| match &mut status.health {
            Health::Unreachable { error: known, .. } if *known != error => {
                *known = error;
                true
            }
            _ => false,
        })
    }

    /// Somebody else owns the disk. Whether that is news.
    pub fn fenced(&self, error: BlockError) -> bool {
        self.change(Health::Fenced { error }, |health| !health.is_final())
    }

    /// The same, with more than was known before: takes the place of what was said of it.
    pub fn fenced_by(&self, error: BlockError) {
        self.change(Health::Fenced { error }, |health| !matches!(health, Health::Closed));
    }

    /// The device is closed.
    pub fn closed(&self) {
        self.change(Health::Closed, |health| !matches!(health, Health::Closed));
    }

    /// Why nothing works any more, if that is so.
    #[must_use]
    pub fn fence(&self) -> Option<BlockError> {
        match &self.status.borrow().health {
            Health::Fenced { error } => Some(error.clone()),
            _ => None,
        }
    }

    fn change(&self, to: Health, when: impl Fn(&Health) -> bool) -> bool {
        self.status.send_if_modified(|status| {
            let change = when(&status.health);
            if change {
                status.health = to;
            }
            change
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_final_stays() {
        let monitor = Monitor::new(512);
        let status = monitor.subscribe();
        let word = || status.borrow().health.as_str();
        monitor.silent(SystemTime::now(), BlockError::unreachable("tv", "no answer"));
        assert_eq!(word(), "unreachable");
        assert!(monitor.silent_because(BlockError::denied("tv", "the key is refused")));
        assert!(!monitor.silent_because(BlockError::denied("tv", "the key is refused")));
        assert_eq!(word(), "unreachable");
        monitor.answered();
        assert!(!monitor.silent_because(BlockError::denied("tv", "the key is refused")));
        assert_eq!(word(), "online");
        assert!(monitor.fenced(BlockError::fenced("tv", "kitchen")));
        assert!(!monitor.fenced(BlockError::fenced("tv", "again")));
        assert_eq!(monitor.fence(), Some(BlockError::fenced("tv", "kitchen")));
        monitor.fenced_by(BlockError::fenced("tv", "attic"));
        assert_eq!(monitor.fence(), Some(BlockError::fenced("tv", "attic")));
        monitor.answered();
        assert!(monitor.fence().is_some() && word() == "fenced");
        monitor.closed();
        monitor.fenced_by(BlockError::fenced("tv", "late"));
        assert_eq!(word(), "closed");
    }
}
