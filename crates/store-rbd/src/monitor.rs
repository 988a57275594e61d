//! The state of an open disk, as a value that others watch.

use std::time::SystemTime;

use block::{BlockError, Health, Status};
use tokio::sync::watch;

/// Publishes size and health.
#[derive(Debug)]
pub(crate) struct Monitor {
    status: watch::Sender<Status>,
}

impl Monitor {
    pub(crate) fn new(size: u64) -> Self {
        Self {
            status: watch::Sender::new(Status::online(size)),
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    pub(crate) fn size(&self) -> u64 {
        self.status.borrow().size
    }

    pub(crate) fn set_size(&self, size: u64) {
        self.status
            .send_if_modified(|status| std::mem::replace(&mut status.size, size) != size);
    }

    /// The cluster answers. Whether that is news.
    pub(crate) fn answered(&self) -> bool {
        self.change(Health::Online, |health| matches!(health, Health::Unreachable { .. }))
    }

    /// The cluster does not answer, since so long ago.
    pub(crate) fn silent(&self, since: SystemTime, error: BlockError) {
        self.change(Health::Unreachable { since, error }, |health| {
            matches!(health, Health::Online)
        });
    }

    /// Somebody else owns the disk. Whether that is news.
    pub(crate) fn fenced(&self, error: BlockError) -> bool {
        self.change(Health::Fenced { error }, |health| !health.is_final())
    }

    pub(crate) fn closed(&self) {
        self.change(Health::Closed, |health| !matches!(health, Health::Closed));
    }

    /// Why nothing works any more, if that is so.
    pub(crate) fn fence(&self) -> Option<BlockError> {
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
        monitor.answered();
        assert_eq!(word(), "online");
        assert!(monitor.fenced(BlockError::fenced("tv", "kitchen")));
        assert!(!monitor.fenced(BlockError::fenced("tv", "again")));
        monitor.answered();
        assert!(monitor.fence().is_some() && word() == "fenced");
        monitor.closed();
        assert_eq!(word(), "closed");
    }
}
