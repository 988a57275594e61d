//! Updates of the whole system, where this machine has slots (the crate [`update`] does the work).
//!
//! | file | is |
//! |---|---|
//! | `arrival.rs` | a file as it arrives, for who reads it in one go |
//! | `fetch.rs` | from an address |
//! | `view.rs` | what the page sees of it |
//! | `problem.rs` | refusals, as the page shows them |

mod arrival;
mod fetch;
mod problem;
mod view;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use update::{install, outcome::Phase, system::System};
use web::{
    api::{FetchUpdate, Problem, ProblemCode, Unit},
    appliance::{Arriving, Report, Result, Updates},
};

use super::{Control, problem::internal, run};
use arrival::Arrival;
pub(super) use view::view;

/// Where a machine that can be updated says so, for tests.
const FOLDER: &str = "CLOUD_STICK_UPDATE";

/// The folder in which this machine tells of its slots, if it has any.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os(FOLDER).map_or_else(|| update::system::FOLDER.into(), PathBuf::from)
}

/// The system that can be updated.
fn system() -> Result<System> {
    let found = System::open(&folder()).map_err(|error| problem::of_update(&error))?;
    found.ok_or_else(|| Problem::new(ProblemCode::Unsupported, "this device cannot be updated as a whole"))
}

/// Refuses while the running system is on trial. If it falls back, the one before it starts with the same configuration, whose new
/// keys it may not know.
pub(super) fn refuse_on_trial() -> Result<()> {
    // Whatever is wrong with the slots, it keeps nobody from changing settings.
    let Ok(system) = system() else { return Ok(()) };
    if !update::outcome::is_on_trial(&system).unwrap_or(false) {
        return Ok(());
    }
    let version = &system.version;
    let detail = format!("version {version} is being tried: until that is over, settings stay as they are");
    Err(Problem::new(ProblemCode::Conflict, detail).remedy("wait until it has proven itself, five minutes at most"))
}

/// Tells the installer when nobody waits for it any more.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Control {
    /// Installs what arrives. Reading, writing and syncing the card block: they have a thread of their own.
    async fn install(&self, bundle: Arriving, allow_older: bool, report: Report<'_>) -> Result<()> {
        let system = system()?;
        let cancelled = Arc::new(AtomicBool::new(false));
        let _abandon = Abandon(cancelled.clone());
        let (told, mut progress) = watch::channel((0, 0));
        let mut work = tokio::task::spawn_blocking(move || {
            let mut arrival = Arrival::new(bundle);
            let options = install::Options { allow_older };
            let installed = install::install(
                &system,
                &mut arrival,
                options,
                |done, total| {
                    told.send_replace((done, total));
                },
                &cancelled,
            );
            installed.map_err(|error| arrival.problem().unwrap_or_else(|| problem::of_update(&error)))
        });
        let ended = loop {
            tokio::select! {
                ended = &mut work => break ended,
                Ok(()) = progress.changed() => {
                    let (done, total) = *progress.borrow_and_update();
                    report(done, total, Unit::Bytes);
                }
            }
        };
        let installed = ended.map_err(|_| internal("the installer met a fault of its own"))?;
        match installed {
            Ok(description) => {
                let (version, channel) = (&description.version, &description.channel);
                tracing::info!(%version, channel, "an update is installed; the next start tries it");
                Ok(())
            }
            Err(problem) => {
                tracing::warn!("an update was not installed: {problem}");
                Err(problem)
            }
        }
    }
}

#[async_trait]
impl Updates for Control {
    async fn install_update(&self, bundle: Arriving, allow_older: bool, report: Report<'_>) -> Result<()> {
        self.install(bundle, allow_older, report).await
    }

    async fn fetch_update(&self, from: FetchUpdate, report: Report<'_>) -> Result<()> {
        let url = fetch::check(&from.url)?;
        let (sender, bundle) = mpsc::channel(fetch::WAITING);
        let (installed, ()) = tokio::join!(
            self.install(bundle, from.allow_older, report),
            fetch::fetch(url, sender)
        );
        installed
    }

    async fn try_update(&self) -> Result<()> {
        let system = system()?;
        let last = update::outcome::look(&system).map_err(|error| problem::of_update(&error))?;
        if last.is_none_or(|last| last.phase != Phase::Ready) {
            return Err(Problem::new(ProblemCode::Conflict, "no update is ready").remedy("install one first"));
        }
        tracing::info!("restarting, to try the update");
        let ended = run(&system.restart()).await;
        ended.map_err(|error| internal(format!("the restart failed: {error}")))
    }
}
