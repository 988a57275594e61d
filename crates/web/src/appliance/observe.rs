//! Looking at the device.

use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use crate::api::{Live, LogLine};

/// The state of the device.
pub trait Observe: Send + Sync + 'static {
    /// What its owner calls the device. Somebody always watches this: it is part of the page's address.
    fn name(&self) -> watch::Receiver<Arc<str>>;

    /// The state, to watch. Whoever has nobody watching may stop measuring: rates and memory are then old.
    ///
    /// A new receiver sees a state of this moment first, and a new one as soon as anything but counters changed;
    /// counters follow about once a second.
    fn live(&self) -> watch::Receiver<Arc<Live>>;
}

/// New lines of the log as they are written. Lags if it is not read in time.
pub type LogFollower = broadcast::Receiver<Arc<LogLine>>;

/// The log.
pub trait Logs: Send + Sync + 'static {
    /// The lines that are kept in memory, oldest first, from line number `from` on.
    fn recent(&self, from: u64) -> Vec<Arc<LogLine>>;

    /// What is written from now on.
    fn follow(&self) -> LogFollower;
}
