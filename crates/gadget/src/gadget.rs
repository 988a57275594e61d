//! The handle of a mass-storage gadget.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc},
    thread,
    time::Duration,
};

use serde::Serialize;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{
    DeviceState, Environment, Force, GadgetConfig, GadgetError, LunState, NAME_PREFIX, Speed, UdcState,
    owner::Owner,
    shadow::Shadow,
    watcher::{self, Watched},
};

/// Changes that may wait for the owner thread before callers are told that it is stuck.
const QUEUE: usize = 16;

/// Events kept for a slow listener; who falls further behind gets `Lagged` and should ask for the state.
const EVENTS: usize = 64;

/// How long dropping a gadget waits for its removal.
const DROP_PATIENCE: Duration = Duration::from_secs(5);

/// Something that happened to a gadget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GadgetEvent {
    /// Cable or host did something. `NotAttached` also while the gadget is not bound.
    StateChanged {
        /// The new state.
        state: DeviceState,
        /// The speed the host runs the device at.
        speed: Speed,
    },
    /// The host has ejected a medium; the drive is empty now, and everything the host wrote has reached the medium's
    /// page cache or further.
    HostEjected {
        /// Which LUN.
        lun: usize,
    },
    /// This side has changed a medium.
    MediumChanged {
        /// Which LUN.
        lun: usize,
        /// What is in it now.
        medium: Option<PathBuf>,
    },
}

/// A mass-storage gadget in configfs.
///
/// Changes happen one after the other in the order of the calls. [`remove`](Self::remove) it at the end; dropping it
/// removes it too, waiting up to 5 s.
#[derive(Debug)]
pub struct MassStorageGadget {
    jobs: Option<mpsc::Sender<Job>>,
    done: Mutex<std_mpsc::Receiver<()>>,
    watched: Arc<Watched>,
    events: broadcast::Sender<GadgetEvent>,
    patience: Duration,
    /// Dropped to stop the watcher of the LUNs.
    _watching: std_mpsc::Sender<()>,
}

#[derive(Debug, Clone, Copy)]
enum Start {
    Create,
    Adopt,
}

type Job = Box<dyn FnOnce(&mut Owner) + Send>;

impl MassStorageGadget {
    /// Creates a gadget and loads its media; the host sees it after [`connect`](Self::connect). A gadget of the same
    /// name left over by a process that died is removed first.
    ///
    /// # Errors
    ///
    /// [`Config`](GadgetError::Config), [`NoUdc`](GadgetError::NoUdc), [`UdcNotFound`](GadgetError::UdcNotFound),
    /// [`InUse`](GadgetError::InUse), [`Medium`](GadgetError::Medium), [`Unsupported`](GadgetError::Unsupported) and
    /// what the system says. Whatever was made until then has been removed again.
    pub async fn create(config: GadgetConfig) -> Result<Self, GadgetError> {
        Self::create_in(config, Environment::default()).await
    }

    /// As [`create`](Self::create), with other roots or another patience.
    pub async fn create_in(config: GadgetConfig, environment: Environment) -> Result<Self, GadgetError> {
        let name = config.name.clone();
        Self::start(config, environment, Start::Create)
            .await?
            .ok_or(GadgetError::InUse { name })
    }

    /// Takes over the gadget of this name that a process left when it was killed or [detached](Self::detach) it: the
    /// host sees nothing of it. Its media stay in, see [`luns`](Self::luns).
    ///
    /// `None`, with nothing changed, if there is no such gadget, if it is half-made or not bound, or if it differs in what
    /// a host would notice: ids, strings, serial, power, speed limit, controller, number and kind of LUNs, write
    /// protection of a LUN with a medium. Then [`create`](Self::create) replaces it.
    ///
    /// # Errors
    ///
    /// [`InUse`](GadgetError::InUse) if its process lives, [`Config`](GadgetError::Config), and what the system says.
    pub async fn adopt(config: GadgetConfig) -> Result<Option<Self>, GadgetError> {
        Self::adopt_in(config, Environment::default()).await
    }

    /// As [`adopt`](Self::adopt), with other roots or another patience.
    pub async fn adopt_in(config: GadgetConfig, environment: Environment) -> Result<Option<Self>, GadgetError> {
        Self::start(config, environment, Start::Adopt).await
    }

    async fn start(config: GadgetConfig, environment: Environment, how: Start) -> Result<Option<Self>, GadgetError> {
        config.checked()?;
        let name = format!("{NAME_PREFIX}{}", config.name);
        let patience = environment.patience;
        let (jobs, queue) = mpsc::channel::<Job>(QUEUE);
        let (events, _) = broadcast::channel(EVENTS);
        let (finished, done) = std_mpsc::channel();
        let (watching, stop) = std_mpsc::channel();
        let (created, creation) = oneshot::channel();
        let system = |source| GadgetError::attribute("start a thread for", Path::new(&name), source);
        let watched = Arc::new(Watched::new(environment.clone(), name.clone()).map_err(system)?);

        let thread_watched = watched.clone();
        let thread_events = events.clone();
        let body = move || {
            let finished = finished;
            let life = Life {
                how,
                watched: thread_watched.clone(),
                events: thread_events,
                stop,
                queue,
            };
            life.run(&config, environment, created);
            thread_watched.stop();
            drop(finished);
        };
        thread::Builder::new()
            .name("gadget-owner".into())
            .spawn(body)
            .map_err(system)?;
        let there = answer(&format!("creating gadget {name}"), patience, creation).await?;
        Ok(there.then(|| Self {
            jobs: Some(jobs),
            done: Mutex::new(done),
            watched,
            events,
            patience,
            _watching: watching,
        }))
    }

    /// Runs something on the owner's thread, with patience.
    async fn call<T: Send + 'static>(
        &self,
        what: impl Into<String>,
        job: impl FnOnce(&mut Owner) -> Result<T, GadgetError> + Send + 'static,
    ) -> Result<T, GadgetError> {
        let what = what.into();
        let (reply, result) = oneshot::channel();
        let job: Job = Box::new(move |owner| {
            let _ = reply.send(job(owner));
        });
        let jobs = self.jobs.as_ref().ok_or(GadgetError::Removed)?;
        match jobs.try_send(job) {
            Ok(()) => answer(&what, self.patience, result).await,
            Err(mpsc::error::TrySendError::Closed(_)) => Err(GadgetError::Removed),
            Err(mpsc::error::TrySendError::Full(_)) => Err(GadgetError::Stalled {
                what,
                seconds: self.patience.as_secs(),
            }),
        }
    }

    /// Shows the gadget to the host: binds the controller, or undoes [`soft_disconnect`](Self::soft_disconnect).
    ///
    /// # Errors
    ///
    /// [`UdcBusy`](GadgetError::UdcBusy) names the gadget that has the controller.
    pub async fn connect(&self) -> Result<(), GadgetError> {
        self.call("connecting", Owner::connect).await
    }

    /// Takes the gadget from the host and frees the controller. The media stay in.
    pub async fn disconnect(&self) -> Result<(), GadgetError> {
        self.call("disconnecting", Owner::disconnect).await
    }

    /// Takes the gadget from the host as if the cable were pulled, and keeps the controller.
    pub async fn soft_disconnect(&self) -> Result<(), GadgetError> {
        self.call("disconnecting", Owner::soft_disconnect).await
    }

    /// Puts a medium into an empty, removable LUN. The host sees a new medium, not a new device.
    ///
    /// # Errors
    ///
    /// [`Occupied`](GadgetError::Occupied), [`NotRemovable`](GadgetError::NotRemovable),
    /// [`Medium`](GadgetError::Medium), [`NoSuchLun`](GadgetError::NoSuchLun). The LUN is as it was then.
    pub async fn insert(&self, lun: usize, medium: &Path, read_only: bool) -> Result<(), GadgetError> {
        let medium = medium.to_owned();
        let what = format!("inserting {} into LUN {lun}", medium.display());
        self.call(what, move |owner| owner.luns.insert(lun, &medium, read_only))
            .await
    }

    /// Takes the medium out of a removable LUN; an empty one is left as it is.
    ///
    /// # Errors
    ///
    /// [`Locked`](GadgetError::Locked) if the host has locked it and it is not forced.
    pub async fn eject(&self, lun: usize, force: Force) -> Result<(), GadgetError> {
        self.call(format!("ejecting LUN {lun}"), move |owner| owner.luns.eject(lun, force))
            .await
    }

    /// Puts another medium in place of the present one.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert) and [`eject`](Self::eject). The old medium is in the LUN then.
    pub async fn swap(&self, lun: usize, medium: &Path, read_only: bool, force: Force) -> Result<(), GadgetError> {
        let medium = medium.to_owned();
        let what = format!("swapping LUN {lun} to {}", medium.display());
        self.call(what, move |owner| owner.luns.swap(lun, &medium, read_only, force))
            .await
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<GadgetEvent> {
        self.events.subscribe()
    }

    /// State of the controller now. Also answers while a disk stalls.
    pub async fn state(&self) -> UdcState {
        self.watched.state()
    }

    /// What is in the LUNs, as the kernel has it.
    pub async fn luns(&self) -> Result<Vec<LunState>, GadgetError> {
        self.call("reading the LUNs", |owner| owner.luns.states()).await
    }

    /// Lets go of the gadget without removing it: the host goes on using it, and another process can
    /// [adopt](Self::adopt) it.
    pub async fn detach(mut self) -> Result<(), GadgetError> {
        let result = self.call("letting go of the gadget", Owner::detach).await;
        self.jobs = None;
        result
    }

    /// Disconnects and removes the gadget.
    ///
    /// # Errors
    ///
    /// [`Stalled`](GadgetError::Stalled) if the kernel does not let go of it in time; the removal goes on then.
    pub async fn remove(mut self) -> Result<(), GadgetError> {
        let result = self.call("removing the gadget", Owner::remove).await;
        // The thread ends by itself; whether it has is what `remove` has just waited for.
        self.jobs = None;
        result
    }
}

impl Drop for MassStorageGadget {
    fn drop(&mut self) {
        if self.jobs.take().is_some() {
            let done = self.done.get_mut().unwrap_or_else(PoisonError::into_inner);
            if done.recv_timeout(DROP_PATIENCE) == Err(std_mpsc::RecvTimeoutError::Timeout) {
                tracing::warn!("the gadget is still being removed: the kernel waits for a disk that does not answer");
            }
        }
    }
}

/// The owner's thread.
struct Life {
    how: Start,
    watched: Arc<Watched>,
    events: broadcast::Sender<GadgetEvent>,
    stop: std_mpsc::Receiver<()>,
    queue: mpsc::Receiver<Job>,
}

impl Life {
    /// Makes the gadget, works until the handle is gone, removes it. `created` gets whether there is a gadget.
    fn run(self, config: &GadgetConfig, environment: Environment, created: oneshot::Sender<Result<bool, GadgetError>>) {
        let (how, mut queue) = (self.how, self.queue);
        let (watched, events) = (self.watched, self.events);
        let shadow = Arc::new(Shadow::new(config.luns.len()));
        let poll = environment.poll;
        let owner = match how {
            Start::Create => {
                Owner::create(config, environment, shadow.clone(), watched.clone(), events.clone()).map(Some)
            }
            Start::Adopt => Owner::adopt(config, environment, shadow.clone(), watched.clone(), events.clone()),
        };
        let made = owner.and_then(|owner| {
            let Some(owner) = owner else { return Ok(None) };
            let function = owner.luns.function().to_owned();
            watcher::watch_state(watched, events.clone())
                .and_then(|()| watcher::watch_luns(function, shadow, config.luns.len(), poll, events, self.stop))
                .map_err(|source| GadgetError::attribute("watch", owner.luns.function(), source))?;
            Ok(Some(owner))
        });
        // When nobody waits for the answer any more, the owner is dropped, which undoes everything.
        let mut owner = match made {
            Ok(Some(owner)) => owner,
            other => {
                let _ = created.send(other.map(|_| false));
                return;
            }
        };
        if created.send(Ok(true)).is_err() {
            if matches!(how, Start::Adopt) {
                // It was there before; the host keeps it.
                let _ = owner.detach();
            }
            return;
        }
        while let Some(job) = queue.blocking_recv() {
            job(&mut owner);
        }
    }
}

/// Runs something that may block on a thread of its own, with patience. Not on tokio's blocking pool: a runtime that
/// shuts down waits for that, perhaps for ever.
pub(crate) async fn in_thread<T: Send + 'static>(
    what: &str,
    patience: Duration,
    body: impl FnOnce() -> Result<T, GadgetError> + Send + 'static,
) -> Result<T, GadgetError> {
    let (reply, result) = oneshot::channel();
    let body = move || {
        let _ = reply.send(body());
    };
    thread::Builder::new()
        .name("gadget-work".into())
        .spawn(body)
        .map_err(|source| GadgetError::attribute("start a thread for", Path::new(what), source))?;
    answer(what, patience, result).await
}

async fn answer<T>(
    what: &str,
    patience: Duration,
    result: oneshot::Receiver<Result<T, GadgetError>>,
) -> Result<T, GadgetError> {
    match tokio::time::timeout(patience, result).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(GadgetError::Removed),
        Err(_) => Err(GadgetError::Stalled {
            what: what.to_owned(),
            seconds: patience.as_secs(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_invalid_configuration_touches_nothing() {
        let config = GadgetConfig {
            luns: Vec::new(),
            ..GadgetConfig::default()
        };
        assert!(matches!(
            MassStorageGadget::create(config).await,
            Err(GadgetError::Config(_))
        ));
    }

    #[tokio::test]
    async fn a_kernel_that_does_not_answer_is_an_error_in_time() {
        let (hold, held) = std_mpsc::channel::<()>();
        let body = move || {
            let _ = held.recv();
            Ok(())
        };
        let result = in_thread("ejecting LUN 0", Duration::from_millis(1), body).await;
        let error = result.unwrap_err();
        assert!(matches!(error, GadgetError::Stalled { .. }));
        assert!(error.to_string().contains("ejecting LUN 0"), "{error}");
        drop(hold);
    }

    #[test]
    fn the_handle_can_be_shared_between_tasks() {
        fn shared<T: Send + Sync>() {}
        shared::<MassStorageGadget>();
    }
}
