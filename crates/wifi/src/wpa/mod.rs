//! `wpa_supplicant` and its control socket (`doc/ctrl_iface.doxygen` and `wpa_supplicant/ctrl_iface.c` of its source).

mod control;
mod message;
mod scan;
mod supplicant;

pub(crate) use control::WpaError;
pub(crate) use message::Message;
pub use scan::{Found, Protection};
pub(crate) use scan::{quiet_channel, scan_results};
pub(crate) use supplicant::{NetworkId, Supplicant};
