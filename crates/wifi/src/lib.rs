//! Wi-Fi: the board joins the networks it remembers, and makes one of its own while it has none or no owner.
//!
//! `wpa_supplicant` is station and access point in one process, and told what to do over its control socket; busybox's
//! `udhcpc` asks for addresses, its `udhcpd` gives them away. Nothing is done by a bus or by a service manager.
//!
//! | part | is |
//! |---|---|
//! | [`Ssid`], [`Key`], [`Network`] | what networks are called and protected by |
//! | `wpa/` | the control socket: messages, commands, the process |
//! | `machine/` | when to do what: states and the ways between them, without any I/O |
//! | `portal/` | what phones in the access point need: addresses, and names that all lead to the page |
//! | `driver/` | carries out what the machine wants, and tells it what happens |
//! | [`Wifi`] | what others have of all that |
//!
//! Kernel: `CONFIG_CFG80211`, `CONFIG_PACKET`, and a driver whose interface can be a station and an access point, one after
//! the other. It need not be both at once: while somebody joins, the access point is away.

mod access_point;
mod address;
mod driver;
mod machine;
mod network;
mod portal;
mod process;
mod settings;
mod ssid;
mod status;
mod wpa;

pub use access_point::{AccessPoint, make_key};
pub use driver::{Facts, Wifi};
pub use machine::Failure;
pub use network::{Key, KeyError, Network};
pub use portal::ADDRESS as PORTAL_ADDRESS;
pub use settings::Settings;
pub use ssid::{Ssid, SsidError};
pub use status::{Mode, Status};
pub use wpa::{Found, Protection};

/// Reads what strangers can have a hand in. For the fuzzer: whatever the bytes, these return.
#[doc(hidden)]
pub mod foreign {
    /// A message of `wpa_supplicant`, which repeats names that anybody can give a network.
    pub fn read_message(text: &str) -> bool {
        let known = crate::wpa::Message::parse(text).is_some();
        let found = crate::wpa::scan_results(text);
        let name = crate::Ssid::from_escaped(text).map(|ssid| ssid.to_string());
        known || !found.is_empty() || name.is_ok()
    }

    /// A question to the access point's name server.
    pub fn answer_name(query: &[u8]) -> Option<Vec<u8>> {
        crate::portal::answer(query)
    }
}
