//! What does not change while Wi-Fi runs.

use std::{path::PathBuf, time::Duration};

use crate::AccessPoint;

/// What does not change while Wi-Fi runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The interface; the first one that is Wi-Fi if left out.
    pub interface: Option<String>,
    /// The country whose rules for radio hold here (ISO 3166-1 alpha-2); those that hold everywhere if left out.
    pub country: Option<String>,
    /// The network that the device makes while it has none; nothing if it never makes one.
    pub access_point: Option<AccessPoint>,
    /// How long a remembered network may be away before the device makes one of its own.
    pub patience: Duration,
    /// What `udhcpc` calls when an address comes or goes.
    pub dhcp_script: PathBuf,
    /// What the device is called in networks that it joins.
    pub host_name: String,
    /// A folder for sockets and the files of the programs that are started: of this user only, gone after a reboot.
    pub folder: PathBuf,
}
