//! The state of the daemon as a file, `status.json` in `run_dir`, for scripts and for people.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
use nix::fcntl::{Flock, FlockArg};
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};
use tracing::warn;

use super::{Daemon, Place};

/// Counters change all the time: the file follows them no faster than this.
const REFRESH: Duration = Duration::from_secs(2);

/// Held while this is the only daemon of its `run_dir`.
pub(crate) struct SingleInstance(#[expect(dead_code, reason = "held, never read")] Flock<File>);

/// Makes sure that no other daemon runs with this `run_dir`.
pub(crate) fn single_instance(run_dir: &Path) -> anyhow::Result<SingleInstance> {
    let path = run_dir.join("daemon.lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(SingleInstance(lock)),
        Err(_) => Err(anyhow!(
            "another gadget-manager runs with run_dir {}; stop it first, or give this one a run_dir of its own",
            run_dir.display()
        )),
    }
}

/// Keeps the file true.
pub(crate) struct Publisher {
    path: PathBuf,
    last: Value,
    next: Instant,
    broken: bool,
}

impl Publisher {
    /// A publisher that has written nothing yet.
    pub(crate) fn new(run_dir: &Path) -> Self {
        Self {
            path: run_dir.join("status.json"),
            last: Value::Null,
            next: Instant::now(),
            broken: false,
        }
    }

    /// Returns when the file may have to change: something was reported, or the counters are old.
    pub(crate) async fn due(&self, changed: &mut watch::Receiver<()>) {
        tokio::select! {
            // The daemon itself holds the other end.
            _ = changed.changed() => {}
            () = tokio::time::sleep_until(self.next) => {}
        }
    }

    /// Writes the file if anything changed: aside and renamed, so that readers never see half of it.
    pub(crate) fn publish(&mut self, daemon: &Daemon) {
        self.next = Instant::now() + REFRESH;
        let now = report(daemon);
        if now == self.last {
            return;
        }
        let partial = self.path.with_extension("json.new");
        let written =
            std::fs::write(&partial, format!("{now:#}\n")).and_then(|()| std::fs::rename(&partial, &self.path));
        match written {
            Ok(()) => {
                self.broken = false;
                self.last = now;
            }
            Err(error) if !self.broken => {
                self.broken = true;
                warn!("{}: {error}", self.path.display());
            }
            Err(_) => {}
        }
    }

    /// Removes the file: nobody runs any more.
    pub(crate) fn remove(&self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// All that is known, without secrets.
fn report(daemon: &Daemon) -> Value {
    let disks: Vec<Value> = daemon
        .disks
        .iter()
        .map(|(name, runner)| {
            let state = runner.state();
            let state = state.borrow();
            let mut disk = json!(state.phase);
            disk["name"] = json!(name);
            disk["device_error"] = json!(state.device_error);
            disk["failed_writes"] = json!({ "requests": state.failed.requests(), "bytes": state.failed.bytes() });
            disk["device"] = json!(state.medium.as_ref().map(|medium| medium.path()));
            if let Some(stack) = &state.stack {
                disk["stack"] = json!(stack.description);
                disk["properties"] = json!(stack.disk.properties());
                disk["status"] = json!(*stack.disk.status().borrow());
                disk["statistics"] = json!(stack.statistics.snapshot());
            }
            disk
        })
        .collect();
    let moved: u64 = (daemon.disks.values())
        .filter_map(|runner| {
            let state = runner.state();
            let statistics = state.borrow().stack.as_ref()?.statistics.snapshot();
            Some(statistics.read.bytes + statistics.write.bytes)
        })
        .sum();
    let servers: Vec<Value> = daemon
        .servers
        .iter()
        .map(|server| {
            let disks: Vec<_> = server.config().disks.iter().map(|disk| disk.get_ref()).collect();
            json!({ "address": server.address(), "disks": disks })
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "configuration": daemon.loaded.file,
        "disks": disks,
        "bytes_moved": moved,
        "nbd": servers,
        "setup_stick": daemon.setup.as_ref().map(|(place, _)| match place {
            Place::Instead => "instead",
            Place::Beside => "beside",
        }),
        "gadget": daemon.usb.as_ref().map(|usb| json!(usb.remote().report())),
    })
}
