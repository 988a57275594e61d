//! A front end that makes a disk a block device of the Linux kernel, `/dev/ublkbN`, through the `ublk_drv` driver.
//!
//! Kernel: `CONFIG_BLK_DEV_UBLK` and `CONFIG_IO_URING`, Linux 6.5 or newer. [`support`] says what is missing.
//!
//! [`UblkDevice::start`] makes the device, or takes over the one that a daemon which died left behind, under whatever
//! has it open. Every request has a deadline; every error has the number that the block layer gives a meaning to
//! ([`errno()`]).

mod control;
mod device;
mod errno;
mod error;
mod failed;
mod leftovers;
mod options;
mod params;
mod queue;
mod start;
mod state;
mod support;
mod thread;

pub use device::UblkDevice;
pub use errno::errno;
pub use error::UblkError;
pub use failed::FailedWrites;
pub use leftovers::{DeviceState, Leftover, leftovers, remove_leftover};
pub use options::{MAX_IO, Options};
#[doc(hidden)]
pub use state::is_state_file;
pub use support::{Check, Support, support};
