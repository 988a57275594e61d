//! Who is at the other end of a connection.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::routes::Failure;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    address: Option<IpAddr>,
    tls: bool,
}

impl Peer {
    /// The command line on this machine, through the socket that only root can open.
    pub(crate) const LOCAL: Self = Self {
        address: None,
        tls: false,
    };

    /// Somebody on the network, without TLS.
    #[must_use]
    pub(crate) fn of(address: IpAddr) -> Self {
        Self {
            address: Some(address.to_canonical()),
            tls: false,
        }
    }

    /// The same, with TLS.
    #[must_use]
    pub(crate) fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Whether it is the command line on this machine.
    #[must_use]
    pub(crate) fn is_local(self) -> bool {
        self.address.is_none()
    }

    /// Whether the connection has TLS.
    #[must_use]
    pub(crate) fn has_tls(self) -> bool {
        self.tls
    }

    /// Where it is on the network.
    pub(crate) fn address(self) -> Option<IpAddr> {
        self.address
    }

    /// What limits count by: an address, of IPv6 the first 64 bits, since one machine has all the rest (RFC 4291, 2.5.1).
    pub(crate) fn group(self) -> Option<IpAddr> {
        self.address.map(|address| match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => address.fmt(f),
            None => f.write_str("the command line"),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        // The server puts it into every request.
        parts.extensions.get().copied().ok_or_else(Failure::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_by_network() {
        let group = |text: &str| Peer::of(text.parse().unwrap()).group().unwrap().to_string();
        assert_eq!(group("192.0.2.7"), "192.0.2.7");
        assert_eq!(group("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(group("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(Peer::LOCAL.group(), None);
    }
}
