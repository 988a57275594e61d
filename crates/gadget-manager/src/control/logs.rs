//! The log.

use std::sync::Arc;

use web::{
    api::LogLine,
    appliance::{LogFollower, Logs},
};

use super::Control;

impl Logs for Control {
    fn recent(&self, from: u64) -> Vec<Arc<LogLine>> {
        self.recent.from(from)
    }

    fn follow(&self) -> LogFollower {
        self.recent.follow()
    }
}
