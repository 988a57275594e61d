//! What this crate asks of the device it controls, one trait per topic. The binary implements them on top of its daemon.
//!
//! All methods may be dropped at any time, which is how tasks are cancelled; what they have begun is then left in a state
//! that their documentation names, or undone. Errors are ready to be shown: they name the object and the remedy and hold
//! no secrets. Confirmations (the typed name) have been checked before a method is called.

mod configuration;
mod images;
mod network;
mod observe;
mod stick;
mod stores;
mod updates;

pub use configuration::{BackupFile, Configuration};
pub use images::Images;
pub use network::NetworkControl;
pub use observe::{LogFollower, Logs, Observe};
pub use stick::Stick;
pub use stores::Stores;
pub use updates::{Arriving, Updates};

use crate::api::{Problem, Unit};

/// The result of an operation.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// Told about the progress of something slow: done, all there is to do, and of what.
pub type Report<'a> = &'a (dyn Fn(u64, u64, Unit) + Send + Sync);

/// A device that the page controls.
pub trait Appliance: Observe + Logs + Stores + Images + Stick + NetworkControl + Configuration + Updates {}

impl<T: Observe + Logs + Stores + Images + Stick + NetworkControl + Configuration + Updates> Appliance for T {}
