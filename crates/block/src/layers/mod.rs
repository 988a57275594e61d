//! Devices that wrap another device.
//!
//! Each takes the [`Disk`](crate::Disk) below it and is one itself; its owner keeps the `Arc` to change limits or to
//! read counters while the stack runs. Layers know nothing of each other and may be stacked in any order. What a layer
//! does not concern itself with it passes on, and it keeps the name of the disk, so that errors name what people know.

mod deadline;
#[cfg(feature = "conformance")]
mod fault;
mod read_only;
mod stats;
mod throttle;

pub use deadline::{DEFAULT_DEADLINE, Deadline};
#[cfg(feature = "conformance")]
pub use fault::{Action, Fault, Rule, RuleId, When};
pub use read_only::ReadOnly;
pub use stats::{Histogram, OperationStats, Stats, StatsSnapshot};
pub use throttle::{Limit, Limits, Throttle};
