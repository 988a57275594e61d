//! The NBD servers: each starts once all of its disks are open.

use std::sync::{Arc, Mutex, PoisonError};

use export_nbd::{Export, Server};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{Changed, disk::State};
use crate::{
    cli::nbd::listen,
    config::model::{ListenAddress, NbdConfig},
};

/// How long to wait before a listening address is tried again.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// A server, as others see it.
#[derive(Clone)]
pub(crate) struct Look {
    /// What it was started with.
    pub config: NbdConfig,
    address: Arc<Mutex<Option<String>>>,
}

impl Look {
    /// Where it listens, once it does.
    pub(crate) fn address(&self) -> Option<String> {
        self.address.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Runs one server.
pub(crate) struct Runner {
    config: NbdConfig,
    address: Arc<Mutex<Option<String>>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Runner {
    /// Starts to wait for the disks.
    pub(crate) fn start(config: NbdConfig, disks: Vec<(String, watch::Receiver<State>)>, changed: Changed) -> Self {
        let stop = CancellationToken::new();
        let address = Arc::new(Mutex::new(None));
        let work = serve(config.clone(), disks, address.clone(), changed, stop.clone());
        Self {
            config,
            address,
            stop,
            task: tokio::spawn(work),
        }
    }

    /// What it was started with.
    pub(crate) fn config(&self) -> &NbdConfig {
        &self.config
    }

    /// Where it listens, once it does.
    pub(crate) fn address(&self) -> Option<String> {
        self.look().address()
    }

    /// A way to look at it from elsewhere.
    pub(crate) fn look(&self) -> Look {
        Look {
            config: self.config.clone(),
            address: self.address.clone(),
        }
    }

    /// Lets requests under way finish, and ends.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Err(panic) = self.task.await {
            error!("an NBD server ended: {panic}");
        }
    }
}

async fn serve(
    config: NbdConfig,
    disks: Vec<(String, watch::Receiver<State>)>,
    address: Arc<Mutex<Option<String>>>,
    changed: Changed,
    stop: CancellationToken,
) {
    // Checked with the configuration; a wrong one never gets here.
    let Ok(place) = config.listen.get_ref().parse::<ListenAddress>() else {
        return;
    };
    let Some(exports) = stop.run_until_cancelled(open_exports(&config, disks)).await else {
        return;
    };
    let mut options = export_nbd::Options::default();
    if let Some(clients) = config.max_clients {
        options.max_clients = clients;
    }
    let server = loop {
        match Server::bind(listen(&place), exports.clone(), options.clone()).await {
            Ok(server) => break server,
            Err(problem) => error!("NBD server: {problem}"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_none() {
            return;
        }
    };
    let text = server.local_address().to_string();
    *address.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    changed.send_replace(());
    server.run(stop).await;
}

/// Waits until each disk is open.
async fn open_exports(config: &NbdConfig, disks: Vec<(String, watch::Receiver<State>)>) -> Vec<Export> {
    let mut exports = Vec::with_capacity(disks.len());
    for (name, mut state) in disks {
        let Ok(open) = state.wait_for(|state| state.stack.is_some()).await else {
            // The disk was closed before it was open: this server is about to be stopped as well.
            return std::future::pending().await;
        };
        let Some(stack) = &open.stack else { continue };
        exports.push(Export {
            description: stack.description.clone(),
            disk: stack.disk.clone(),
            read_only: config.read_only || stack.disk.properties().read_only,
            name,
        });
    }
    exports
}
