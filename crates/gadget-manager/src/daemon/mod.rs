//! The daemon: keeps disks open, serves them, and keeps the USB stick in step with them.
//!
//! Each disk is run by a task of its own ([`disk`]), the USB side by one ([`usb`]), each NBD server by one
//! ([`servers`]). They share no locks: a disk publishes its state, everybody else watches it. Who wants something changed
//! asks through a [`Handle`].

pub(crate) mod disk;
mod handle;
mod leftovers;
pub(crate) mod limits;
pub(crate) mod lineage;
pub(crate) mod medium;
mod reload;
pub(crate) mod servers;
mod setup;
mod status;
pub(crate) mod usb;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tracing::{error, info};

pub(crate) use handle::{Applied, ApplyError, Handle, Stick, Suspended, View};
pub(crate) use setup::Place;

use crate::{
    config::{self, Loaded},
    control,
    exit::Failure,
    logging::Logging,
};

/// How long everything together may take to end before it is cut off: LUNs write out and let go, then kernel devices do,
/// each within a deadline and a half, then the stores.
const STOP_TIME: Duration = Duration::from_secs(150);

/// Marked as changed whenever anything changed that the status tells.
pub(crate) type Changed = Arc<watch::Sender<()>>;

/// Everything that runs.
pub(crate) struct Daemon {
    loaded: Arc<Loaded>,
    /// The configuration that the stick follows: that in force, or the one before while another is on trial.
    shown: Arc<Loaded>,
    disks: BTreeMap<String, disk::Runner>,
    servers: Vec<servers::Runner>,
    usb: Option<usb::Runner>,
    /// Disks that somebody wants to stay closed, and how many do.
    suspended: BTreeMap<String, usize>,
    /// The setup stick, while it is shown.
    setup: Option<(setup::Place, usb::Slot)>,
    /// Whether the stick was made with a LUN for it, behind those that are configured.
    extra_lun: bool,
    changed: Changed,
    log: Logging,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
///
/// What could not be started at all, or not be ended cleanly (a flush that failed: data may be lost).
pub(crate) async fn run(loaded: Loaded, log: Logging) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
    let run_dir = loaded.config.run_dir.clone();
    std::fs::create_dir_all(&run_dir).with_context(|| {
        format!(
            "cannot make {}; is `run_dir` writable for this user?",
            run_dir.display()
        )
    })?;
    let _single = status::single_instance(&run_dir)?;
    let recent = log.recent();
    let mut daemon = Daemon::start(Arc::new(loaded), log).await?;
    let (handle, mut ends) = handle::channel(&daemon);
    let control = control::Control::start(handle, recent);
    let mut publisher = status::Publisher::new(&run_dir);
    let mut changes = daemon.changed.subscribe();
    let tell = |daemon: &Daemon| {
        ends.view.send_replace(Arc::new(daemon.view()));
    };
    info!("gadget-manager {} is up", env!("CARGO_PKG_VERSION"));
    loop {
        publisher.publish(&daemon);
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                daemon.reload().await;
                tell(&daemon);
            }
            Some(command) = ends.commands.recv() => daemon.obey(command, tell).await,
            () = publisher.due(&mut changes) => {}
        }
    }
    info!("stopping");
    let mut stopping = std::pin::pin!(control.stop());
    loop {
        tokio::select! {
            () = &mut stopping => break,
            // Changes under way are waited for, and need the daemon to be carried out.
            Some(command) = ends.commands.recv() => daemon.obey(command, tell).await,
        }
    }
    let result = match tokio::time::timeout(STOP_TIME, daemon.stop()).await {
        Ok(result) => result,
        Err(_) => Err(anyhow::anyhow!("not everything ended within {} s", STOP_TIME.as_secs()).into()),
    };
    publisher.remove();
    result
}

impl Daemon {
    async fn start(loaded: Arc<Loaded>, log: Logging) -> Result<Self, Failure> {
        let changed = Arc::new(watch::Sender::new(()));
        let mut daemon = Self {
            shown: loaded.clone(),
            loaded,
            disks: BTreeMap::new(),
            servers: Vec::new(),
            usb: None,
            suspended: BTreeMap::new(),
            setup: None,
            extra_lun: false,
            changed,
            log,
        };
        let loaded = daemon.loaded.clone();
        for disk in &loaded.config.disks {
            daemon.start_disk(disk, false);
        }
        for server in &loaded.config.nbd {
            daemon.start_server(server);
        }
        daemon.start_usb();
        if daemon.usb.is_none() {
            tokio::spawn(usb::remove_leftovers());
        }
        daemon.sweep();
        Ok(daemon)
    }

    /// Starts to remove the kernel devices that a daemon before this one left and that no LUN goes on with.
    fn sweep(&self) {
        let config = &self.loaded.config;
        let luns = config.gadget.iter().flat_map(|gadget| &gadget.luns);
        let wanted = luns
            .filter_map(|lun| Some(lun.disk.as_ref()?.get_ref().clone()))
            .collect();
        tokio::spawn(leftovers::remove(config.run_dir.join("ublk"), wanted));
    }

    fn start_disk(&mut self, config: &config::model::DiskConfig, take_over: bool) {
        let name = config.name.get_ref().clone();
        let runner = disk::Runner::start(self.loaded.clone(), config.clone(), take_over, self.changed.clone());
        self.disks.insert(name, runner);
    }

    fn start_server(&mut self, config: &config::model::NbdConfig) {
        let disks = config
            .disks
            .iter()
            .filter_map(|name| Some((name.get_ref().clone(), self.disks.get(name.get_ref())?.state())))
            .collect();
        self.servers
            .push(servers::Runner::start(config.clone(), disks, self.changed.clone()));
    }

    /// What is to be in each LUN.
    fn slots(&self) -> Vec<usb::Slot> {
        let extra = match &self.setup {
            Some((setup::Place::Instead, slot)) => return vec![slot.clone()],
            Some((setup::Place::Beside, slot)) => slot.clone(),
            None => usb::Slot::empty(),
        };
        let config = &self.shown.config;
        let Some(gadget) = &config.gadget else {
            return Vec::new();
        };
        gadget
            .luns
            .iter()
            .map(|lun| {
                let name = lun.disk.as_ref().map(|name| name.get_ref().clone());
                let state = name
                    .as_ref()
                    .and_then(|name| self.disks.get(name))
                    .map(disk::Runner::state);
                usb::Slot {
                    name,
                    state,
                    read_only: usb::is_read_only(config, lun),
                    removable: usb::is_removable(lun),
                    ejected: None,
                }
            })
            .chain(self.extra_lun.then_some(extra))
            .collect()
    }

    /// Ends everything in the order that loses nothing: first those who write, then what they write to.
    async fn stop(self) -> Result<(), Failure> {
        if let Some(usb) = self.usb {
            usb.stop().await;
        }
        futures::future::join_all(self.servers.into_iter().map(servers::Runner::stop)).await;
        let ends = self
            .disks
            .into_iter()
            .map(|(name, runner)| async move { (name, runner.stop().await) });
        let mut first = None;
        for (name, result) in futures::future::join_all(ends).await {
            if let Err(failure) = result {
                error!(disk = %name, "not closed cleanly: {failure}");
                first.get_or_insert(failure);
            }
        }
        first.map_or(Ok(()), |failure| Err(failure.into()))
    }
}
