//! The setup stick: what a host sees of a device that nobody has set up. A small volume in memory with a page (address, QR code,
//! claim code), on which a configuration can be dropped. On eject it is read, judged and used, and comes back with a report.
//! Nothing on it is ever executed.
//!
//! As long as nobody owns the device: instead of a stick without disks, and behind the disks of one that has any, where it
//! cannot be written. With an owner: when asked for, with the addresses only.
//!
//! [`stick`] is the volume and its life, [`intake`] sorts what was dropped, [`judge`] says what became of it; here is decided
//! when the stick is shown, and what its pages say.

mod intake;
mod judge;
mod stick;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use volume::setup::Report;
use web::appliance::Observe as _;
use zeroize::Zeroizing;

use super::Control;
use crate::{
    config::Config,
    daemon::{Place, usb::Slot},
};
use intake::Dropped;
use stick::{Facts, Runner};

/// How often it is looked whether the pages should say something else: addresses come late.
const LOOK: Duration = Duration::from_secs(2);

/// Where the log of a start that failed is kept.
pub(crate) fn last_log(state_dir: &Path) -> PathBuf {
    state_dir.join("last-log.txt")
}

/// Shows the stick when it is wanted, until told to stop.
pub(super) async fn keep(control: Arc<Control>, stop: CancellationToken) {
    if stop.run_until_cancelled(opened(&control)).await.is_none() {
        return;
    }
    let Some(mut claimed) = control.access.get().map(|access| access.claimed()) else {
        return;
    };
    let (mut views, mut asked) = (control.handle.views(), control.setup_asked.subscribe());
    let mut shown: Option<Shown> = None;
    loop {
        let set_up = is_set_up(&views.borrow_and_update().loaded.config);
        let unclaimed = !*claimed.borrow_and_update();
        let busy = shown.as_ref().is_some_and(|shown| shown.device.is_busy());
        let has_page = views.borrow().loaded.config.web.is_some();
        let wanted = match () {
            () if *asked.borrow_and_update() || (unclaimed && (!set_up || busy)) => Some(Place::Instead),
            () if unclaimed && has_page => Some(Place::Beside),
            () => None,
        };
        if shown.as_ref().map(|shown| shown.device.place) != wanted {
            if let Some(gone) = shown.take() {
                gone.end(&control).await;
            }
            if let Some(place) = wanted {
                shown = Some(Shown::start(&control, place).await);
            }
        }
        let put_aside = shown.as_ref().map(|shown| shown.device.put_aside.clone());
        tokio::select! {
            () = stop.cancelled() => break,
            // The other ends live as long as the daemon.
            _ = views.changed() => {}
            _ = claimed.changed() => {}
            _ = asked.changed() => {}
            () = until(put_aside) => {
                control.setup_asked.send_replace(false);
            }
            () = tokio::time::sleep(LOOK) => if let Some(shown) = &shown { shown.device.look() },
        }
    }
    if let Some(shown) = shown {
        // The daemon ends, and the USB side with it: it takes out what is taken back here.
        shown.runner.stop().await;
    }
}

/// Waits until it is known who owns the device.
async fn opened(control: &Control) {
    while control.access.get().is_none() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn until(put_aside: Option<Arc<Notify>>) {
    match put_aside {
        Some(put_aside) => put_aside.notified().await,
        None => std::future::pending().await,
    }
}

/// Whether there is something to show to a host, or no page to set it up by.
fn is_set_up(config: &Config) -> bool {
    let luns = config.gadget.iter().flat_map(|gadget| &gadget.luns);
    config.web.is_none() || luns.into_iter().any(|lun| lun.disk.is_some())
}

/// The stick while it is shown.
struct Shown {
    device: Arc<Device>,
    runner: Runner,
}

impl Shown {
    async fn start(control: &Arc<Control>, place: Place) -> Self {
        match place {
            Place::Instead => tracing::info!("the setup stick is shown"),
            Place::Beside => tracing::info!("the setup stick is shown behind the disks: nobody owns the device"),
        }
        let device = Arc::new(Device {
            place,
            facts: watch::Sender::new(Arc::new(facts(control, place))),
            control: control.clone(),
            busy: watch::Sender::new(false),
            put_aside: Arc::new(Notify::new()),
        });
        let run_dir = control.handle.view().loaded.config.run_dir.join("ublk");
        let runner = Runner::start(device.clone(), run_dir);
        let slot = Slot {
            // What is set up is not replaced by whoever plugs it in.
            read_only: place == Place::Beside,
            ..runner.slot()
        };
        control.handle.show_setup(Some((place, slot))).await;
        Self { device, runner }
    }

    async fn end(self, control: &Control) {
        control.handle.show_setup(None).await;
        self.runner.stop().await;
        tracing::info!("the setup stick is gone");
    }
}

/// What the stick asks, answered by the device.
struct Device {
    control: Arc<Control>,
    place: Place,
    facts: watch::Sender<Arc<Facts>>,
    /// From the moment something is taken until the host has seen the report.
    busy: watch::Sender<bool>,
    put_aside: Arc<Notify>,
}

impl Device {
    fn is_busy(&self) -> bool {
        *self.busy.borrow()
    }

    /// Looks whether the pages should say something else.
    fn look(&self) {
        let now = facts(&self.control, self.place);
        self.facts.send_if_modified(|known| {
            let differs = **known != now;
            if differs {
                *known = Arc::new(now);
            }
            differs
        });
    }
}

#[async_trait]
impl stick::Device for Device {
    fn facts(&self) -> watch::Receiver<Arc<Facts>> {
        self.facts.subscribe()
    }

    async fn take(&self, dropped: Dropped) -> Report {
        if !takes_files(&self.control, self.place) {
            return judge::refuse(&dropped);
        }
        self.busy.send_replace(true);
        let (report, done) = judge::take(&self.control, &dropped).await;
        if !done {
            self.busy.send_replace(false);
        }
        // The name may be another.
        self.look();
        report
    }

    fn put_aside(&self) {
        self.busy.send_replace(false);
        self.put_aside.notify_one();
    }
}

/// Whether what is dropped is used: with an owner, only the owner changes anything, and a host is not the owner.
fn takes_files(control: &Control, place: Place) -> bool {
    let claimed = control.access.get().is_none_or(|access| access.is_claimed());
    !claimed && place == Place::Instead
}

fn facts(control: &Control, place: Place) -> Facts {
    let state_dir = control.handle.view().loaded.config.state_dir.clone();
    // Not in one expression: a name that is borrowed cannot change, and looking at the addresses may find another one.
    let addresses = control.addresses();
    let name = control.name().borrow().to_string();
    Facts {
        name,
        addresses,
        claim_code: control.claim_code().map(Zeroizing::new),
        takes_files: takes_files(control, place),
        wifi: control.own_network(),
        last_log: std::fs::read_to_string(last_log(&state_dir)).ok(),
    }
}
