//! `update`: the whole system, where the machine has slots for it.
//!
//! `status`, `install` and `restart` ask the running daemon. `confirm`, `reject` and `settle` are for the start of the system
//! (`rootfs-overlay/usr/lib/cloud-stick/services/trial`): they judge the daemon, so that they do not rely on it more than they must.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use serde_json::{Value, json};
use update::{
    outcome::{self, Phase, Update},
    system::System,
};

use super::live::Daemon;
use crate::{
    config::{self, Loaded},
    control,
    exit::Failure,
};

/// How often a running task is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long after a start a store is only late: the network may come up after the daemon.
const NETWORK: Duration = Duration::from_secs(150);
/// How long the page may take to answer.
const PAGE: Duration = Duration::from_secs(10);

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say which version runs, where it comes from, and what became of the last update.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Install a bundle beside the running system; the next start tries it, and goes back if it does not work.
    Install {
        /// A file, or an address: https://…
        bundle: String,
        /// Also a version that is older than the running one.
        #[arg(long)]
        allow_older: bool,
    },
    /// Restart the device, so that it tries the update that is installed.
    Restart,
    /// Keep the running system if it works: the daemon answers, its stick is served, its page answers. Exit code 1 if it does not.
    Confirm,
    /// Give the running system up: the next start is that of the system before it. Only while it is on trial.
    Reject {
        /// Why, for the page.
        #[arg(long, default_value = "it was rejected")]
        reason: String,
    },
    /// Tell of an update that was tried and did not work, once.
    Settle,
}

/// Carries it out.
pub(super) async fn update(config: &Path, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Status { json } => status(&config::load(config)?, *json).await,
        Command::Install { bundle, allow_older } => install(&config::load(config)?, bundle, *allow_older).await,
        Command::Restart => restart(&config::load(config)?).await,
        Command::Confirm => confirm(&config::load(config)?).await,
        Command::Reject { reason } => {
            let rejected = outcome::reject(&system()?, reason).map_err(failure)?;
            println!(
                "{}",
                if rejected {
                    "The next start is that of the system before."
                } else {
                    "The running system is not on trial."
                }
            );
            Ok(())
        }
        Command::Settle => {
            if let Some(update) = outcome::settle(&system()?).map_err(failure)? {
                println!("{}", told(&update));
            }
            Ok(())
        }
    }
}

/// The system of this machine.
fn system() -> Result<System, Failure> {
    let folder = control::update_folder();
    let found = System::open(&folder).map_err(failure)?;
    let none = || {
        anyhow!(
            "this machine cannot be updated as a whole: {} is not there",
            folder.display()
        )
    };
    found.ok_or_else(|| none().into())
}

fn failure(error: update::Error) -> Failure {
    match error.remedy() {
        Some(remedy) => anyhow!("{error}; {remedy}").into(),
        None => anyhow!("{error}").into(),
    }
}

/// What became of it, in a sentence.
fn told(update: &Update) -> String {
    let version = &update.version;
    let reason = update
        .reason
        .as_ref()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    match update.phase {
        Phase::Ready => format!("version {version} is installed, and is tried at the next start"),
        Phase::Trial => format!("version {version} is being tried"),
        Phase::Confirmed => format!("version {version} was installed, and works"),
        Phase::FellBack => format!("version {version} did not work, and the version before is in force again{reason}"),
    }
}

async fn status(loaded: &Loaded, as_json: bool) -> Result<(), Failure> {
    let device = Daemon::of(loaded)?.ask(reqwest::Method::GET, "/device", None).await?;
    let updates = &device["updates"];
    if as_json {
        println!("{updates:#}");
        return Ok(());
    }
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    if updates.is_null() {
        println!(
            "version {}; this machine cannot be updated as a whole",
            text(&device["version"])
        );
        return Ok(());
    }
    println!(
        "version {}, channel {}, slot {}",
        text(&updates["version"]),
        text(&updates["channel"]),
        text(&updates["slot"])
    );
    let last = &updates["last"];
    if !last.is_null() {
        let reason = last["reason"]
            .as_str()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        let phase = text(&last["phase"]).replace('_', " ");
        println!(
            "last update: version {}, channel {}, {phase} since {}{reason}",
            text(&last["version"]),
            text(&last["channel"]),
            text(&last["time"])
        );
    }
    Ok(())
}

async fn install(loaded: &Loaded, bundle: &str, allow_older: bool) -> Result<(), Failure> {
    let daemon = Daemon::of(loaded)?;
    let started = if bundle.contains("://") {
        let body = json!({"url": bundle, "allow_older": allow_older});
        daemon.ask(reqwest::Method::POST, "/update/fetch", Some(body)).await?
    } else {
        let file = tokio::fs::File::open(bundle).await.with_context(|| bundle.to_owned())?;
        daemon
            .send_file(&format!("/update/install?allow_older={allow_older}"), file)
            .await?
    };
    let path = format!("/tasks/{}", started["task"]);
    let bar = indicatif::ProgressBar::new(0).with_style(
        indicatif::ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}")
            .context("the progress bar's template")?,
    );
    loop {
        let task = daemon.ask(reqwest::Method::GET, &path, None).await?;
        match task["state"].as_str().unwrap_or_default() {
            "running" => {
                bar.set_length(task["progress"]["total"].as_u64().unwrap_or(0));
                bar.set_position(task["progress"]["done"].as_u64().unwrap_or(0));
                tokio::time::sleep(LOOK).await;
            }
            "succeeded" => {
                bar.finish_and_clear();
                println!("Installed. The next start tries it: gadget-manager update restart");
                return Ok(());
            }
            "failed" => return Err(super::live::failure(&task["problem"])),
            _ => return Err(anyhow!("the update was cancelled").into()),
        }
    }
}

async fn restart(loaded: &Loaded) -> Result<(), Failure> {
    Daemon::of(loaded)?
        .ask(reqwest::Method::POST, "/update/restart", None)
        .await?;
    println!("The device restarts.");
    Ok(())
}

async fn confirm(loaded: &Loaded) -> Result<(), Failure> {
    let system = system()?;
    judge(loaded).await?;
    if !outcome::confirm(&system).map_err(failure)? {
        println!("version {} was confirmed before", system.version);
        return Ok(());
    }
    match outcome::look(&system).map_err(failure)? {
        Some(update) => println!("{}", told(&update)),
        None => println!("version {} works", system.version),
    }
    Ok(())
}

/// Whether everything works that an update may break. A store that does not answer is not the update's fault, and a cable may be
/// out.
async fn judge(loaded: &Loaded) -> Result<(), Failure> {
    let state = Daemon::of(loaded)?.ask(reqwest::Method::GET, "/state", None).await?;
    let problem = &state["usb"]["problem"]["detail"];
    if let Some(problem) = problem.as_str() {
        return Err(anyhow!("the stick is not served: {problem}").into());
    }
    let absent = loaded.config.gadget.is_some() && state["usb"]["controller"].is_null();
    if absent && !(since_start()? >= NETWORK && waits_for_store(&state)) {
        return Err(anyhow!("the stick is not served yet").into());
    }
    let Some(web) = &loaded.config.web else { return Ok(()) };
    let default = || vec![SocketAddr::from(([0, 0, 0, 0], 80))];
    let Some(page) = web.http.clone().unwrap_or_else(default).into_iter().next() else {
        return Ok(());
    };
    page_answers(page).await
}

/// How long the machine has been up.
fn since_start() -> Result<Duration, Failure> {
    let up = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).context("the time since the start")?;
    Ok(up.into())
}

/// Whether the stick cannot be made since a store is away: a unit that must not be empty has to have its medium from the start. A disk
/// that is open and has no kernel device is another matter.
fn waits_for_store(state: &Value) -> bool {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let disks = list(&state["disks"]);
    let is_away = |name: &Value| {
        let mut disks = disks.iter().filter(|disk| &disk["name"] == name);
        disks.any(|disk| (disk["phase"] == "opening" || disk["phase"] == "fenced") && !disk["problem"].is_null())
    };
    let luns = list(&state["usb"]["luns"]);
    let mut fixed = luns
        .iter()
        .filter(|lun| lun["removable"] == false && lun["cdrom"] != true);
    fixed.any(|lun| is_away(&lun["disk"]))
}

/// Any answer of the page is one: it may send us to HTTPS, or not know us by this name.
async fn page_answers(page: SocketAddr) -> Result<(), Failure> {
    let host = if page.ip().is_unspecified() {
        [127, 0, 0, 1].into()
    } else {
        page.ip()
    };
    let address = SocketAddr::new(host, page.port());
    let ask = async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut connection = tokio::net::TcpStream::connect(address).await?;
        let request = format!("GET /api/v1/hello HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await?;
        let mut begin = [0; 8];
        connection.read_exact(&mut begin).await?;
        Ok::<_, std::io::Error>(begin.starts_with(b"HTTP/1."))
    };
    match tokio::time::timeout(PAGE, ask).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(anyhow!("what answers at {address} is not the page").into()),
        Ok(Err(error)) => Err(anyhow!("the page does not answer at {address}: {error}").into()),
        Err(_) => Err(anyhow!("the page does not answer at {address}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stick_waits_for_a_store_only_if_its_unit_cannot_be_empty_and_its_disk_is_not_open() {
        let waits = |removable: bool, phase: &str, problem: Value| {
            let disks =
                json!([{"name": "films", "phase": phase, "problem": problem}, {"name": "music", "phase": "online"}]);
            let luns = json!([{"disk": "music", "removable": false}, {"disk": "films", "removable": removable}]);
            waits_for_store(&json!({"usb": {"luns": luns}, "disks": disks}))
        };
        let away = json!({"code": "unreachable"});
        assert!(waits(false, "opening", away.clone()));
        assert!(waits(false, "fenced", away.clone()));
        assert!(!waits(true, "opening", away.clone()), "it may be empty");
        assert!(!waits(false, "opening", Value::Null), "it is about to open");
        assert!(!waits(false, "online", away), "it has no kernel device");
        assert!(!waits_for_store(&Value::Null));
    }

    #[test]
    fn what_became_of_an_update_is_told_with_its_reason() {
        let update = Update {
            version: "0.2.0".parse().unwrap(),
            channel: "release".to_owned(),
            phase: Phase::FellBack,
            time: time::OffsetDateTime::UNIX_EPOCH,
            reason: Some("the page does not answer".to_owned()),
        };
        let text = told(&update);
        assert!(
            text.contains("0.2.0") && text.ends_with(": the page does not answer"),
            "{text}"
        );
    }
}
