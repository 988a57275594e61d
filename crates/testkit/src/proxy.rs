//! A bad network: a TCP proxy that delays, slows, cuts, swallows and corrupts what passes through it.

mod faults;
mod pump;

use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::Port;
use faults::Shared;
pub use faults::{Counters, Cut, Delay, Direction};

/// A TCP proxy on a port of its own in front of one server.
///
/// It starts as a good network. Faults are set at run time and hold for present and future connections until
/// [`heal`](Self::heal). Memory is bounded: at most 4 MiB under way for each direction of a connection.
/// All its connections are cut when it is dropped.
#[derive(Debug)]
pub struct TcpProxy {
    port: Arc<Port>,
    shared: Arc<Shared>,
    acceptor: Mutex<Acceptor>,
    upstream: SocketAddr,
}

/// The task that accepts. Ending it closes the listener, and its connections.
#[derive(Debug)]
struct Acceptor(Option<JoinHandle<()>>);

impl Drop for Acceptor {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl TcpProxy {
    /// Starts one in front of `upstream`, which need not listen yet. `seed` decides jitter and corruption.
    pub async fn start(upstream: SocketAddr, seed: u64) -> Result<Self> {
        let port = Arc::new(Port::reserve()?);
        let shared = Arc::new(Shared::new(seed));
        let listener = listen(port.address()).await?;
        let task = tokio::spawn(accept(listener, upstream, Arc::clone(&shared)));
        Ok(Self {
            port,
            shared,
            acceptor: Mutex::new(Acceptor(Some(task))),
            upstream,
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// `http://127.0.0.1:PORT`, for servers that speak HTTP.
    #[must_use]
    pub fn http_origin(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Delays every byte, in both directions: a round trip takes twice as long. Order is kept.
    pub fn set_delay(&self, delay: Delay) {
        self.shared.change(|faults| faults.delay = delay);
    }

    /// Limits the bytes per second of all connections together, for each direction; `None` lifts the limit.
    pub fn set_bandwidth(&self, bytes_per_second: Option<u64>) {
        self.shared.change(|faults| faults.bandwidth = bytes_per_second);
    }

    /// Forwards nothing, neither data nor new connections, without closing any: a pulled network cable. Nothing is lost
    /// when it is plugged in again (`false`), as TCP would see to.
    pub fn set_black_hole(&self, on: bool) {
        self.shared.change(|faults| faults.black_hole = on);
    }

    /// Flips one random bit in every chunk that passes in `direction`, with a probability for each chunk (a chunk is
    /// what one read of a socket gave, at most 64 KiB). 0.0 stops it.
    pub fn set_corruption(&self, direction: Direction, probability: f64) {
        self.shared
            .change(|faults| faults.way(direction).corruption = probability);
    }

    /// Flips the lowest bit of the byte that follows the next `bytes` in `direction`, counted over all connections. Once.
    pub fn corrupt_after(&self, direction: Direction, bytes: u64) {
        self.shared
            .change(|faults| faults.way(direction).corrupt_after = Some(bytes));
    }

    /// Cuts all present connections now.
    pub fn cut(&self, how: Cut) {
        self.shared.cut(how);
    }

    /// Lets the next `bytes` in `direction` pass, counted over all connections, and then cuts the connection that would
    /// carry the next one. Once.
    pub fn cut_after(&self, direction: Direction, bytes: u64, how: Cut) {
        self.shared
            .change(|faults| faults.way(direction).cut_after = Some((bytes, how)));
    }

    /// Stops listening, so that new connections are refused; with `cut` present ones are reset too: a server that
    /// died. [`accept_again`](Self::accept_again) ends it.
    pub async fn refuse(&self, cut: bool) {
        let task = self.acceptor().0.take();
        if let Some(task) = task {
            self.shared.stop_accepting();
            // Its connections live on in a task of their own; the listener is closed when this returns.
            let _ = task.await;
        }
        if cut {
            self.cut(Cut::Reset);
        }
    }

    /// Listens again after [`refuse`](Self::refuse).
    pub async fn accept_again(&self) -> Result<()> {
        if self.acceptor().0.is_some() {
            return Ok(());
        }
        let listener = listen(self.address()).await?;
        self.shared.resume_accepting();
        let task = tokio::spawn(accept(listener, self.upstream, Arc::clone(&self.shared)));
        self.acceptor().0 = Some(task);
        Ok(())
    }

    /// Ends all faults; connections that were cut stay cut. After [`refuse`](Self::refuse) call
    /// [`accept_again`](Self::accept_again).
    pub fn heal(&self) {
        self.shared.change(faults::Faults::heal);
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    fn acceptor(&self) -> std::sync::MutexGuard<'_, Acceptor> {
        self.acceptor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.shared.stop_accepting();
        self.shared.cut(Cut::Reset);
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    // A child that was forked while the former listener was open keeps the port busy until its exec.
    for _ in 0..100 {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => tokio::time::sleep(Duration::from_millis(20)).await,
            result => return result.with_context(|| format!("cannot listen at {address}")),
        }
    }
    bail!("somebody else listens at {address}")
}

/// Accepts until told to stop. Connections outlive the listener and end by themselves or by a cut.
async fn accept(listener: TcpListener, upstream: SocketAddr, shared: Arc<Shared>) {
    let mut accepting = shared.accepting();
    let mut connections = JoinSet::new();
    loop {
        let client = tokio::select! {
            _ = accepting.wait_for(|on| !on) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match client {
            Ok((client, _)) => {
                connections.spawn(connect(client, upstream, Arc::clone(&shared)));
            }
            // Out of file descriptors, or a client that was gone at once.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    connections.detach_all();
}

async fn connect(client: TcpStream, upstream: SocketAddr, shared: Arc<Shared>) {
    let mut cuts = shared.cuts();
    shared.count(|counters| counters.connections += 1);
    shared.wait_while_black_hole().await;
    let server = tokio::select! {
        server = TcpStream::connect(upstream) => server,
        _ = cuts.changed() => return reset(&client),
    };
    match server {
        Ok(server) => pump::both_ways(client, server, shared, cuts).await,
        // The client learns that nobody is there as soon as a proxy can tell it.
        Err(_) => reset(&client),
    }
}

/// Makes closing this socket send RST instead of FIN.
fn reset(stream: &TcpStream) {
    use std::os::fd::AsRawFd;
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and the kernel reads exactly the given size
    // of a structure that outlives the call (socket(7), SO_LINGER).
    unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of_val(&linger) as libc::socklen_t,
        );
    }
}
