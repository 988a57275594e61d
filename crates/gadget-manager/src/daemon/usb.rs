//! The USB side: one gadget whose LUNs are kept in step with the disks.
//!
//! The task compares what should be in each LUN with what is, and changes what differs, whenever a disk, the host or
//! the configuration changed; what fails is tried again. So there is one path for start, recovery, eject and swap.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gadget::{Force, GadgetError, GadgetEvent, MassStorageGadget, Speed};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, broadcast, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{disk::State, limits, medium::Medium};
use crate::config::{Config, Loaded, model};

/// Name of the gadget, `cloud-stick-0` in configfs. One name for all times: the next daemon finds it again.
const NAME: &str = "0";
/// Pause before something that failed is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// What is to be in a LUN.
#[derive(Clone)]
pub(crate) struct Slot {
    /// The disk, if any.
    pub name: Option<String>,
    /// Its state, to watch.
    pub state: Option<watch::Receiver<State>>,
    /// The host may not write.
    pub read_only: bool,
    /// The medium may be missing.
    pub removable: bool,
}

/// A LUN as the status tells it.
#[derive(Debug, Clone, Serialize)]
struct LunReport {
    disk: Option<String>,
    inserted: bool,
    ejected_by_host: bool,
    error: Option<String>,
}

/// The USB side as the status tells it.
#[derive(Debug, Clone, Serialize, Default)]
struct Report {
    /// Why there is no gadget.
    error: Option<String>,
    state: Option<gadget::UdcState>,
    luns: Vec<LunReport>,
}

/// Runs the gadget.
pub(crate) struct Runner {
    slots: watch::Sender<Vec<Slot>>,
    report: Arc<Mutex<Report>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// The gadget that a configuration asks for, with all LUNs empty: media come when their disks are open.
pub(crate) fn gadget_config(_config: &Config, gadget: &model::GadgetConfig) -> gadget::GadgetConfig {
    let luns = gadget.luns.iter().map(|lun| gadget::LunConfig {
        medium: None,
        read_only: lun.read_only || lun.cdrom,
        removable: lun.removable || lun.cdrom,
        cdrom: lun.cdrom,
        no_fua: lun.no_fua,
        inquiry: lun.inquiry.clone().or_else(|| Some(default_inquiry(&gadget.product))),
    });
    gadget::GadgetConfig {
        name: NAME.to_owned(),
        udc: gadget.udc.clone(),
        vendor_id: gadget.vendor_id,
        product_id: gadget.product_id,
        device_release: gadget.device_release,
        manufacturer: gadget.manufacturer.clone(),
        product: gadget.product.clone(),
        serial: gadget.serial.clone(),
        max_power_ma: gadget.max_power_ma,
        self_powered: gadget.self_powered,
        max_speed: gadget
            .max_speed
            .as_ref()
            .and_then(|speed| match speed.get_ref().as_str() {
                "full" => Some(Speed::Full),
                "high" => Some(Speed::High),
                "super" => Some(Speed::Super),
                _ => None,
            }),
        luns: luns.collect(),
        ..gadget::GadgetConfig::default()
    }
}

/// INQUIRY data (SPC-4 6.6.2) from the product's name: vendor (8), product (16), revision (4), in ASCII.
fn default_inquiry(product: &str) -> String {
    let product: String = product.chars().filter(|c| matches!(c, ' '..='~')).take(16).collect();
    format!("{:<8}{product:<16}{:<4}", "Cloud", "1.0")
}

impl Runner {
    /// Starts to make the gadget, or takes over the one that a killed daemon left behind.
    pub(crate) fn start(loaded: Arc<Loaded>, slots: Vec<Slot>, changed: Arc<Notify>) -> Self {
        let (sender, slots) = watch::channel(slots);
        let stop = CancellationToken::new();
        let report = Arc::new(Mutex::new(Report::default()));
        let worker = Worker {
            loaded,
            slots,
            current: Vec::new(),
            luns: Vec::new(),
            report: report.clone(),
            changed,
            stop: stop.clone(),
            connected: false,
        };
        Self {
            slots: sender,
            report,
            stop,
            task: tokio::spawn(worker.run()),
        }
    }

    /// Changes what is to be in the LUNs. Media that the host ejected come back.
    pub(crate) fn set_slots(&self, slots: Vec<Slot>) {
        self.slots.send_replace(slots);
    }

    /// What is going on, without secrets.
    pub(crate) fn report(&self) -> Value {
        json!(*self.report.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ejects all media, lets the host see the stick go, and removes the gadget.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Err(panic) = self.task.await {
            error!("the USB task ended: {panic}");
        }
    }
}

/// A LUN and what this daemon knows is in it.
#[derive(Default)]
struct Lun {
    medium: Option<Arc<Medium>>,
    ejected_by_host: bool,
    error: Option<String>,
}

struct Worker {
    loaded: Arc<Loaded>,
    slots: watch::Receiver<Vec<Slot>>,
    /// The slots as they were last looked at, and what was seen of their disks.
    current: Vec<Slot>,
    luns: Vec<Lun>,
    report: Arc<Mutex<Report>>,
    changed: Arc<Notify>,
    stop: CancellationToken,
    connected: bool,
}

impl Worker {
    async fn run(mut self) {
        let stop = self.stop.clone();
        let Some(gadget) = stop.run_until_cancelled(self.gadget()).await else {
            return;
        };
        let mut events = gadget.events();
        self.current = self.slots.borrow_and_update().clone();
        loop {
            let settled = self.reconcile(&gadget).await;
            self.tell(Some(&gadget), None).await;
            tokio::select! {
                () = stop.cancelled() => break,
                changed = self.slots.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.current = self.slots.borrow_and_update().clone();
                    for lun in &mut self.luns {
                        lun.ejected_by_host = false;
                    }
                }
                () = any_changed(&mut self.current) => {}
                event = events.recv() => self.handle(&gadget, event).await,
                () = tokio::time::sleep(RETRY), if !settled => {}
            }
        }
        self.end(gadget).await;
    }

    /// Makes the gadget, as often as it takes: the controller's driver may come later than this program.
    async fn gadget(&mut self) -> MassStorageGadget {
        let mut last = String::new();
        loop {
            match self.adopt_or_create().await {
                Ok(gadget) => return gadget,
                Err(problem) => {
                    let text = problem.to_string();
                    if text != last {
                        error!("no USB gadget: {text}");
                        self.tell(None, Some(&text)).await;
                        last = text;
                    }
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn adopt_or_create(&mut self) -> Result<MassStorageGadget, GadgetError> {
        let Some(config) = &self.loaded.config.gadget else {
            std::future::pending().await
        };
        let config = gadget_config(&self.loaded.config, config);
        self.luns.clear();
        self.luns.resize_with(config.luns.len(), Lun::default);
        for name in gadget::clean_leftovers(&[NAME]).await? {
            info!("removed gadget {name}, a leftover");
        }
        if let Some(gadget) = MassStorageGadget::adopt(config.clone()).await? {
            info!("took over the gadget of the daemon before this one");
            self.connected = true;
            return Ok(gadget);
        }
        self.connected = false;
        MassStorageGadget::create(config).await
    }

    /// Changes what differs between what should be in the LUNs and what is. Says whether all is as it should be.
    async fn reconcile(&mut self, gadget: &MassStorageGadget) -> bool {
        let present: Vec<_> = match gadget.luns().await {
            Ok(luns) => luns.into_iter().map(|lun| lun.medium).collect(),
            Err(problem) => {
                warn!("{problem}");
                return false;
            }
        };
        let mut settled = true;
        for (index, slot) in self.current.iter_mut().enumerate().take(self.luns.len()) {
            let wanted = slot
                .state
                .as_mut()
                .and_then(|state| state.borrow_and_update().medium.clone());
            let is_in = present.get(index).cloned().flatten();
            let lun = &mut self.luns[index];
            let result = match (&wanted, &is_in) {
                (Some(wanted), Some(path)) if wanted.path() == path => {
                    // In already: put there now or before, or by the daemon that was killed.
                    lun.medium = Some(wanted.clone());
                    Ok(())
                }
                (Some(_), None) if lun.ejected_by_host => Ok(()),
                (Some(wanted), None) => gadget.insert(index, wanted.path(), slot.read_only).await,
                (Some(wanted), Some(_)) => gadget.swap(index, wanted.path(), slot.read_only, Force::Yes).await,
                // Left by a killed daemon: its disk is being opened, and the host waits for it meanwhile.
                (None, Some(_)) if lun.medium.is_none() && is_opening(slot) => Ok(()),
                (None, Some(_)) => gadget.eject(index, Force::Yes).await,
                (None, None) => Ok(()),
            };
            match result {
                Ok(()) => {
                    let changed = is_in.as_deref() != wanted.as_ref().map(|medium| medium.path());
                    if changed && !lun.ejected_by_host && (wanted.is_some() || !is_opening(slot)) {
                        let name = slot.name.as_deref().unwrap_or("nothing");
                        info!("LUN {index}: {} is in", if wanted.is_some() { name } else { "nothing" });
                    }
                    lun.error = None;
                    lun.medium = if lun.ejected_by_host { None } else { wanted };
                }
                Err(problem) => {
                    let text = problem.to_string();
                    if lun.error.as_ref() != Some(&text) {
                        warn!("LUN {index}: {text}");
                    }
                    lun.error = Some(text);
                    settled = false;
                }
            }
        }
        settled & self.connect(gadget).await
    }

    /// Shows the stick to the host as soon as every LUN that cannot be empty has its medium.
    async fn connect(&mut self, gadget: &MassStorageGadget) -> bool {
        let waits = self
            .current
            .iter()
            .zip(&self.luns)
            .any(|(slot, lun)| !slot.removable && lun.medium.is_none());
        if self.connected || waits {
            return true;
        }
        match gadget.connect().await {
            Ok(()) => {
                info!("the stick is connected");
                self.connected = true;
                true
            }
            Err(problem) => {
                let text = problem.to_string();
                let known = self
                    .report
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .error
                    .as_ref()
                    == Some(&text);
                if !known {
                    error!("the stick cannot be connected: {text}");
                    self.tell(Some(gadget), Some(&text)).await;
                }
                false
            }
        }
    }

    async fn handle(&mut self, gadget: &MassStorageGadget, event: Result<GadgetEvent, broadcast::error::RecvError>) {
        match event {
            Ok(GadgetEvent::HostEjected { lun: index }) => {
                let Some(lun) = self.luns.get_mut(index) else { return };
                lun.ejected_by_host = true;
                let medium = lun.medium.take();
                info!("LUN {index}: ejected by the host");
                // The host believes that everything is safe now: make it so before anybody pulls the plug.
                if let Some(medium) = medium {
                    let path = medium.path().to_owned();
                    let written = tokio::task::spawn_blocking(move || limits::write_out(&path)).await;
                    match written {
                        Ok(Ok(())) => info!("LUN {index}: everything is written"),
                        Ok(Err(problem)) => error!("LUN {index}: not everything was written: {problem}"),
                        Err(panic) => error!("LUN {index}: {panic}"),
                    }
                }
            }
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                warn!("{missed} USB events were missed; looking at the gadget instead");
            }
            Err(broadcast::error::RecvError::Closed) => {
                // Nothing watches the gadget any more: be content with looking now and then.
                tokio::time::sleep(RETRY).await;
            }
        }
        let _ = gadget;
    }

    /// Brings the report up to date.
    async fn tell(&self, gadget: Option<&MassStorageGadget>, problem: Option<&str>) {
        let state = match gadget {
            Some(gadget) => Some(gadget.state().await),
            None => None,
        };
        let luns = self.luns.iter().zip(&self.current).map(|(lun, slot)| LunReport {
            disk: slot.name.clone(),
            inserted: lun.medium.is_some(),
            ejected_by_host: lun.ejected_by_host,
            error: lun.error.clone(),
        });
        let report = Report {
            error: problem.map(str::to_owned),
            state,
            luns: luns.collect(),
        };
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
        self.changed.notify_one();
    }

    async fn end(&mut self, gadget: MassStorageGadget) {
        for index in 0..self.luns.len() {
            if let Err(problem) = gadget.eject(index, Force::Yes).await {
                warn!("LUN {index}: {problem}");
            }
        }
        if let Err(problem) = gadget.remove().await {
            error!("{problem}");
        }
        self.luns.clear();
    }
}

/// Whether the slot's disk is on its way.
fn is_opening(slot: &Slot) -> bool {
    slot.state
        .as_ref()
        .is_some_and(|state| matches!(state.borrow().phase, super::disk::Phase::Opening { .. }))
}

/// Returns when the state of a slot's disk changed since it was last looked at.
async fn any_changed(slots: &mut [Slot]) {
    let waits: Vec<_> = slots
        .iter_mut()
        .filter_map(|slot| slot.state.as_mut())
        .map(|state| {
            Box::pin(async move {
                if state.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
        })
        .collect();
    if waits.is_empty() {
        std::future::pending::<()>().await;
    }
    futures::future::select_all(waits).await;
}
