//! What the kernel is told when an image is to be mapped.
//!
//! Source: `rbd_add_parse_args` and `rbd_parameters` in `drivers/block/rbd.c`, `ceph_parameters` in
//! `net/ceph/ceph_common.c` of Linux; the options are described in rbd(8), "Kernel rbd (krbd) options".

use std::{net::SocketAddr, net::ToSocketAddrs, time::Duration};

use block::store::ImageRef;

use super::entry::HEAD;
use crate::{
    access::Access,
    conf::Protocol,
    config::RbdConfig,
    error::{RbdError, Result},
};

/// After so long the kernel gives a request up, and the thread that waits for it is free. Longer than hosts wait, so that the
/// restart of a daemon of the cluster is no error, and short enough that a mapping can always be removed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What we are going to do with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Learn what it is, for a moment.
    Look,
    /// Read it, whoever else has it.
    Read,
    /// Be its one writer: with the exclusive lock, which is not handed over to others.
    Own,
    /// Write it, with the exclusive lock, which others get when they ask for it.
    Share,
}

impl Purpose {
    pub(super) fn writes(self) -> bool {
        matches!(self, Self::Own | Self::Share)
    }
}

/// All that is needed to map an image, but for the key.
#[derive(Debug, Clone)]
pub(super) struct Line {
    monitors: String,
    options: String,
    pool: String,
    namespace: Option<String>,
    image: ImageRef,
    purpose: Purpose,
}

impl Line {
    /// Looks up the monitors' addresses. Blocks.
    ///
    /// # Errors
    ///
    /// [`Unreachable`](RbdError::Unreachable) where no name of a monitor has an address.
    pub(super) fn new(config: &RbdConfig, access: &Access, image: &ImageRef, purpose: Purpose) -> Result<Self> {
        let (protocol, mode) = messenger(access);
        let names = access.monitors.speaking(protocol);
        let mut addresses: Vec<String> = Vec::new();
        let mut unknown = None;
        for name in &names {
            match name.to_socket_addrs() {
                Ok(found) => addresses.extend(found.map(|address: SocketAddr| address.to_string())),
                Err(error) => unknown = Some(format!("{name}: {error}")),
            }
        }
        // Names may be looked up in any order, and two may be one.
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            let detail = unknown.unwrap_or_else(|| "none of them speaks a protocol of the kernel's client".to_owned());
            return Err(RbdError::unreachable("the monitors", detail));
        }
        let seconds = config.deadline().as_secs();
        let mut options = format!(
            // A connection of its own: whoever is fenced loses one disk, not all. A full cluster is an error at once.
            "name={},noshare,abort_on_full,mount_timeout={seconds},osd_request_timeout={}",
            access.user,
            REQUEST_TIMEOUT.as_secs()
        );
        if let Some(mode) = mode {
            options.push_str(&format!(",ms_mode={mode}"));
        }
        if let Some(namespace) = &config.namespace {
            options.push_str(&format!(",_pool_ns={namespace}"));
        }
        options.push_str(&match purpose {
            Purpose::Look | Purpose::Read => ",read_only".to_owned(),
            Purpose::Own => format!(",exclusive,lock_timeout={seconds}"),
            Purpose::Share => format!(",lock_timeout={seconds}"),
        });
        Ok(Self {
            monitors: addresses.join(","),
            options,
            pool: config.pool.clone(),
            namespace: config.namespace.clone(),
            image: image.clone(),
            purpose,
        })
    }

    /// The line with the name under which the kernel finds the key.
    pub(super) fn with_key(&self, key: &str) -> String {
        let Self {
            monitors,
            options,
            pool,
            image,
            ..
        } = self;
        let snapshot = image.snapshot.as_deref().unwrap_or(HEAD);
        format!("{monitors} {options},key={key} {pool} {} {snapshot}", image.image)
    }

    /// `pool/image`, `pool/namespace/image`, with `@snapshot` if it is one.
    pub(super) fn target(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}/{namespace}/{}", self.pool, self.image),
            None => format!("{}/{}", self.pool, self.image),
        }
    }

    pub(super) fn purpose(&self) -> Purpose {
        self.purpose
    }
}

/// The name of the key in a line, if there is one.
pub(super) fn key_of(line: &str) -> Option<&str> {
    let options = line.split_ascii_whitespace().nth(1)?;
    options.split(',').find_map(|option| option.strip_prefix("key="))
}

/// The protocol to speak with the monitors, and its mode where it is the newer one. Kernels before 5.11 know the older one only
/// and none of its modes.
fn messenger(access: &Access) -> (Protocol, Option<&'static str>) {
    if access.monitors.speaking(Protocol::V2).is_empty() {
        return (Protocol::V1, None);
    }
    let wanted = access.options.iter().find(|(name, _)| name == "ms_client_mode");
    let modes: Vec<&str> = wanted
        .map(|(_, modes)| modes.split_whitespace().collect())
        .unwrap_or_default();
    let mode = match modes[..] {
        ["secure"] => "secure",
        ["crc"] => "crc",
        ["secure", ..] => "prefer-secure",
        _ => "prefer-crc",
    };
    (Protocol::V2, Some(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(monitors: &str, options: &[(&str, &str)]) -> Access {
        Access {
            monitors: monitors.parse().unwrap(),
            fsid: None,
            user: "stick".to_owned(),
            key: None,
            options: options
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect(),
        }
    }

    fn line(access: &Access, purpose: Purpose) -> String {
        let mut config = RbdConfig::new("sticks");
        config.namespace = Some("family".to_owned());
        let image = "films@may".parse().unwrap();
        let line = Line::new(&config, access, &image, purpose).unwrap();
        assert_eq!(line.target(), "sticks/family/films@may");
        line.with_key("K")
    }

    #[test]
    fn the_line_has_what_the_kernel_wants() {
        let both = access("[v2:10.0.0.2:3300,v1:10.0.0.2:6789],[v2:10.0.0.1:3300]", &[]);
        assert_eq!(
            line(&both, Purpose::Read),
            "10.0.0.1:3300,10.0.0.2:3300 name=stick,noshare,abort_on_full,mount_timeout=15,osd_request_timeout=30,\
             ms_mode=prefer-crc,_pool_ns=family,read_only,key=K sticks films may"
        );
        let old = access("[v1:10.0.0.1:6789],[v1:[fd00::1]:6790]", &[]);
        assert_eq!(
            line(&old, Purpose::Own),
            "10.0.0.1:6789,[fd00::1]:6790 name=stick,noshare,abort_on_full,mount_timeout=15,osd_request_timeout=30,\
             _pool_ns=family,exclusive,lock_timeout=15,key=K sticks films may"
        );
    }

    #[test]
    fn the_mode_of_the_messenger_follows_the_conf_file() {
        for (said, mode) in [
            ("secure", "secure"),
            ("crc", "crc"),
            ("secure crc", "prefer-secure"),
            ("crc secure", "prefer-crc"),
        ] {
            let access = access("10.0.0.1", &[("ms_client_mode", said)]);
            assert_eq!(messenger(&access), (Protocol::V2, Some(mode)), "{said}");
        }
    }

    #[test]
    fn the_key_of_a_line_is_found() {
        let both = access("10.0.0.1", &[]);
        assert_eq!(key_of(&line(&both, Purpose::Own)), Some("K"));
        assert_eq!(key_of("10.0.0.1:6789 name=admin,secret=x rbd a -"), None);
        assert_eq!(key_of(""), None);
    }
}
