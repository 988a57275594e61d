//! The server: accepts clients and sees them through.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    connection::{Budget, Reader, Session, transmit},
    error::{BindError, Disconnect},
    export::{Export, validate},
    handshake::handshake,
    listen::{Address, Listen, Listener, Stream},
};

/// How long to wait before accepting again when the system has no file descriptor or memory left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Connections at once; more are closed at once. A client with several connections counts several times.
    pub max_clients: usize,
    /// Payload that a connection may have under way, in bytes. From 1 MiB to 32 MiB it is also the longest request
    /// that clients are told to send.
    pub memory_per_client: u32,
    /// Requests that a connection may have under way.
    pub requests_per_client: usize,
    /// How long a client may take to choose an export.
    pub handshake_timeout: Duration,
    /// How long requests in flight may take to finish when a client leaves or the server is stopped.
    pub grace: Duration,
    /// Carry `NBD_CMD_CACHE` out by reading the range and forgetting it: of use above a cache only. Otherwise the
    /// hint succeeds and does nothing.
    pub cache_reads: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_clients: 16,
            memory_per_client: 32 << 20,
            requests_per_client: 128,
            handshake_timeout: Duration::from_secs(20),
            grace: Duration::from_secs(10),
            cache_reads: false,
        }
    }
}

/// What a server did in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Clients that were let in.
    pub clients: u64,
    /// Clients turned away because there were too many.
    pub refused: u64,
    /// Clients thrown out because they broke the protocol.
    pub violations: u64,
}

/// An NBD server that is listening.
pub struct Server {
    listener: Listener,
    address: Address,
    exports: Arc<[Export]>,
    options: Options,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("exports", &self.exports)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Starts to listen. Clients are let in by [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// [`BindError`]: the exports are not as they must be, or the address cannot be had.
    pub async fn bind(listen: Listen, exports: Vec<Export>, options: Options) -> Result<Self, BindError> {
        validate(&exports)?;
        let (listener, address) = Listener::bind(listen).await?;
        Ok(Self {
            listener,
            address,
            exports: exports.into(),
            options,
        })
    }

    /// Where clients find it.
    #[must_use]
    pub fn local_address(&self) -> Address {
        self.address.clone()
    }

    /// Serves until `stop` is cancelled; then lets nobody in, removes the socket file, finishes the requests in flight
    /// within [`Options::grace`], and returns.
    pub async fn run(self, stop: CancellationToken) -> Summary {
        let Self {
            listener,
            address,
            exports,
            options,
        } = self;
        let mut summary = Summary::default();
        let mut clients = JoinSet::new();
        info!(%address, exports = exports.len(), "NBD server is listening");
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = clients.join_next() => {
                    summary.count(ended);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            while let Some(ended) = clients.try_join_next() {
                summary.count(ended);
            }
            match accepted {
                Ok((_, peer)) if clients.len() >= options.max_clients => {
                    summary.refused += 1;
                    warn!(%peer, limit = options.max_clients, "NBD client turned away: too many clients");
                }
                Ok((stream, peer)) => {
                    summary.clients += 1;
                    clients.spawn(client(stream, peer, exports.clone(), options.clone(), stop.clone()));
                }
                Err(error) => {
                    warn!(%address, %error, "cannot accept an NBD client");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        let drain = async {
            while let Some(ended) = clients.join_next().await {
                summary.count(ended);
            }
        };
        // Clients keep to the grace time by themselves; this holds for a disk that blocks its thread.
        if timeout(options.grace + Duration::from_secs(1), drain).await.is_err() {
            warn!(%address, clients = clients.len(), "NBD clients cut off");
        }
        info!(%address, ?summary, "NBD server has stopped");
        summary
    }
}

impl Summary {
    fn count(&mut self, ended: Result<bool, JoinError>) {
        match ended {
            Ok(violation) => self.violations += u64::from(violation),
            Err(error) if error.is_panic() => error!(%error, "an NBD connection panicked"),
            Err(_) => {}
        }
    }
}

/// Sees one client through; true if it was thrown out.
async fn client(
    stream: Stream,
    peer: String,
    exports: Arc<[Export]>,
    options: Options,
    stop: CancellationToken,
) -> bool {
    let ended = match stream {
        Stream::Unix(stream) => {
            let (reader, writer) = stream.into_split();
            converse(reader, writer, &peer, &exports, &options, &stop).await
        }
        Stream::Tcp(stream) => {
            let (reader, writer) = stream.into_split();
            converse(reader, writer, &peer, &exports, &options, &stop).await
        }
    };
    match ended {
        Ok(()) => debug!(%peer, "NBD client left"),
        Err(reason @ Disconnect::Io(_)) if is_goodbye(&reason) => debug!(%peer, %reason, "NBD client is gone"),
        Err(reason) => {
            warn!(%peer, %reason, "NBD client closed");
            return reason.is_violation();
        }
    }
    false
}

/// Clients that just close their end are not worth a warning.
fn is_goodbye(reason: &Disconnect) -> bool {
    let Disconnect::Io(error) = reason else { return false };
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// A whole conversation, from greeting to goodbye.
pub(crate) async fn converse<R, W>(
    reader: R,
    mut writer: W,
    peer: &str,
    exports: &[Export],
    options: &Options,
    stop: &CancellationToken,
) -> Result<(), Disconnect>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let memory = options.memory_per_client;
    let mut reader = Reader::new(reader);
    let haggling = timeout(
        options.handshake_timeout,
        handshake(&mut reader, &mut writer, exports, memory),
    );
    let agreement = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        haggled = haggling => haggled.map_err(|_| Disconnect::HandshakeTimeout(options.handshake_timeout))??,
    };
    let Some(agreement) = agreement else { return Ok(()) };
    let export = &exports[agreement.export];
    info!(%peer, export = %export.name, disk = %export.disk.name(), "NBD client connected");
    let session = Session::new(export, agreement, memory, options.cache_reads);
    let budget = Budget::new(memory, options.requests_per_client);
    transmit(reader, writer, session, budget, options.grace, stop).await
}
