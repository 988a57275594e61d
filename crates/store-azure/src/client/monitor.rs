//! Turns the fate of requests into the health of a disk.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::SystemTime,
};

use block::{BlockError, Status};
use tokio::sync::watch;

use crate::error::AzureError;

/// So many silent requests in a row make a store unreachable; fewer are the normal life of a network.
const SILENT: u32 = 3;

/// Publishes whether the store answers.
#[derive(Debug)]
pub(crate) struct Monitor {
    disk: String,
    silent: AtomicU32,
    since: Mutex<SystemTime>,
    state: block::Monitor,
}

impl Monitor {
    pub(crate) fn new(disk: &str, size: u64) -> Self {
        Self {
            disk: disk.to_owned(),
            silent: AtomicU32::new(0),
            since: Mutex::new(SystemTime::now()),
            state: block::Monitor::new(size),
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Status> {
        self.state.subscribe()
    }

    pub(crate) fn size(&self) -> u64 {
        self.state.size()
    }

    pub(crate) fn set_size(&self, size: u64) {
        self.state.set_size(size);
    }

    /// Somebody else owns the disk; told again when it is known who.
    pub(crate) fn fenced(&self, error: BlockError) {
        self.state.fenced_by(error);
    }

    pub(crate) fn closed(&self) {
        self.state.closed();
    }

    /// Any answer, also a refusal.
    pub(crate) fn answered(&self) {
        if self.silent.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.silent.store(0, Ordering::Relaxed);
        self.state.answered();
    }

    /// Nobody answered.
    pub(crate) fn failed(&self, error: &AzureError) {
        let silent = self.silent.fetch_add(1, Ordering::Relaxed);
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if silent == 0 {
            *since = SystemTime::now();
        }
        if silent + 1 < SILENT {
            return;
        }
        self.state.silent(*since, error.clone().into_block(&self.disk));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_follows_the_answers_until_it_is_final() {
        let monitor = Monitor::new("tv", 512);
        let status = monitor.subscribe();
        let health = || status.borrow().health.as_str();
        let error = AzureError::unreachable("tv", "no route to host");
        monitor.failed(&error);
        monitor.failed(&error);
        assert_eq!(health(), "online");
        monitor.failed(&error);
        assert_eq!(health(), "unreachable");
        monitor.answered();
        assert_eq!(health(), "online");
        monitor.closed();
        (0..5).for_each(|_| monitor.failed(&error));
        assert_eq!(health(), "closed");
    }
}
