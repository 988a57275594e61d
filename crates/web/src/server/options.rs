//! How to serve.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;

use crate::access::{Clock, Settings, SystemClock};

/// How to serve.
#[derive(Clone)]
pub struct Options {
    /// Where to listen without TLS.
    pub http: Vec<SocketAddr>,
    /// Where to listen with TLS. Once the device has an owner, everything without TLS is sent there.
    pub https: Vec<SocketAddr>,
    /// The socket of the command line: whoever can open it may do everything. Made with mode 0600.
    pub socket: Option<PathBuf>,
    /// Where `access.json` and `tls.json` are kept. Must exist, and be its owner's only.
    pub folder: PathBuf,
    /// Whether to announce `NAME.local` and the page in the network (mDNS).
    pub announce: bool,
    /// Names and addresses, besides `NAME.local` and the device's own addresses, by which the page may be asked for: what
    /// a router calls the device, or the address of a port that is forwarded to it.
    pub allowed_hosts: Vec<String>,
    /// The device's address in a network that it makes itself, while it makes one, and in which all names lead to it: who asks for
    /// another name there, without TLS, is sent to that address, so that phones show the page by themselves.
    pub portal: Option<watch::Receiver<Option<IpAddr>>>,
    /// Bounds.
    pub limits: Limits,
    /// The claim, passwords and sessions.
    pub access: Settings,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// Nothing listens yet; everything else as usual.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            http: Vec::new(),
            https: Vec::new(),
            socket: None,
            folder,
            announce: false,
            allowed_hosts: Vec::new(),
            portal: None,
            limits: Limits::default(),
            access: Settings::default(),
            clock: Arc::new(SystemClock::default()),
        }
    }
}

/// Bounds of what clients can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all. Each costs some 20 KiB, with TLS 60 KiB.
    pub connections: usize,
    /// Connections of one peer (an IPv4 address, or a /64 of IPv6).
    pub connections_of_one: usize,
    /// Connections beyond these that are told so; others are closed without a word.
    pub refusals: usize,
    /// How long to wait before a door that could not be opened is tried again.
    pub reopen: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long the head of a request may take, and how long a connection may be idle.
    pub head: Duration,
    /// How long the body of a request may take.
    pub body: Duration,
    /// How long a client may leave an answer in our buffers.
    pub write: Duration,
    /// How long a graceful stop waits for requests under way.
    pub stop: Duration,
    /// How long a graceful stop waits for changes and tasks that must not be left half done.
    pub finish: Duration,
    /// Requests of one peer.
    pub rate_of_one: Rate,
    /// Requests of all peers.
    pub rate: Rate,
}

/// So many at once, and so many a second from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// A second.
    pub per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            connections_of_one: 32,
            refusals: 16,
            reopen: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: Duration::from_secs(20),
            write: Duration::from_secs(30),
            stop: Duration::from_secs(5),
            finish: Duration::from_secs(60),
            rate_of_one: Rate {
                burst: 200,
                per_second: 40,
            },
            rate: Rate {
                burst: 600,
                per_second: 120,
            },
        }
    }
}
