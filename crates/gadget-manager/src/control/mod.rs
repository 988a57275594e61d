//! The device as the page controls it: the traits of [`web::appliance`] on top of the daemon, one file each.
//!
//! | trait | file | with |
//! |---|---|---|
//! | `Observe` | `observe.rs` | `live/`: the state put together |
//! | `Logs` | `logs.rs` | the lines that `logging` keeps |
//! | `Stores` | `stores.rs` | `kinds/`: what each kind of store asks for |
//! | `Images` | `images.rs` | |
//! | `Stick` | `stick.rs` | |
//! | `NetworkControl` | `network/` | Wi-Fi |
//! | `Updates` | `update/` | the crate `update` |
//! | `Configuration` | `configuration/` | one task changes it, whole or not at all |
//!
//! `server.rs` opens the page, `button/` watches the board's button, `setup.rs` is for a device without an owner, `setup_stick/` shows a host how to set it up.

mod button;
mod configuration;
mod doors;
mod images;
mod kinds;
mod live;
mod logs;
mod network;
mod observe;
mod problem;
mod secrets;
mod server;
mod setup;
mod setup_stick;
mod stick;
mod stores;
mod update;

use std::{
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
};

use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use web::access::Access;

pub(crate) use self::update::folder as update_folder;
use configuration::Keeper;
pub(crate) use configuration::recover;
use doors::Doors;
pub(crate) use server::{is_claimed, socket};
pub(crate) use setup_stick::last_log;

use crate::{daemon::Handle, logging::Recent};

/// The device as the page controls it.
pub(crate) struct Control {
    handle: Handle,
    keeper: Keeper,
    recent: Recent,
    state: Arc<observe::State>,
    doors: Arc<Mutex<Doors>>,
    /// Who may do what; known once the page is open.
    access: OnceLock<Arc<Access>>,
    /// Wi-Fi, where this device looks after it.
    radio: Arc<OnceLock<network::Radio>>,
    /// Somebody wants to see the setup stick.
    setup_asked: watch::Sender<bool>,
    /// The button was held for so long that a factory reset is meant.
    reset_asked: Notify,
}

/// Everything of it that runs.
pub(crate) struct Running {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Control {
    /// Starts to keep the state, and to open the page and the socket of the command line.
    pub(crate) fn start(handle: Handle, recent: Recent) -> Running {
        recent.hide(secrets::of(&handle.view().loaded));
        let keeper = Keeper::start(handle.clone());
        let doors = Arc::new(Mutex::new(Doors::default()));
        let radio = Arc::new(OnceLock::new());
        let builder = live::Builder::new(handle.clone(), keeper.clone(), doors.clone(), radio.clone());
        let state = observe::State::new(builder);
        let control = Arc::new(Self {
            handle,
            keeper,
            recent,
            state,
            doors,
            access: OnceLock::new(),
            radio,
            setup_asked: watch::Sender::new(false),
            reset_asked: Notify::new(),
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(control.state.clone().keep(control.handle.clone(), stop.clone()));
        tasks.spawn(control.clone().hide_secrets(stop.clone()));
        tasks.spawn(button::keep(control.clone(), stop.clone()));
        tasks.spawn(setup::tell(control.clone(), stop.clone()));
        tasks.spawn(setup_stick::keep(control.clone(), stop.clone()));
        let (portal, portals) = watch::channel(None::<IpAddr>);
        tasks.spawn(network::keep(control.clone(), portal, stop.clone()));
        tasks.spawn(server::serve(control, portals, stop.clone()));
        tasks.close();
        Running { stop, tasks }
    }

    /// Whatever comes into the configuration: its secrets are struck out of the log that the page shows.
    async fn hide_secrets(self: Arc<Self>, stop: CancellationToken) {
        let mut views = self.handle.views();
        while let Some(Ok(())) = stop.run_until_cancelled(views.changed()).await {
            let loaded = views.borrow_and_update().loaded.clone();
            self.recent.hide(secrets::of(&loaded));
        }
    }
}

/// Runs a program of the system's to its end.
async fn run(program: &Path) -> Result<(), String> {
    match tokio::process::Command::new(program).status().await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{}: {status}", program.display())),
        Err(error) => Err(format!("{}: {error}", program.display())),
    }
}

impl Running {
    /// Lets nobody in any more and waits for changes under way.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}
