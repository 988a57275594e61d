//! Addresses of an interface.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use crate::process;

/// Where the kernel tells of interfaces (`Documentation/ABI/testing/sysfs-class-net`).
const INTERFACES: &str = "/sys/class/net";

/// Whether there is this interface, or the first one that is Wi-Fi.
pub(crate) fn find(wanted: Option<&str>) -> Option<String> {
    let is_radio = |name: &str| Path::new(INTERFACES).join(name).join("phy80211").exists();
    if let Some(name) = wanted {
        return is_radio(name).then(|| name.to_owned());
    }
    let entries = fs::read_dir(INTERFACES).ok()?;
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| is_radio(name)).min()
}

/// Whether it has an IPv4 address from elsewhere: not one that it gave itself (RFC 3927).
pub(crate) fn has_one(interface: &str) -> bool {
    let Ok(all) = nix::ifaddrs::getifaddrs() else {
        return false;
    };
    all.filter(|entry| entry.interface_name == interface)
        .filter_map(|entry| Some(IpAddr::V4(entry.address?.as_sockaddr_in()?.ip())))
        .any(|address| matches!(address, IpAddr::V4(v4) if !v4.is_link_local()))
}

/// Gives it this address and no other.
pub(crate) async fn set(interface: &str, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    clear(interface).await;
    let address = format!("{address}/{prefix}");
    match process::run("ip", &["addr", "add", &address, "dev", interface], &[]).await? {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "{interface} cannot have the address {address}"
        ))),
    }
}

/// Takes its IPv4 addresses away.
pub(crate) async fn clear(interface: &str) {
    if let Err(error) = process::run("ip", &["-4", "addr", "flush", "dev", interface], &[]).await {
        tracing::warn!("ip: {error}");
    }
}
