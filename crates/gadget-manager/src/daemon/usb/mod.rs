//! The USB side: one gadget whose LUNs are kept in step with the disks.
//!
//! The task compares what should be in each LUN with what is, and changes what differs, whenever a disk, the host or
//! the configuration changed; what fails is tried again. So there is one path for start, recovery, eject and swap.

mod gadget_config;
mod lun;
mod remote;
mod report;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gadget::{Force, GadgetConfig, GadgetError, GadgetEvent, MassStorageGadget};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Changed, disk, limits, medium::Medium};
use crate::config::Loaded;

use gadget_config::gadget_config;
pub(crate) use gadget_config::{is_read_only, is_removable, problems, shape};
pub(crate) use lun::Slot;
use lun::{Lun, Wanted, any_changed};
use remote::{Kind, Order};
pub(crate) use remote::{OrderError, Remote};
pub(crate) use report::{LunReport, Report};

/// Name of the gadget, `cloud-stick-0` in configfs. One name for all times: the next daemon finds it again.
const NAME: &str = "0";
/// Pause before something that failed is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How many orders may wait.
const ORDERS: usize = 8;
/// How long what is dirty in front of a disk may take to be written out.
const WRITE_OUT: Duration = Duration::from_secs(30);

/// Runs the gadget.
pub(crate) struct Runner {
    slots: watch::Sender<Vec<Slot>>,
    remote: Remote,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Removes the gadgets of a daemon before this one where none is configured any more.
pub(crate) async fn remove_leftovers() {
    if !std::path::Path::new("/sys/kernel/config/usb_gadget").exists() {
        return;
    }
    if let Err(problem) = gadget::clean_leftovers(&[]).await {
        warn!("{problem}");
    }
}

impl Runner {
    /// Starts to make the gadget, or takes over the one that a killed daemon left behind.
    pub(crate) fn start(loaded: Arc<Loaded>, slots: Vec<Slot>, changed: Changed) -> Self {
        let (sender, slots) = watch::channel(slots);
        let stop = CancellationToken::new();
        let report = Arc::new(Mutex::new(Report::default()));
        let (sender_of_orders, orders) = mpsc::channel(ORDERS);
        let worker = Worker {
            loaded,
            slots,
            orders,
            current: Vec::new(),
            luns: Vec::new(),
            report: report.clone(),
            changed,
            stop: stop.clone(),
            connected: false,
            problem: None,
        };
        Self {
            slots: sender,
            remote: Remote {
                report,
                orders: sender_of_orders,
            },
            stop,
            task: tokio::spawn(worker.run()),
        }
    }

    /// Changes what is to be in the LUNs. A LUN for another disk is filled whoever emptied it.
    pub(crate) fn set_slots(&self, slots: Vec<Slot>) {
        self.slots.send_replace(slots);
    }

    /// A way to it from elsewhere.
    pub(crate) fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// Ejects all media, lets the host see the stick go, and removes the gadget.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Err(panic) = self.task.await {
            error!("the USB task ended: {panic}");
        }
    }
}

/// How the comparison of all LUNs went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// All is as it should be.
    Settled,
    /// Something failed and is to be tried again.
    Again,
    /// A LUN that cannot be emptied has to: the gadget must be made anew.
    Renew,
}

struct Worker {
    loaded: Arc<Loaded>,
    slots: watch::Receiver<Vec<Slot>>,
    orders: mpsc::Receiver<Order>,
    /// The slots as they were last looked at, and what was seen of their disks.
    current: Vec<Slot>,
    luns: Vec<Lun>,
    report: Arc<Mutex<Report>>,
    changed: Changed,
    stop: CancellationToken,
    connected: bool,
    /// Why there is no gadget, or why it is not connected.
    problem: Option<String>,
}

impl Worker {
    async fn run(mut self) {
        while let Some(gadget) = self.gadget().await {
            let renew = self.serve(&gadget).await;
            self.end(gadget).await;
            if !renew {
                break;
            }
            info!("the stick is made anew");
        }
    }

    /// Keeps the gadget in step until it has to end; says whether it is to be made anew.
    async fn serve(&mut self, gadget: &MassStorageGadget) -> bool {
        let stop = self.stop.clone();
        let mut events = gadget.events();
        while !stop.is_cancelled() {
            let outcome = self.reconcile(gadget).await;
            if outcome == Outcome::Renew {
                return true;
            }
            self.tell(Some(gadget)).await;
            tokio::select! {
                () = stop.cancelled() => return false,
                changed = self.slots.changed() => {
                    if changed.is_err() {
                        return false;
                    }
                    let slots = self.slots.borrow_and_update().clone();
                    let before = std::mem::replace(&mut self.current, slots);
                    for ((lun, before), now) in self.luns.iter_mut().zip(before).zip(&self.current) {
                        if before.name != now.name {
                            lun.want_in();
                        }
                    }
                }
                Some(order) = self.orders.recv() => self.obey(gadget, order).await,
                () = any_changed(&mut self.current) => {}
                event = events.recv() => self.handle(event).await,
                () = tokio::time::sleep(RETRY), if outcome == Outcome::Again => {}
            }
        }
        false
    }

    /// Makes the gadget, as often as it takes: the controller's driver may come later than this program. Nothing if it is to
    /// end before.
    async fn gadget(&mut self) -> Option<MassStorageGadget> {
        let stop = self.stop.clone();
        loop {
            self.current = self.slots.borrow_and_update().clone();
            let config = stop.run_until_cancelled(self.config()).await?;
            // Whatever happens, this goes on to its end: a gadget that is half made would be left behind.
            match self.adopt_or_create(config).await {
                Ok(gadget) => {
                    self.problem = None;
                    return Some(gadget);
                }
                Err(problem) => self.complain(format!("no USB gadget: {problem}")),
            }
            self.tell(None).await;
            stop.run_until_cancelled(self.refuse_for(RETRY)).await?;
        }
    }

    /// Says no to all orders for a while.
    async fn refuse_for(&mut self, pause: Duration) {
        let end = tokio::time::Instant::now() + pause;
        while let Ok(Some(order)) = tokio::time::timeout_at(end, self.orders.recv()).await {
            // Whoever gave it may be gone.
            let _ = order.reply.send(Err(OrderError::NoStick));
        }
        tokio::time::sleep_until(end).await;
    }

    /// Carries out what the owner wants; the next comparison does the rest.
    async fn obey(&mut self, gadget: &MassStorageGadget, order: Order) {
        let result = match (order.kind, order.lun) {
            (Kind::Insert, None) => {
                self.luns.iter_mut().for_each(Lun::want_in);
                Ok(())
            }
            (_, Some(index)) if index >= self.luns.len() => Err(OrderError::Gadget(GadgetError::NoSuchLun {
                lun: index,
                last: self.luns.len().saturating_sub(1),
            })),
            (Kind::Insert, Some(index)) => {
                self.luns[index].want_in();
                Ok(())
            }
            (Kind::Eject { force }, Some(index)) => {
                let force = if force { Force::Yes } else { Force::No };
                self.luns[index]
                    .take_out(gadget, index, force)
                    .await
                    .map_err(OrderError::from)
            }
            (Kind::Eject { .. }, None) => Err(OrderError::NoStick),
        };
        // Whoever gave it may be gone; it is carried out all the same.
        let _ = order.reply.send(result);
    }

    /// Remembers what is wrong, and logs it if it is news.
    fn complain(&mut self, text: String) {
        if self.problem.as_ref() != Some(&text) {
            error!("{text}");
            self.problem = Some(text);
        }
    }

    /// What the gadget is to be, once the media are there that it cannot do without.
    async fn config(&mut self) -> GadgetConfig {
        let loaded = self.loaded.clone();
        let Some(config) = &loaded.config.gadget else {
            return std::future::pending().await;
        };
        let mut config = gadget_config(&loaded.config, config);
        self.luns.clear();
        self.luns.resize_with(config.luns.len(), Lun::default);
        // What cannot be put in later has to be in from the start.
        for (index, lun) in config.luns.iter_mut().enumerate() {
            if let Some(medium) = self.fixed_medium(index).await {
                lun.medium = Some(medium.path().to_owned());
                self.luns[index].medium = Some(medium);
            }
        }
        config
    }

    async fn adopt_or_create(&mut self, config: GadgetConfig) -> Result<MassStorageGadget, GadgetError> {
        gadget::clean_leftovers(&[NAME]).await?;
        if let Some(gadget) = MassStorageGadget::adopt(config.clone()).await? {
            self.connected = true;
            return Ok(gadget);
        }
        self.connected = false;
        MassStorageGadget::create(config).await
    }

    /// The medium of a LUN that cannot be empty, once its disk is open; nothing for other LUNs.
    async fn fixed_medium(&mut self, index: usize) -> Option<Arc<Medium>> {
        let slot = self.current.get_mut(index).filter(|slot| !slot.removable)?;
        let state = slot.state.as_mut()?;
        let open = state.wait_for(|state| state.medium.is_some()).await.ok()?;
        open.medium.clone()
    }

    /// Changes what differs between what should be in the LUNs and what is.
    async fn reconcile(&mut self, gadget: &MassStorageGadget) -> Outcome {
        let wanted: Vec<_> = self.current.iter_mut().map(Slot::wanted).collect();
        let looked = async {
            let present = gadget.luns().await?;
            match self.make_way(gadget, &present, &wanted).await? {
                true => gadget.luns().await,
                false => Ok(present),
            }
        };
        let present = match looked.await {
            Ok(luns) => luns,
            Err(problem) => {
                warn!("{problem}");
                return Outcome::Again;
            }
        };
        let mut outcome = Outcome::Settled;
        for index in 0..self.current.len().min(self.luns.len()) {
            let is_in = present.get(index).and_then(lun::Present::of);
            if self.luns[index].medium.is_some() && is_in.is_none() {
                if self.luns[index].leaving {
                    self.luns[index].medium = None;
                } else {
                    // We put it in and did not take it out.
                    self.host_ejected(index).await;
                }
            }
            let (slot, lun) = (&self.current[index], &mut self.luns[index]);
            let wanted = wanted[index].clone();
            if !slot.removable && lun.medium.is_some() && wanted.path() != is_in.map(|medium| medium.path) {
                return Outcome::Renew;
            }
            if let Err(problem) = lun.put(gadget, index, slot, wanted, is_in).await {
                let text = problem.to_string();
                if lun.error.as_ref() != Some(&text) {
                    warn!("LUN {index}: {text}");
                }
                lun.error = Some(text);
                outcome = Outcome::Again;
            }
        }
        if self.connect(gadget).await {
            outcome
        } else {
            Outcome::Again
        }
    }

    /// Empties LUNs whose medium belongs into another one now: a kernel device in two LUNs would have two writers. Says whether
    /// there was one.
    async fn make_way(
        &mut self,
        gadget: &MassStorageGadget,
        present: &[gadget::LunState],
        wanted: &[Wanted],
    ) -> Result<bool, GadgetError> {
        let mut emptied = false;
        for (index, lun) in self.luns.iter_mut().enumerate() {
            let Some(is_in) = present.get(index).and_then(lun::Present::of) else {
                continue;
            };
            let belongs = |wanted: &Wanted| wanted.path() == Some(is_in.path);
            let stays = wanted.get(index).is_some_and(belongs);
            let may_be_empty = self.current.get(index).is_some_and(|slot| slot.removable);
            if lun.medium.is_some() && may_be_empty && !stays && wanted.iter().any(belongs) {
                lun.make_way(gadget, index, is_in.path).await?;
                emptied = true;
            }
        }
        Ok(emptied)
    }

    /// Shows the stick to the host as soon as every LUN that cannot be empty has its medium.
    async fn connect(&mut self, gadget: &MassStorageGadget) -> bool {
        let waits = self
            .current
            .iter()
            .zip(&self.luns)
            .any(|(slot, lun)| !slot.removable && lun.medium.is_none());
        // The controller may have gone, and come back with nothing bound to it.
        self.connected &= gadget.state().await.bound;
        if self.connected || waits {
            return true;
        }
        match gadget.connect().await {
            Ok(()) => {
                info!("the stick is connected");
                self.connected = true;
                self.problem = None;
                true
            }
            Err(problem) => {
                self.complain(format!("no USB gadget: the stick cannot be connected: {problem}"));
                false
            }
        }
    }

    /// The host ejected a medium: it believes that everything is safe now. Makes it so before anybody pulls the plug.
    async fn host_ejected(&mut self, index: usize) {
        let Some(lun) = self.luns.get_mut(index) else { return };
        lun.ejected_by_host = true;
        let Some(medium) = lun.medium.take() else { return };
        info!("LUN {index}: ejected by the host");
        match limits::write_out(medium.path(), WRITE_OUT).await {
            Ok(()) => {
                let state = self.current.get(index).and_then(|slot| slot.state.as_ref());
                let lost = state.and_then(|state| disk::lost_text(&state.borrow().failed));
                match lost {
                    None => info!("LUN {index}: everything is written"),
                    Some(text) => {
                        error!("LUN {index}: {text}");
                        self.luns[index].error = Some(text);
                    }
                }
            }
            Err(problem) => {
                error!("LUN {index}: not everything was written: {problem}");
                lun.error = Some(format!("not everything was written: {problem}"));
            }
        }
        if let Some(ejected) = self.current.get(index).and_then(|slot| slot.ejected.as_ref()) {
            ejected.notify_one();
        }
    }

    async fn handle(&mut self, event: Result<GadgetEvent, broadcast::error::RecvError>) {
        match event {
            // Whatever it was: the next comparison sees what is, and a report may be older than that.
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                warn!("{missed} USB events were missed; looking at the gadget instead");
            }
            Err(broadcast::error::RecvError::Closed) => {
                // Nothing watches the gadget any more: be content with looking now and then.
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Brings the report up to date.
    async fn tell(&self, gadget: Option<&MassStorageGadget>) {
        let state = match gadget {
            Some(gadget) => Some(gadget.state().await),
            None => None,
        };
        let luns = self.luns.iter().zip(&self.current).map(|(lun, slot)| LunReport {
            disk: slot.name.clone(),
            inserted: lun.medium.is_some(),
            ejected_by_host: lun.ejected_by_host,
            ejected: lun.ejected,
            error: lun.error.clone(),
        });
        let report = Report {
            error: self.problem.clone(),
            state,
            luns: luns.collect(),
        };
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
        self.changed.send_replace(());
    }

    async fn end(&mut self, gadget: MassStorageGadget) {
        let media = self.luns.iter().filter_map(|lun| lun.medium.clone());
        let written = media.map(|medium| async move {
            if let Err(problem) = limits::write_out(medium.path(), WRITE_OUT).await {
                error!("{}: not everything was written: {problem}", medium.path().display());
            }
        });
        futures::future::join_all(written).await;
        for (index, slot) in self.current.iter().enumerate().take(self.luns.len()) {
            if slot.removable
                && let Err(problem) = gadget.eject(index, Force::Yes).await
            {
                warn!("LUN {index}: {problem}");
            }
        }
        if let Err(problem) = gadget.remove().await {
            error!("{problem}");
        }
        self.luns.clear();
        self.connected = false;
    }
}
