//! Listeners, and everything that is true of all requests.

mod certificates;
mod connection;
mod doors;
mod headers;
mod host;
mod listen;
mod options;
mod places;
mod portal;
mod rate;
mod redirect;
mod router;
mod timed;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use doors::Open;
pub use listen::ListenError;
pub use options::{Limits, Options, Rate};

use crate::{
    access::{Access, OpenError},
    api::{Problem, ProblemCode},
    app::App,
    appliance::Appliance,
    mdns::{Alias, Announcer},
    page,
    tls::{Keeper, TlsError},
};
use listen::{House, Socket};
use places::Places;
use router::Rules;

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nobody could be let in.
    #[error(transparent)]
    Access(#[from] OpenError),
    /// There is no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The command line's socket cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// A running server. Dropped, it ends without waiting for anybody; [`stop`](Self::stop) waits.
pub struct Server {
    app: App,
    open: watch::Receiver<Open>,
    keeper: Option<Arc<Keeper>>,
    stop: CancellationToken,
    /// Listeners and what goes on beside them.
    chores: TaskTracker,
    connections: TaskTracker,
    finish: Duration,
}

impl Server {
    /// Opens the command line's socket and all doors to the network. A door that cannot be opened is tried again until it can:
    /// somebody else may have its port, and addresses come and go.
    ///
    /// # Errors
    /// If the folder cannot be used, no certificate can be made, or the socket cannot be opened.
    pub async fn start(options: Options, appliance: Arc<dyn Appliance>) -> Result<Self, StartError> {
        let access = Access::open(&options.folder, options.access, options.clock.clone())?;
        let new_owner = Arc::new(Notify::new());
        let app = App::new(appliance.clone(), access, new_owner.clone());
        let http = doors::Attempt::all(&options.http).await;
        let https = doors::Attempt::all(&options.https).await;
        let socket = options.socket.as_deref().map(Socket::bind).transpose()?;
        let keeper = if https.is_empty() {
            None
        } else {
            let subject = certificates::subject(&*appliance);
            Some(Keeper::open(&options.folder, &subject, options.clock.now())?)
        };
        let acceptor = match &keeper {
            Some(keeper) => Some(TlsAcceptor::from(Arc::new(keeper.server_config()?))),
            None => None,
        };
        let alias = Alias::default();
        let rules = Rules {
            app: app.clone(),
            alias: alias.clone(),
            allowed_hosts: options.allowed_hosts.into(),
            portal: options.portal,
            https_port: https.first().map(doors::Attempt::port),
            rates: Arc::new(rate::Rates::new(options.limits)),
            clock: options.clock.clone(),
        };
        let house = House {
            router: router::build(rules),
            limits: options.limits,
            places: Places::new(options.limits),
            stop: CancellationToken::new(),
            connections: TaskTracker::new(),
        };
        let chores = TaskTracker::new();
        let port = http.first().or(https.first()).map(doors::Attempt::port);
        let opened_at_once = |attempts: &[doors::Attempt]| attempts.iter().filter_map(doors::Attempt::open).collect();
        let (opened, open) = watch::channel(Open {
            http: opened_at_once(&http),
            https: opened_at_once(&https),
        });
        let opened = Arc::new(opened);
        for (attempts, tls) in [(http, None), (https, acceptor)] {
            for attempt in attempts {
                chores.spawn(house.clone().door(attempt, tls.clone(), opened.clone()));
            }
        }
        if let Some(socket) = socket {
            chores.spawn(house.clone().local(socket));
        }
        if let Some(keeper) = &keeper {
            let stop = house.stop.clone();
            chores.spawn(certificates::keep(
                keeper.clone(),
                appliance,
                options.clock,
                new_owner,
                stop,
            ));
        }
        if let Some(port) = port.filter(|_| options.announce) {
            match Announcer::open(port, alias) {
                Ok(announcer) => {
                    chores.spawn(announcer.run(app.appliance.name(), house.stop.clone()));
                }
                Err(error) => tracing::warn!(%error),
            }
        }
        if !page::is_built_in() {
            tracing::warn!("this program was built without its page; the API works all the same");
        }
        Ok(Self {
            app,
            open,
            keeper,
            stop: house.stop,
            chores,
            connections: house.connections,
            finish: options.limits.finish,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn open(&self) -> watch::Receiver<Open> {
        self.open.clone()
    }

    /// Where it listens without TLS.
    #[must_use]
    pub fn http(&self) -> Vec<SocketAddr> {
        self.open.borrow().http.clone()
    }

    /// Where it listens with TLS.
    #[must_use]
    pub fn https(&self) -> Vec<SocketAddr> {
        self.open.borrow().https.clone()
    }

    /// Who may do what: the claim code, and the board's button.
    #[must_use]
    pub fn access(&self) -> &Arc<Access> {
        &self.app.access
    }

    /// Takes the device from its owner, and leaves it as it is otherwise.
    ///
    /// # Errors
    /// If what is kept about access cannot be written; nothing has changed then.
    pub async fn forget_owner(&self) -> Result<(), Problem> {
        self.app.forget_owner().await
    }

    /// Resets the device as the API does: what a button does that is held very long.
    ///
    /// # Errors
    /// If a running task cannot be ended, or what is kept cannot be removed.
    pub async fn factory_reset(&self) -> Result<(), Problem> {
        let app = self.app.clone();
        let reset = self.app.changes.spawn(async move { app.factory_reset().await });
        reset
            .await
            .unwrap_or_else(|_| Err(Problem::new(ProblemCode::Internal, "the device met a fault of its own")))
    }

    /// SHA-256 of the certificate as browsers show it, if there is TLS.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        self.keeper.as_ref().map(|keeper| keeper.fingerprint())
    }

    /// The certificate in DER, if there is TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<Vec<u8>> {
        self.keeper.as_ref().map(|keeper| keeper.certificate())
    }

    /// Lets nobody in any more, ends streams and those tasks that can be cancelled, waits a little for requests under way,
    /// and longer for changes and the other tasks: half of one would be worse than all of it or nothing.
    pub async fn stop(self) {
        self.stop.cancel();
        self.app.events.stop();
        self.chores.close();
        self.chores.wait().await;
        self.connections.close();
        self.connections.wait().await;
        self.app.changes.close();
        let finish = async { tokio::join!(self.app.changes.wait(), self.app.tasks.stop()) };
        if tokio::time::timeout(self.finish, finish).await.is_err() {
            tracing::warn!("the server stops in the middle of a change");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.app.events.stop();
    }
}
