//! USB gadgets: a mass-storage device on this machine's USB device controller, made through configfs.
//!
//! Base is the `usb-gadget` crate, which writes the gadget's description; this crate adds what a stick needs over its
//! life: validation before anything is touched, media that come and go without re-enumeration, the host's lock and
//! eject, the state of the cable, cleaning after a killed process, and the remedy in every error.
//!
//! Kernel options: `CONFIG_USB_GADGET`, `CONFIG_USB_CONFIGFS`, `CONFIG_USB_CONFIGFS_MASS_STORAGE` and a driver for the
//! controller. [`support`] finds out what is missing.
//!
//! Nothing here blocks a tokio worker: configfs attributes are written by a thread of the gadget's own, because a write
//! to `lun.N/file` waits until the mass-storage thread has finished its command, which a stalled disk can delay.

mod adopt;
mod attribute;
mod config;
mod environment;
mod error;
mod gadget;
mod inquiry;
mod leftovers;
mod lun;
mod medium;
mod owner;
mod pause;
mod serial;
mod shadow;
mod support;
mod udc;
mod watcher;

pub use config::{ConfigError, GadgetConfig, LunConfig, MAX_LUNS};
pub use environment::Environment;
pub use error::GadgetError;
pub use gadget::{GadgetEvent, MassStorageGadget};
pub use inquiry::Inquiry;
pub use leftovers::{NAME_PREFIX, clean_leftovers};
pub use lun::{Force, LunState};
pub use medium::MediumProblem;
pub use serial::{MachineSerial, SerialSource, hardware_serial, machine_serial};
pub use support::{Finding, Level, support};
pub use udc::{DeviceState, Speed, Udc, UdcState, udcs};
