//! Doors to the network: each is opened as soon as it can be.

use std::{net::SocketAddr, sync::Arc};

use tokio::{net::TcpListener, sync::watch};
use tokio_rustls::TlsAcceptor;

use super::listen::{self, House, ListenError};

/// Where the server listens by now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Open {
    /// Without TLS.
    pub http: Vec<SocketAddr>,
    /// With it.
    pub https: Vec<SocketAddr>,
}

/// A door that was tried once.
pub(super) struct Attempt {
    address: SocketAddr,
    listener: Result<TcpListener, ListenError>,
}

impl Attempt {
    /// Tries all of them.
    pub(super) async fn all(addresses: &[SocketAddr]) -> Vec<Self> {
        let attempts = addresses.iter().map(|&address| async move {
            let listener = listen::bind(address).await;
            Self { address, listener }
        });
        futures::future::join_all(attempts).await
    }

    /// Where it listens, if it does.
    pub(super) fn open(&self) -> Option<SocketAddr> {
        self.listener.as_ref().ok()?.local_addr().ok()
    }

    /// Its port, also while somebody else has it.
    pub(super) fn port(&self) -> u16 {
        self.open().unwrap_or(self.address).port()
    }
}

impl House {
    /// Lets in who comes through a door, once it is open.
    pub(super) async fn door(self, attempt: Attempt, tls: Option<TlsAcceptor>, open: Arc<watch::Sender<Open>>) {
        let Attempt { address, listener } = attempt;
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => match self.insist(address, error).await {
                Some(listener) => listener,
                None => return,
            },
        };
        // One that was open from the start is there already.
        if let Ok(address) = listener.local_addr() {
            open.send_if_modified(|open| {
                let doors = match tls {
                    Some(_) => &mut open.https,
                    None => &mut open.http,
                };
                let is_new = !doors.contains(&address);
                if is_new {
                    doors.push(address);
                }
                is_new
            });
        }
        self.network(listener, tls).await;
    }

    /// Tries until it works. Nothing if the server stops before.
    async fn insist(&self, address: SocketAddr, first: ListenError) -> Option<TcpListener> {
        let mut last = first.to_string();
        tracing::error!("{last}; trying again");
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.limits.reopen) => {}
                () = self.stop.cancelled() => return None,
            }
            match listen::bind(address).await {
                Ok(listener) => return Some(listener),
                Err(error) => {
                    let text = error.to_string();
                    if text != last {
                        tracing::error!("{text}; trying again");
                        last = text;
                    }
                }
            }
        }
    }
}
