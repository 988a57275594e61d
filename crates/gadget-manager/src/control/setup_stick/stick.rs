//! The setup stick itself: a volume in memory with a kernel device, in a LUN that the host may eject.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use export_ublk::{Options, UblkDevice};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use volume::{
    Limits, MemoryVolume,
    setup::{Report, SetupPages, Wifi},
};
use zeroize::Zeroizing;

use super::intake::{self, Dropped};
use crate::daemon::{
    disk::{Phase, State},
    medium::Medium,
    usb::Slot,
};

/// Name of its kernel device and of what is in the LUN.
const NAME: &str = "setup-stick.volume";
/// What a host calls the volume.
const LABEL: &str = "SETUP";
/// Pause before something that failed is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How long the LUN has to let go of the kernel device.
const RETURN_TIME: Duration = Duration::from_secs(35);

/// What the pages on the stick say.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// What the owner calls the device, or will.
    pub name: String,
    /// Addresses of its page, the best first.
    pub addresses: Vec<String>,
    /// The code that claims it, while it has no owner.
    pub claim_code: Option<Zeroizing<String>>,
    /// Whether files that are dropped are used.
    pub takes_files: bool,
    /// The network that the device makes, and its key.
    pub wifi: Option<(String, Zeroizing<String>)>,
    /// The log of a start that failed.
    pub last_log: Option<String>,
}

/// What the stick asks of the device it belongs to.
#[async_trait]
pub(crate) trait Device: Send + Sync + 'static {
    /// What the pages say, to watch.
    fn facts(&self) -> watch::Receiver<Arc<Facts>>;

    /// Uses what was dropped, or says why not.
    async fn take(&self, dropped: Dropped) -> Report;

    /// The host has ejected the stick and left nothing new on it. What is set up can take its place.
    fn put_aside(&self);
}

/// Runs the setup stick.
pub(crate) struct Runner {
    state: watch::Receiver<State>,
    ejected: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Runner {
    /// Starts to show it. It is remembered in `state_dir` which kernel device it has.
    pub(crate) fn start(device: Arc<dyn Device>, state_dir: PathBuf) -> Self {
        let (sender, state) = watch::channel(State::new(Phase::Opening { error: None }, None));
        let (ejected, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let worker = Worker {
            device,
            state_dir,
            state: sender,
            ejected: ejected.clone(),
            stop: stop.clone(),
        };
        Self {
            state,
            ejected,
            stop,
            task: tokio::spawn(worker.run()),
        }
    }

    /// What is to be in the LUN.
    pub(crate) fn slot(&self) -> Slot {
        Slot {
            name: Some(NAME.to_owned()),
            state: Some(self.state.clone()),
            read_only: false,
            removable: true,
            ejected: Some(self.ejected.clone()),
        }
    }

    /// Takes it out and ends it.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Err(panic) = self.task.await {
            error!("the task of the setup stick ended: {panic}");
        }
    }
}

/// Why the stick is not shown as it is.
enum Interruption {
    Stop,
    Ejected,
    /// The pages say something else now.
    Outdated,
    DeviceLost,
}

struct Worker {
    device: Arc<dyn Device>,
    state_dir: PathBuf,
    state: watch::Sender<State>,
    ejected: Arc<Notify>,
    stop: CancellationToken,
}

impl Worker {
    async fn run(self) {
        let stop = self.stop.clone();
        let mut facts = self.device.facts();
        let mut report = None;
        loop {
            let said = facts.borrow_and_update().clone();
            let volume = match make(&said, report.as_ref()).await {
                Ok(volume) => volume,
                Err(problem) => {
                    error!("no setup stick: {problem}");
                    stop.cancelled().await;
                    break;
                }
            };
            let interruption = self.show(&volume, &mut facts, report.is_some()).await;
            match interruption {
                Interruption::Stop => break,
                Interruption::Outdated => {}
                Interruption::DeviceLost => {
                    error!("the kernel device of the setup stick was stopped by somebody else; making it anew");
                    tokio::time::sleep(RETRY).await;
                }
                Interruption::Ejected => match self.read(&volume).await {
                    Some(news) => report = Some(news),
                    None => {
                        self.device.put_aside();
                        // Who ejects it wants it out: it is back when it has something else to say.
                        let news = async {
                            if facts.changed().await.is_err() {
                                std::future::pending::<()>().await;
                            }
                        };
                        if stop.run_until_cancelled(news).await.is_none() {
                            break;
                        }
                    }
                },
            }
        }
        self.publish(State::new(Phase::Closed, None));
    }

    fn publish(&self, state: State) {
        self.state.send_replace(state);
    }

    /// Shows a volume until something happens. Everything the host wrote is in it then. One with a report is not taken away
    /// from who reads it.
    async fn show(
        &self,
        volume: &MemoryVolume,
        facts: &mut watch::Receiver<Arc<Facts>>,
        has_report: bool,
    ) -> Interruption {
        let Some(device) = self.start_device(volume).await else {
            return Interruption::Stop;
        };
        let (medium, returned) = Medium::new(device.path());
        self.publish(State {
            medium: Some(medium),
            ..State::new(Phase::Open, None)
        });
        let interruption = tokio::select! {
            () = self.stop.cancelled() => Interruption::Stop,
            () = self.ejected.notified() => Interruption::Ejected,
            () = device.stopped() => Interruption::DeviceLost,
            () = outdated(volume, facts), if !has_report => Interruption::Outdated,
        };
        self.publish(State::new(Phase::Opening { error: None }, None));
        if !returned.wait(RETURN_TIME).await {
            warn!("{} is still in a LUN", device.path().display());
        }
        if let Err(problem) = device.remove().await {
            error!("{problem}");
        }
        interruption
    }

    /// Makes the kernel device, as often as it takes. `None` if told to stop before.
    async fn start_device(&self, volume: &MemoryVolume) -> Option<UblkDevice> {
        let mut last = String::new();
        loop {
            // Nobody goes on with the volume of a dead daemon: it died with it.
            let born = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let options = Options {
                identity: format!("{NAME} {} {}", std::process::id(), born.as_nanos()),
                queues: 1,
                depth: 8,
                state_dir: self.state_dir.clone(),
                ..Options::default()
            };
            match UblkDevice::start(NAME, volume.disk(), options).await {
                Ok(device) => return Some(device),
                Err(error) => {
                    let text = error.to_string();
                    if text != last {
                        error!("no kernel device for the setup stick: {text}");
                        self.publish(State {
                            device_error: Some(text.clone()),
                            ..State::new(Phase::Open, None)
                        });
                        last = text;
                    }
                }
            }
            self.stop.run_until_cancelled(tokio::time::sleep(RETRY)).await?;
        }
    }

    /// Reads what the host dropped and has it used. Nothing if there is nothing.
    async fn read(&self, volume: &MemoryVolume) -> Option<Report> {
        let found = match volume.dropped_files(&Limits::default()).await {
            Ok(found) if found.is_empty() => return None,
            Ok(found) => found,
            Err(problem) => {
                warn!("the setup stick cannot be read: {problem}");
                let summary =
                    format!("Nothing was changed: the stick cannot be read ({problem}). Copy the files again.");
                return Some(only(summary));
            }
        };
        let (dropped, rest) = intake::sort(found);
        let mut report = if dropped.is_empty() {
            only("Nothing was changed: none of the files can be used.".to_owned())
        } else {
            let names: Vec<&str> = dropped.names().collect();
            info!("the setup stick came back with {}", names.join(", "));
            self.device.take(dropped).await
        };
        report.files.extend(rest);
        info!("the setup stick: {}", report.summary);
        Some(report)
    }
}

/// A report of no file.
fn only(summary: String) -> Report {
    Report {
        summary,
        files: Vec::new(),
    }
}

/// Makes the volume.
async fn make(facts: &Facts, report: Option<&Report>) -> Result<MemoryVolume, volume::FormatError> {
    let pages = SetupPages {
        device_name: &facts.name,
        addresses: &facts.addresses,
        claim_code: facts.claim_code.as_ref().map(|code| code.as_str()),
        takes_files: facts.takes_files,
        wifi: facts.wifi.as_ref().map(|(name, key)| Wifi {
            name,
            key: Some(key.as_str()),
        }),
        version: env!("CARGO_PKG_VERSION"),
        last_log: facts.last_log.as_deref(),
        report,
    };
    MemoryVolume::new(NAME, LABEL, pages.files()).await
}

/// Returns when the pages say something else, unless the host has begun to drop files: those are not taken away under its
/// hands.
async fn outdated(volume: &MemoryVolume, facts: &mut watch::Receiver<Arc<Facts>>) {
    loop {
        if facts.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        let untouched = volume
            .dropped_files(&Limits::default())
            .await
            .is_ok_and(|found| found.is_empty());
        if untouched {
            return;
        }
    }
}
