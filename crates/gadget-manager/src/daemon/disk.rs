//! One disk: opened, opened again until it works, given a kernel device where a LUN wants one, and closed.

use std::{sync::Arc, time::Duration};

use block::{BlockError, Health, Status, store::StoreError};
use export_ublk::{FailedWrites, UblkDevice};
use serde::Serialize;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    Changed, limits, lineage,
    medium::{Medium, Returned},
};
use crate::{
    config::{
        Loaded,
        model::{DiskConfig, LimitConfig},
    },
    stack::{self, Stack},
};

/// Shortest and longest pause between attempts to open a disk.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long the store has to take note that the disk is closed, once everything is written: ownership that is not given up
/// runs out by itself, and who stops the daemon does not wait for a store that is gone.
const CLOSING: Duration = Duration::from_secs(5);
/// How long a last flush may take when the store is known to be gone.
const LAST_FLUSH: Duration = Duration::from_secs(4);
/// How long LUNs have to let go of a kernel device: longer than any request under way takes.
const RETURN_TIME: Duration = Duration::from_secs(35);

/// What a disk is up to.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Being opened; tried again as long as it fails.
    Opening {
        /// What the last attempt met.
        error: Option<String>,
    },
    /// Open.
    Open,
    /// Somebody else owns it. Stays so until the disk is taken over or configured anew.
    Fenced {
        /// What is known of it.
        error: String,
    },
    /// Closed for good.
    Closed,
}

/// A disk as others see it.
#[derive(Clone)]
pub(crate) struct State {
    /// What it is up to.
    pub phase: Phase,
    /// The open stack.
    pub stack: Option<Arc<Stack>>,
    /// Its kernel device, if it has one.
    pub medium: Option<Arc<Medium>>,
    /// Why it has none although a LUN wants one.
    pub device_error: Option<String>,
    /// What its hosts wrote and the store did not take, since the daemon's start.
    pub failed: Arc<FailedWrites>,
    /// What the last attempt to open it met, or what fenced it.
    pub failure: Option<StoreError>,
}

impl State {
    pub(crate) fn new(phase: Phase, stack: Option<Arc<Stack>>) -> Self {
        Self {
            phase,
            stack,
            medium: None,
            device_error: None,
            failed: Arc::default(),
            failure: None,
        }
    }
}

/// Runs one disk.
pub(crate) struct Runner {
    config: DiskConfig,
    /// Room in the page cache when the disk has no limit of speed.
    dirty: u64,
    limit: watch::Sender<LimitConfig>,
    state: watch::Receiver<State>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), BlockError>>,
}

impl Runner {
    /// Starts to open the disk, this once by taking it over if told so.
    pub(crate) fn start(loaded: Arc<Loaded>, config: DiskConfig, take_over: bool, changed: Changed) -> Self {
        let opening = State::new(Phase::Opening { error: None }, None);
        let (sender, state) = watch::channel(opening);
        let stop = CancellationToken::new();
        let dirty = loaded.config.ublk.dirty.0;
        let (limit, limits) = watch::channel(config.limit);
        let worker = Worker {
            loaded,
            config: DiskConfig {
                take_over: config.take_over || take_over,
                ..config.clone()
            },
            limit: limits,
            state: sender,
            changed,
            stop: stop.clone(),
            failed: Arc::default(),
        };
        Self {
            config,
            dirty,
            limit,
            state,
            stop,
            task: tokio::spawn(worker.run()),
        }
    }

    /// Its state, to watch.
    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// What it was started with.
    pub(crate) fn config(&self) -> &DiskConfig {
        &self.config
    }

    /// Changes the limits of speed from now on. Returns when what is dirty in the page cache is no more than the new speed
    /// can write out in time.
    pub(crate) async fn set_limit(&mut self, limit: LimitConfig) {
        if limit == self.config.limit {
            return;
        }
        let slower =
            dirty_limit(&self.config, &limit, self.dirty) < dirty_limit(&self.config, &self.config.limit, self.dirty);
        self.config.limit = limit;
        self.limit.send_replace(limit);
        let state = self.state.borrow().clone();
        if let Some(medium) = &state.medium {
            limits::limit_dirty_pages(medium.path(), dirty_limit(&self.config, &limit, self.dirty));
            if slower && let Err(problem) = limits::write_out(medium.path(), self.config.deadline()).await {
                warn!(disk = %self.config.name.get_ref(), "not everything is written before it gets slower: {problem}");
            }
        }
        if let Some(stack) = &state.stack {
            stack.set_limits(&limit);
        }
    }

    /// Takes back the kernel device, flushes, closes.
    ///
    /// # Errors
    ///
    /// Something that was written to its kernel device is lost, now or earlier.
    pub(crate) async fn stop(self) -> Result<(), BlockError> {
        self.stop.cancel();
        let name = self.config.name.get_ref();
        self.task
            .await
            .unwrap_or_else(|panic| Err(BlockError::io(name, format!("its task ended: {panic}"))))
    }
}

/// Why an open disk is not kept as it is.
enum Interruption {
    Stop,
    Fenced(BlockError),
    Resized(u64),
    DeviceLost,
}

struct Worker {
    loaded: Arc<Loaded>,
    config: DiskConfig,
    limit: watch::Receiver<LimitConfig>,
    state: watch::Sender<State>,
    changed: Changed,
    stop: CancellationToken,
    failed: Arc<FailedWrites>,
}

impl Worker {
    async fn run(self) -> Result<(), BlockError> {
        let Some(stack) = self.open().await else {
            self.publish(State::new(Phase::Closed, None));
            return Ok(());
        };
        let stack = Arc::new(stack);
        info!(disk = %self.name(), "open: {}", stack.description);
        let result = self.serve(&stack).await;
        self.publish(State::new(Phase::Closed, None));
        let closed = self.close(&stack).await;
        self.all_written().inspect_err(|_| {
            // What is lost is told instead: the owner has to do something about it, whatever else went wrong.
            if let Err(error) = &closed {
                warn!(disk = %self.name(), %error, "closing");
            }
        })?;
        result.and(closed)
    }

    /// # Errors
    ///
    /// A write failed at any time: whoever wrote may have been told so, or not.
    fn all_written(&self) -> Result<(), BlockError> {
        lost_text(&self.failed).map_or(Ok(()), |text| Err(BlockError::io(self.name(), text)))
    }

    /// # Errors
    ///
    /// Not everything is written, or the store did not answer in time.
    async fn close(&self, stack: &Stack) -> Result<(), BlockError> {
        // Something may hang on this: it has all the time of a request, unless the store is known to be gone.
        let gone = matches!(stack.disk.status().borrow().health, Health::Unreachable { .. });
        let patience = if gone { LAST_FLUSH } else { self.config.deadline() };
        let flushed = tokio::time::timeout(patience, stack.disk.flush()).await;
        let flushed = flushed.unwrap_or_else(|_| Err(self.silent(patience)));
        // Another owner has it: there is nothing to be given up.
        let flushed = match flushed {
            Err(BlockError::Fenced { .. }) => Ok(()),
            other => other,
        };
        let closed = tokio::time::timeout(CLOSING, stack.close()).await;
        flushed.and(closed.unwrap_or_else(|_| Err(self.silent(CLOSING))))
    }

    fn silent(&self, patience: Duration) -> BlockError {
        let text = format!(
            "no answer within {} s while it was closed; this stick's ownership of the image ends by itself",
            patience.as_secs()
        );
        BlockError::unreachable(self.name(), text)
    }

    fn name(&self) -> &str {
        self.config.name.get_ref()
    }

    fn publish(&self, mut state: State) {
        state.failed = self.failed.clone();
        self.state.send_replace(state);
        self.changed.send_replace(());
    }

    /// Opens the stack, as often as it takes. `None` if told to stop before.
    async fn open(&self) -> Option<Stack> {
        let mut pause = RETRY.0;
        loop {
            let attempt = tokio::select! {
                attempt = stack::open(&self.loaded, &self.config) => attempt,
                () = self.stop.cancelled() => return None,
            };
            let error = match attempt {
                Ok(stack) => return Some(stack),
                Err(error) => error,
            };
            let text = error.to_string();
            let known = matches!(&self.state.borrow().phase, Phase::Opening { error: Some(last) } if *last == text);
            if !known {
                warn!(disk = %self.name(), "cannot be opened: {text}; trying again");
            }
            self.publish(State {
                failure: Some(error.clone()),
                ..State::new(Phase::Opening { error: Some(text) }, None)
            });
            // Only a person can mend most errors: there is no hurry then, except that ownership of a dead owner ends
            // within a minute and that the network of a board comes up after its daemon.
            let hopeful = matches!(
                &error,
                StoreError::InUse { .. } | StoreError::Block(BlockError::Unreachable { .. })
            );
            pause = if hopeful {
                (pause * 2).min(RETRY.1 / 3)
            } else {
                (pause * 2).min(RETRY.1)
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => return None,
            }
        }
    }

    /// Whether a LUN wants a kernel device of this disk.
    fn wants_device(&self) -> bool {
        let luns = self.loaded.config.gadget.iter().flat_map(|gadget| &gadget.luns);
        luns.filter_map(|lun| lun.disk.as_ref())
            .any(|disk| disk.get_ref() == self.name())
    }

    /// Keeps the disk and its kernel device until told to stop.
    async fn serve(&self, stack: &Arc<Stack>) -> Result<(), BlockError> {
        let mut result = Ok(());
        loop {
            let device = if self.wants_device() {
                self.start_device(stack).await
            } else {
                None
            };
            let (medium, returned) = match &device {
                Some(device) => {
                    let (medium, returned) = Medium::new(device.path());
                    (Some(medium), Some(returned))
                }
                None => (None, None),
            };
            self.publish(State {
                medium,
                ..State::new(Phase::Open, Some(stack.clone()))
            });
            let interruption = tokio::select! {
                interruption = self.watch(stack) => interruption,
                () = lost(device.as_ref()) => Interruption::DeviceLost,
            };
            let (phase, failure) = match &interruption {
                Interruption::Stop | Interruption::Resized(_) | Interruption::DeviceLost => (Phase::Open, None),
                Interruption::Fenced(error) => {
                    error!(disk = %self.name(), "{error}");
                    let phase = Phase::Fenced {
                        error: error.to_string(),
                    };
                    (phase, Some(StoreError::from(error.clone())))
                }
            };
            self.publish(State {
                failure,
                ..State::new(phase, Some(stack.clone()))
            });
            let taken_back = match (device, returned) {
                (Some(device), Some(returned)) => {
                    let served = !matches!(interruption, Interruption::DeviceLost);
                    self.take_back(device, returned, served).await
                }
                _ => Ok(()),
            };
            result = result.and(taken_back);
            match interruption {
                Interruption::Stop => return result,
                Interruption::Resized(size) => info!(disk = %self.name(), "has a new size: {size} bytes"),
                Interruption::DeviceLost => {
                    error!(disk = %self.name(), "its kernel device was stopped by somebody else; making it anew");
                    tokio::time::sleep(RETRY.0).await;
                }
                Interruption::Fenced(_) => {
                    self.stop.cancelled().await;
                    return result;
                }
            }
        }
    }

    /// Makes the kernel device, or takes over the one that a daemon before us left behind.
    async fn start_device(&self, stack: &Arc<Stack>) -> Option<UblkDevice> {
        let (ublk, run_dir) = (&self.loaded.config.ublk, &self.loaded.config.run_dir);
        let options = export_ublk::Options {
            queues: ublk.queues,
            depth: ublk.depth,
            max_io: ublk.max_io.0 as u32,
            deadline: self.config.deadline(),
            state_dir: run_dir.join("ublk"),
            failed: self.failed.clone(),
            identity: lineage::mark(run_dir, self.name(), &stack.image, stack.generation),
            ..export_ublk::Options::default()
        };
        let mut pause = RETRY.0;
        let mut last = String::new();
        let mut status = stack.disk.status();
        loop {
            match UblkDevice::start(self.name(), stack.disk.clone(), options.clone()).await {
                Ok(device) => {
                    let limit = *self.limit.borrow();
                    let dirty = dirty_limit(&self.config, &limit, self.loaded.config.ublk.dirty.0);
                    limits::limit_dirty_pages(device.path(), dirty);
                    return Some(device);
                }
                Err(error) => {
                    let text = error.to_string();
                    if text != last {
                        error!(disk = %self.name(), "no kernel device: {text}");
                        // Servers need none: they can have the disk.
                        self.publish(State {
                            device_error: Some(text.clone()),
                            ..State::new(Phase::Open, Some(stack.clone()))
                        });
                        last = text;
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(RETRY.1),
                () = self.stop.cancelled() => return None,
                _ = status.wait_for(|now: &Status| matches!(now.health, Health::Fenced { .. })) => return None,
            }
        }
    }

    /// Waits for something to happen to the open disk; publishes changes of its health on the way.
    async fn watch(&self, stack: &Stack) -> Interruption {
        let mut status = stack.disk.status();
        let size = stack.disk.properties().size;
        loop {
            let now = status.borrow_and_update().clone();
            self.changed.send_replace(());
            match now.health {
                Health::Fenced { error } => return Interruption::Fenced(error),
                Health::Unreachable { error, .. } => warn!(disk = %self.name(), "{error}"),
                Health::Online | Health::Closed => {}
            }
            if now.size != size {
                return Interruption::Resized(now.size);
            }
            tokio::select! {
                changed = status.changed() => if changed.is_err() {
                    // The device is gone; only the stop is left to wait for.
                    self.stop.cancelled().await;
                    return Interruption::Stop;
                },
                () = self.stop.cancelled() => return Interruption::Stop,
            }
        }
    }

    /// Removes the kernel device once nobody holds it. What lies in its page cache is written out by that.
    ///
    /// # Errors
    ///
    /// Not everything could be written out.
    async fn take_back(&self, device: UblkDevice, returned: Returned, served: bool) -> Result<(), BlockError> {
        if !returned.wait(RETURN_TIME).await {
            warn!(disk = %self.name(), "{} is still in a LUN", device.path().display());
        }
        // By a process of its own, so that removing has nothing left to wait for in this one (`limits::write_out`).
        let written = if served {
            limits::write_out(device.path(), self.config.deadline() * 3 / 2).await
        } else {
            Ok(())
        };
        let removed = device.remove().await.map_err(|error| {
            error!(disk = %self.name(), "{error}");
            BlockError::io(self.name(), error.to_string())
        });
        removed.and(written.map_err(|error| {
            error!(disk = %self.name(), "not everything was written: {error}");
            BlockError::io(self.name(), format!("not everything was written: {error}"))
        }))
    }
}

/// How much may be dirty in the page cache: no more than can be written out within half a deadline, as far as the speed is
/// known. What a flush cannot write in time fails, and with it what the host believes to be written.
fn dirty_limit(config: &DiskConfig, limit: &LimitConfig, configured: u64) -> u64 {
    let seconds = config.deadline().as_secs().max(2) / 2;
    match limit.write_bytes.map_or(0, |rate| rate.0) {
        0 => configured,
        rate => configured.min(rate.saturating_mul(seconds)),
    }
}

/// What is lost, in words; `None` if nothing is.
pub(crate) fn lost_text(failed: &FailedWrites) -> Option<String> {
    (failed.requests() > 0).then(|| {
        format!(
            "{} writes of {} bytes in all did not reach the store; what the host wrote last may be missing: let the host check \
             its file system",
            failed.requests(),
            failed.bytes()
        )
    })
}

/// Returns when a kernel device is not served any more; never without one.
async fn lost(device: Option<&UblkDevice>) {
    match device {
        Some(device) => device.stopped().await,
        None => std::future::pending().await,
    }
}
