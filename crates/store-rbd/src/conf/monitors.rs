//! Addresses of monitors, in all the forms that `mon_host` has.

use std::{fmt, net::IpAddr, str::FromStr};

/// Port of a monitor for protocol 1.
pub const PORT_V1: u16 = 6789;
/// Port of a monitor for protocol 2.
pub const PORT_V2: u16 = 3300;
/// Most monitors in one list; real clusters have 3 to 7.
const MAX_MONITORS: usize = 64;

/// The messenger protocol of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The older one, which older kernels know only.
    V1,
    /// The newer one, with encryption.
    V2,
}

/// One address of one monitor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// The protocol, where the list says.
    pub protocol: Option<Protocol>,
    /// Name or address, without brackets.
    pub host: String,
    /// The port, where the list says.
    pub port: Option<u16>,
}

/// The addresses of one monitor.
pub type Monitor = Vec<Address>;

/// The monitors of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Monitors(Vec<Monitor>);

impl Monitors {
    /// Of each monitor its addresses.
    #[must_use]
    pub fn list(&self) -> &[Monitor] {
        &self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of `other` as well, within the same bound.
    pub(crate) fn extend(&mut self, other: Self) -> Result<(), BadMonitors> {
        self.0.extend(other.0);
        check_count(self.0.len())
    }

    /// `host:port` of each monitor that can be spoken to by `protocol`, as the kernel's client wants them.
    #[must_use]
    pub fn speaking(&self, protocol: Protocol) -> Vec<String> {
        let port = match protocol {
            Protocol::V1 => PORT_V1,
            Protocol::V2 => PORT_V2,
        };
        let usable = self.0.iter().flatten().filter_map(|address| match address.protocol {
            Some(its) if its != protocol => None,
            // A port without a protocol belongs to the protocol whose port it is.
            None if address.port.is_some_and(|port| port == PORT_V1) && protocol != Protocol::V1 => None,
            None if address.port.is_some_and(|port| port == PORT_V2) && protocol != Protocol::V2 => None,
            _ => Some(host_and_port(&address.host, address.port.or(Some(port)))),
        });
        usable.collect()
    }
}

/// What is wrong with a list of monitors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadMonitors(String);

impl FromStr for Monitors {
    type Err = BadMonitors;

    /// Reads a list: monitors separated by commas, spaces or semicolons, each `host`, `host:port`, `[v6]`, `[v6]:port`,
    /// `v1:…`, `v2:…`, or several of these in brackets.
    fn from_str(text: &str) -> Result<Self, BadMonitors> {
        let mut monitors = Vec::new();
        for part in split(text)? {
            let vector = part.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let monitor = match vector {
                Some(inside) if inside.starts_with("v1:") || inside.starts_with("v2:") || inside.contains(',') => {
                    let addresses = split(inside)?;
                    addresses.into_iter().map(address).collect::<Result<Vec<_>, _>>()?
                }
                _ => vec![address(part)?],
            };
            if monitor.is_empty() {
                return Err(BadMonitors("an empty pair of brackets".to_owned()));
            }
            monitors.push(monitor);
            check_count(monitors.len())?;
        }
        Ok(Self(monitors))
    }
}

fn check_count(count: usize) -> Result<(), BadMonitors> {
    if count > MAX_MONITORS {
        return Err(BadMonitors(format!("more than {MAX_MONITORS} monitors")));
    }
    Ok(())
}

/// Cuts at separators that are outside of brackets.
fn split(text: &str) -> Result<Vec<&str>, BadMonitors> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_u32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => {
                let less = depth.checked_sub(1);
                depth = less.ok_or_else(|| BadMonitors("a ] without a [".to_owned()))?;
            }
            ',' | ';' | ' ' | '\t' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(BadMonitors("a [ without a ]".to_owned()));
    }
    parts.push(&text[start..]);
    Ok(parts.into_iter().filter(|part| !part.is_empty()).collect())
}

fn address(text: &str) -> Result<Address, BadMonitors> {
    let bad = |why: &str| BadMonitors(format!("\"{}\" is no address of a monitor: {why}", shown(text)));
    let (protocol, rest) = match (text.strip_prefix("v1:"), text.strip_prefix("v2:")) {
        (Some(rest), _) => (Some(Protocol::V1), rest),
        (_, Some(rest)) => (Some(Protocol::V2), rest),
        _ => (None, text),
    };
    // Behind the slash is a nonce, which is 0 for monitors.
    let rest = match rest.split_once('/') {
        Some((rest, nonce)) if nonce.parse::<u32>().is_ok() => rest,
        Some(_) => return Err(bad("what is behind the / is no number")),
        None => rest,
    };
    let (host, port) = if let Some(rest) = rest.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or_else(|| bad("a [ without a ]"))?;
        if !host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) {
            return Err(bad("there is no IPv6 address in the brackets"));
        }
        match (port.is_empty(), port.strip_prefix(':')) {
            (true, _) => (host, None),
            (_, Some(port)) => (host, Some(port)),
            _ => return Err(bad("write [address]:port")),
        }
    } else if rest.parse::<IpAddr>().is_ok() {
        (rest, None)
    } else {
        match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        }
    };
    let port = match port.map(str::parse::<u16>) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return Err(bad("the port must be 1 to 65535")),
    };
    let is_name = |name: &str| {
        (1..=253).contains(&name.len())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
    };
    if host.parse::<IpAddr>().is_err() && !is_name(host) {
        return Err(bad("give a name or an address, and a port if it is not the usual one"));
    }
    Ok(Address {
        protocol,
        host: host.to_owned(),
        port,
    })
}

/// At most so much of what somebody pasted is repeated.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

fn host_and_port(host: &str, port: Option<u16>) -> String {
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Some(Protocol::V1) => f.write_str("v1:")?,
            Some(Protocol::V2) => f.write_str("v2:")?,
            None => {}
        }
        f.write_str(&host_and_port(&self.host, self.port))
    }
}

/// As `mon_host` has it: what librados is given.
impl fmt::Display for Monitors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, monitor) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            let addresses: Vec<String> = monitor.iter().map(ToString::to_string).collect();
            match &monitor[..] {
                [Address { protocol: None, .. }] => f.write_str(&addresses[0])?,
                _ => write!(f, "[{}]", addresses.join(","))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Monitors {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn every_form_is_understood_and_written_in_one() {
        for (text, written) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1:6790", "10.0.0.1:6790"),
            (
                "10.0.0.1,10.0.0.2 ; 10.0.0.3 10.0.0.4",
                "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4",
            ),
            (
                "[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]",
                "[v2:10.0.0.1:3300,v1:10.0.0.1:6789]",
            ),
            (
                "[v2:10.0.0.1:3300,v1:10.0.0.1:6789],[v2:10.0.0.2:3300,v1:10.0.0.2:6789]",
                "[v2:10.0.0.1:3300,v1:10.0.0.1:6789],[v2:10.0.0.2:3300,v1:10.0.0.2:6789]",
            ),
            ("v1:10.0.0.1", "[v1:10.0.0.1]"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("2001:db8::1", "[2001:db8::1]"),
            ("[2001:db8::1]:6789", "[2001:db8::1]:6789"),
            (
                "[v2:[2001:db8::1]:3300,v1:[2001:db8::1]:6789]",
                "[v2:[2001:db8::1]:3300,v1:[2001:db8::1]:6789]",
            ),
            ("mon-a.lan, mon-b.lan:3300", "mon-a.lan,mon-b.lan:3300"),
            ("", ""),
            (" , ", ""),
        ] {
            assert_eq!(parsed(text).to_string(), written, "{text}");
            assert_eq!(parsed(written), parsed(text), "{written}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "[",
            "]",
            "10.0.0.1]",
            "[10.0.0.1",
            "[]",
            "[,]",
            "[::1",
            "[::1]6789",
            "[::1]:",
            "a:b",
            "a:0",
            "a:65536",
            "a:1:2",
            "a/b",
            "v3:10.0.0.1",
            "$host",
            "a b$",
            "[[::1]",
            "[v2:]",
            "v1:",
            "a\u{0}b",
            "../etc",
            "10.0.0.1/x",
            "[host]",
        ] {
            assert!(text.parse::<Monitors>().is_err(), "{text:?} was accepted");
        }
        assert!(vec!["10.0.0.1"; 65].join(",").parse::<Monitors>().is_err());
    }

    #[test]
    fn the_kernel_gets_addresses_of_one_protocol() {
        let both = parsed("[v2:10.0.0.1:3301,v1:10.0.0.1:6790],10.0.0.2,10.0.0.3:6789,10.0.0.4:3300,10.0.0.5:99");
        assert_eq!(
            both.speaking(Protocol::V1),
            ["10.0.0.1:6790", "10.0.0.2:6789", "10.0.0.3:6789", "10.0.0.5:99"]
        );
        assert_eq!(
            both.speaking(Protocol::V2),
            ["10.0.0.1:3301", "10.0.0.2:3300", "10.0.0.4:3300", "10.0.0.5:99"]
        );
        assert_eq!(parsed("::1").speaking(Protocol::V2), ["[::1]:3300"]);
    }
}
