//! The network as the kernel tells it.

use std::{fs, net::IpAddr, path::Path};

use web::api::{Interface, InterfaceKind};

/// Where the kernel tells of interfaces (`Documentation/ABI/testing/sysfs-class-net`).
const INTERFACES: &str = "/sys/class/net";
/// `ARPHRD_ETHER` in `include/uapi/linux/if_arp.h`.
const ETHERNET: &str = "1";
/// `ARPHRD_LOOPBACK`.
const LOOPBACK: &str = "772";

/// All interfaces but loopback, by name. Reads a few small files of the kernel's.
pub(in crate::control) fn interfaces() -> Vec<Interface> {
    let addresses = addresses();
    let entries = fs::read_dir(INTERFACES).into_iter().flatten().flatten();
    let mut all: Vec<Interface> = entries
        .filter_map(|entry| interface(&entry.path(), &addresses))
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn interface(folder: &Path, addresses: &[(String, String)]) -> Option<Interface> {
    let name = folder.file_name()?.to_str()?.to_owned();
    let read = |file: &str| {
        let text = fs::read_to_string(folder.join(file)).ok()?;
        Some(text.trim().to_owned())
    };
    let hardware = read("type")?;
    if hardware == LOOPBACK {
        return None;
    }
    let kind = match hardware.as_str() {
        _ if folder.join("wireless").exists() || folder.join("phy80211").exists() => InterfaceKind::Wifi,
        ETHERNET => InterfaceKind::Ethernet,
        _ => InterfaceKind::Other,
    };
    let of_this = addresses.iter().filter(|(owner, _)| *owner == name);
    Some(Interface {
        kind,
        // Reading it fails while the interface is down (`carrier_show` in `net/core/net-sysfs.c`).
        up: read("carrier").as_deref() == Some("1"),
        addresses: of_this.map(|(_, address)| address.clone()).collect(),
        mac: read("address").filter(|mac| !mac.is_empty() && mac.chars().any(|c| !matches!(c, '0' | ':'))),
        ssid: None,
        name,
    })
}

/// The interfaces' addresses with prefix length.
fn addresses() -> Vec<(String, String)> {
    let Ok(all) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in all {
        let ip = entry.address.as_ref().and_then(ip_of);
        let Some(ip) = ip else { continue };
        let mask = entry.netmask.as_ref().and_then(ip_of);
        let prefix = mask.map_or(0, |mask| match mask {
            IpAddr::V4(mask) => mask.to_bits().count_ones(),
            IpAddr::V6(mask) => mask.to_bits().count_ones(),
        });
        found.push((entry.interface_name, format!("{ip}/{prefix}")));
    }
    found
}

fn ip_of(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

/// The addresses at which a phone in the same network can reach this device: those of IPv4 first, of interfaces that are
/// up. Link-local ones of IPv6 cannot be typed into a browser.
pub(in crate::control) fn reachable(interfaces: &[Interface]) -> Vec<IpAddr> {
    let all = interfaces.iter().filter(|interface| interface.up);
    let mut found: Vec<IpAddr> = all
        .flat_map(|interface| &interface.addresses)
        .filter_map(|address| address.split('/').next()?.parse().ok())
        .filter(|address| match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        })
        .collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found
}

/// Whether a cable is plugged in that has brought an address.
pub(in crate::control) fn is_wired(interfaces: &[Interface]) -> bool {
    let cables: Vec<Interface> = interfaces
        .iter()
        .filter(|interface| interface.kind == InterfaceKind::Ethernet)
        .cloned()
        .collect();
    reachable(&cables)
        .iter()
        .any(|address| !matches!(address, IpAddr::V4(v4) if v4.is_link_local()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_given_addresses_they_can_type() {
        let interface = |up, addresses: &[&str]| Interface {
            name: "eth0".to_owned(),
            kind: InterfaceKind::Ethernet,
            up,
            addresses: addresses.iter().map(|&address| address.to_owned()).collect(),
            mac: None,
            ssid: None,
        };
        let all = [
            interface(true, &["fe80::1/64", "2001:db8::7/64", "192.0.2.7/24"]),
            interface(false, &["198.51.100.1/24"]),
        ];
        let found: Vec<String> = reachable(&all).iter().map(IpAddr::to_string).collect();
        assert_eq!(found, ["192.0.2.7", "2001:db8::7"]);
        assert!(is_wired(&all) && !is_wired(&all[1..]));
        assert!(!is_wired(&[interface(true, &["fe80::1/64", "169.254.3.4/16"])]));
    }

    #[test]
    fn loopback_is_none_of_them() {
        assert!(interfaces().iter().all(|interface| interface.name != "lo"));
        assert!(
            addresses()
                .iter()
                .any(|(name, address)| name == "lo" && address == "127.0.0.1/8")
        );
    }
}
