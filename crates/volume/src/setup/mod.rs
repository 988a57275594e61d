//! The files on the setup stick: how to reach the device, and what became of what was dropped before.
//!
//! Pure text from what it is given. Everything foreign (names, file names, log lines) is escaped. The files hold the claim
//! code and may hold a Wi-Fi key, as that is their purpose: whoever can read the stick has the device in hand.
//!
//! ```
//! use volume::setup::SetupPages;
//!
//! let addresses = ["http://cloud-stick.local/".to_owned()];
//! let pages = SetupPages {
//!     device_name: "Cloud Stick",
//!     addresses: &addresses,
//!     claim_code: Some("K7QP-2MXD"),
//!     takes_files: true,
//!     wifi: None,
//!     version: "0.1.0",
//!     last_log: None,
//!     report: None,
//! };
//! let files = pages.files();
//! let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
//! assert_eq!(names, ["READ ME.html", "READ ME.txt"]);
//! ```

mod catalogue;
mod escape;
mod html;
mod qr;
mod report;
mod text;

use std::fmt;

pub use report::{Outcome, Report, ReportedFile};

use crate::NewFile;

/// Bytes of the log that go on the stick, at most: its end.
const LOG_BYTES: usize = 64 << 10;

/// A Wi-Fi network to join: the device's own.
#[derive(Clone, Copy)]
pub struct Wifi<'a> {
    /// Its name (SSID).
    pub name: &'a str,
    /// Its WPA key; `None` for an open network.
    pub key: Option<&'a str>,
}

/// What the pages say.
#[derive(Clone, Copy)]
pub struct SetupPages<'a> {
    /// What its owner calls the device, or will.
    pub device_name: &'a str,
    /// Addresses of its page, as URLs, the best first: that one is in the QR code. Empty while it has no network.
    pub addresses: &'a [String],
    /// The code that claims the device; `None` once it is claimed.
    pub claim_code: Option<&'a str>,
    /// Whether files that are dropped on the stick are used.
    pub takes_files: bool,
    /// The network that the device makes, if it does.
    pub wifi: Option<Wifi<'a>>,
    /// Version of the software.
    pub version: &'a str,
    /// The log of a start that failed, without secrets.
    pub last_log: Option<&'a str>,
    /// What became of the files that were dropped.
    pub report: Option<&'a Report>,
}

/// Without the code and the key.
impl fmt::Debug for SetupPages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetupPages")
            .field("device_name", &self.device_name)
            .field("addresses", &self.addresses)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl SetupPages<'_> {
    /// The files: `READ ME.html` and `READ ME.txt`; `report.txt` and `last-log.txt` where there is something to say.
    #[must_use]
    pub fn files(&self) -> Vec<NewFile> {
        let mut files = vec![
            NewFile::new("READ ME.html", html::page(self)),
            NewFile::new("READ ME.txt", text::for_hosts(&text::read_me(self))),
        ];
        if let Some(report) = self.report {
            files.push(NewFile::new("report.txt", text::for_hosts(&report.to_string())));
        }
        if let Some(log) = self.last_log {
            files.push(NewFile::new("last-log.txt", text::for_hosts(end_of(log))));
        }
        files
    }
}

/// The last lines of a log.
fn end_of(log: &str) -> &str {
    let Some(from) = log.len().checked_sub(LOG_BYTES) else {
        return log;
    };
    let whole_line = log.as_bytes()[from..].iter().position(|&byte| byte == b'\n');
    // After a line feed there always is the border of a character.
    log.get(from + whole_line.map_or(0, |at| at + 1)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_the_last_lines_are_kept_whole() {
        let log: String = (0..20_000).map(|number| format!("Zeile {number} ß\n")).collect();
        let end = end_of(&log);
        assert!(end.len() <= LOG_BYTES && end.len() > LOG_BYTES - 20);
        assert!(end.starts_with("Zeile ") && end.ends_with("19999 ß\n"));
        assert_eq!(end_of("short"), "short");
        assert_eq!(end_of(&"ß".repeat(LOG_BYTES)), "ß".repeat(LOG_BYTES / 2));
    }
}
