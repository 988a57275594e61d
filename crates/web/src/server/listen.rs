//! Where clients come in.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::{
        fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Limits, connection, places::Places};
use crate::access::Peer;

/// A door that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An address.
    #[error(
        "cannot listen on {address}: {source}; check that the address is this machine's and nobody else listens there"
    )]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
    /// The socket of the command line.
    #[error("cannot listen on {}: {source}; its folder must exist, and no other daemon may run", path.display())]
    Socket {
        /// Where it should be.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
}

/// What all doors have in common.
#[derive(Clone)]
pub(super) struct House {
    pub(super) router: Router,
    pub(super) limits: Limits,
    pub(super) places: Arc<Places>,
    pub(super) stop: CancellationToken,
    pub(super) connections: TaskTracker,
}

/// Opens a door to the network.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError::Address { address, source })
}

impl House {
    /// Lets in who comes over the network, with TLS if there is an acceptor.
    pub(super) async fn network(self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        while let Some(accepted) = self.accept(listener.accept()).await {
            let Ok((stream, address)) = accepted else { continue };
            let peer = Peer::of(address.ip());
            let Some(place) = self.places.take(peer) else { continue };
            let (house, tls) = (self.clone(), tls.clone());
            self.connections.spawn(async move {
                let refused = place.is_refusal();
                let _place = place;
                match tls {
                    None => house.converse(stream, peer, refused).await,
                    Some(tls) => house.greet(stream, peer, refused, tls).await,
                }
            });
        }
    }

    async fn converse(self, stream: TcpStream, peer: Peer, refused: bool) {
        // Answers are written whole: there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        let arrival = stream.local_addr().ok();
        if refused {
            connection::refuse(stream, self.limits, self.stop).await;
        } else {
            connection::serve(stream, self.router, peer, arrival, self.limits, self.stop).await;
        }
    }

    async fn greet(self, stream: TcpStream, peer: Peer, refused: bool, tls: TlsAcceptor) {
        let _ = stream.set_nodelay(true);
        let arrival = stream.local_addr().ok();
        let handshake = tokio::select! {
            handshake = tokio::time::timeout(self.limits.handshake, tls.accept(stream)) => handshake,
            () = self.stop.cancelled() => return,
        };
        let stream = match handshake {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => return tracing::debug!(%peer, "a TLS handshake took too long"),
        };
        if refused {
            connection::refuse(stream, self.limits, self.stop).await;
        } else {
            connection::serve(stream, self.router, peer.with_tls(), arrival, self.limits, self.stop).await;
        }
    }

    /// Lets in the command line. Its connections have no bound: who can open the socket is root.
    pub(super) async fn local(self, socket: Socket) {
        while let Some(accepted) = self.accept(socket.listener.accept()).await {
            let Ok((stream, _)) = accepted else { continue };
            // The mode of the file says the same, unless somebody changed it.
            let user = stream.peer_cred().map(|peer| peer.uid());
            if !matches!(user, Ok(user) if user == 0 || user == socket.user) {
                tracing::warn!(
                    ?user,
                    "somebody else's connection to the command line's socket was refused"
                );
                continue;
            }
            let house = self.clone();
            self.connections.spawn(async move {
                connection::serve(stream, house.router, Peer::LOCAL, None, house.limits, house.stop).await;
            });
        }
    }

    /// The next one; nothing once the server stops. A lack of files passes, and must not become a busy loop.
    async fn accept<T>(&self, accept: impl Future<Output = io::Result<T>>) -> Option<io::Result<T>> {
        let accepted = tokio::select! {
            accepted = accept => accepted,
            () = self.stop.cancelled() => return None,
        };
        if let Err(error) = &accepted {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
                () = self.stop.cancelled() => return None,
            }
        }
        Some(accepted)
    }
}

/// The socket of the command line; its file goes with it.
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Who may come in, beside root: who made it.
    user: u32,
}

impl Socket {
    /// Makes the socket, its owner's only from the first moment: it is made in a folder that nobody else can enter, and
    /// then moved. One that a dead daemon left is replaced; one that somebody listens on is not.
    pub(super) fn bind(path: &Path) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Socket {
            path: path.to_owned(),
            source,
        };
        if UnixStream::connect(path).is_ok() {
            return Err(failed(io::ErrorKind::AddrInUse.into()));
        }
        let aside = path.with_extension(format!("new-{}", std::process::id()));
        let bound = fs::DirBuilder::new().mode(0o700).create(&aside).and_then(|()| {
            let temporary = aside.join("socket");
            let listener = UnixListener::bind(&temporary)?;
            fs::set_permissions(&temporary, fs::Permissions::from_mode(0o600))?;
            let user = fs::metadata(&temporary)?.uid();
            fs::rename(&temporary, path)?;
            Ok((listener, user))
        });
        let removed = fs::remove_dir_all(&aside);
        let (listener, user) = bound.map_err(failed)?;
        removed.map_err(failed)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            user,
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // If it is not there any more, somebody else took care of it.
        let _ = fs::remove_file(&self.path);
    }
}
