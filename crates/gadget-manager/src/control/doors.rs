//! Where the page can be reached.

use std::net::{IpAddr, SocketAddr};

/// Where the page listens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Doors {
    /// Without TLS.
    pub http: Vec<SocketAddr>,
    /// With it.
    pub https: Vec<SocketAddr>,
    /// Whether the name is announced in the network.
    pub announced: bool,
    /// Whether the device has an owner: everything then goes to TLS.
    pub claimed: bool,
}

impl Doors {
    /// Whether it listens at all.
    pub(super) fn is_open(&self) -> bool {
        !self.http.is_empty() || !self.https.is_empty()
    }

    /// Addresses of the page, best first.
    pub(super) fn urls(&self, name: Option<&str>, addresses: &[IpAddr]) -> Vec<String> {
        let tls = self.http.is_empty() || (self.claimed && !self.https.is_empty());
        let (doors, scheme, usual) = match tls {
            true => (&self.https, "https", 443),
            false => (&self.http, "http", 80),
        };
        let suffix = |port: u16| match port {
            port if port == usual => String::new(),
            port => format!(":{port}"),
        };
        let Some(first) = doors.first() else { return Vec::new() };
        let mut urls = Vec::new();
        if let Some(name) = name {
            urls.push(format!("{scheme}://{name}{}/", suffix(first.port())));
        }
        for address in addresses {
            let answers = |door: &&SocketAddr| {
                door.ip().to_canonical() == *address
                    || (door.ip().is_unspecified() && (door.is_ipv6() || address.is_ipv4()))
            };
            if let Some(door) = doors.iter().find(answers) {
                let host = SocketAddr::new(*address, 0).to_string();
                let host = host.strip_suffix(":0").unwrap_or(&host);
                urls.push(format!("{scheme}://{host}{}/", suffix(door.port())));
            }
        }
        urls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_comes_first_and_ports_only_where_they_matter() {
        let lan: [IpAddr; 2] = ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let mut doors = Doors {
            http: vec!["[::]:80".parse().unwrap()],
            https: vec!["[::]:8443".parse().unwrap()],
            ..Doors::default()
        };
        assert_eq!(
            doors.urls(Some("films.local"), &lan),
            ["http://films.local/", "http://192.0.2.7/", "http://[2001:db8::7]/"]
        );
        doors.claimed = true;
        assert_eq!(doors.urls(None, &lan)[0], "https://192.0.2.7:8443/");
        doors.https = vec!["192.0.2.7:443".parse().unwrap()];
        assert_eq!(doors.urls(None, &lan), ["https://192.0.2.7/"]);
        assert!(Doors::default().urls(Some("x"), &lan).is_empty());
    }
}
