//! The contract between front ends, layers and stores.
//!
//! A *front end* (NBD server, ublk device) calls a [`BlockDevice`]; a *layer* (throttle, deadline, statistics) is one
//! and calls another; a *store* (file, page blob) is one and ends the stack. This crate knows none of them: it holds
//! the trait, the data that travel through it ([`Payload`]), its [errors](BlockError), the management side of a store
//! ([`store::Store`]), a device in memory ([`MemoryDevice`]) and the layers that belong to no store.
//!
//! Every implementation is held to the same behaviour by the `conformance` suite, which the feature of that name brings,
//! together with a layer that injects faults.

mod closing;
mod device;
mod error;
mod memory;
mod monitor;
mod payload;
mod properties;
mod range_lock;
mod status;
pub mod store;

pub mod layers;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use closing::Closing;
pub use device::{BlockDevice, Disk, WriteFlags, ZeroFlags};
pub use error::{BlockError, Result};
pub use memory::MemoryDevice;
pub use monitor::Monitor;
pub use payload::Payload;
pub use properties::{Extent, ExtentKind, Features, LOGICAL_BLOCK_SIZE, MAX_REQUEST, Operation, Properties};
pub use range_lock::{RangeGuard, RangeLock};
pub use status::{Health, Status};
