//! Addresses for phones: busybox's `udhcpd`.
//!
//! No captive portal is announced by DHCP (RFC 8910): its address has to be one of HTTPS with a certificate that phones trust
//! (RFC 8908, 3), which a device without a public name cannot have. Phones find it by asking for a page of their own.

use std::{fs, path::Path};

use super::ADDRESS;
use crate::{
    process::{self, Process},
    wpa::WpaError,
};

/// How long an address is lent, in seconds: who stays asks again at half of it.
const LEASE: u32 = 600;
/// Phones at once.
const CLIENTS: u8 = 32;

/// Starts it. Its files are in `folder`.
pub(super) async fn start(interface: &str, folder: &Path) -> Result<Process, WpaError> {
    let (configuration, number) = (folder.join("udhcpd.conf"), folder.join("udhcpd.pid"));
    process::end_leftover(&number, folder).await;
    fs::write(&configuration, text(interface, folder))?;
    // It does not start without one.
    fs::write(folder.join("udhcpd.leases"), "")?;
    Process::start("udhcpd", &["-f", &configuration.to_string_lossy()])
}

fn text(interface: &str, folder: &Path) -> String {
    let [a, b, c, own] = ADDRESS.octets();
    let (first, last) = (own + 9, own + 8 + CLIENTS);
    format!(
        "interface {interface}\nstart {a}.{b}.{c}.{first}\nend {a}.{b}.{c}.{last}\nmax_leases {CLIENTS}\nauto_time 0\n\
         pidfile {folder}/udhcpd.pid\nlease_file {folder}/udhcpd.leases\n\
         option subnet 255.255.255.0\noption router {ADDRESS}\noption dns {ADDRESS}\noption lease {LEASE}\n",
        folder = folder.display(),
    )
}
