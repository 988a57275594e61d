//! Tries ublk devices out on a kernel that has them: everything that cannot be tested without the driver.
//!
//! ```text
//! ublk-check checks [NAME...]                       all checks, or those whose name contains one of the words
//! ublk-check serve NAME FILE [key=value...]         serves a file until SIGTERM (removes) or SIGUSR1 (detaches)
//!     or memory, as memory:BYTES instead of FILE
//!     state=DIR  delay=MILLISECONDS  deadline=MILLISECONDS  identity=TEXT  queues=N  depth=N  id=N
//! ublk-check list DIR | remove ID DIR | support
//! ```
//!
//! It needs root. Each check prints a line; the exit code is 0 if all passed.

mod checks;
mod file_disk;
mod kernel_disk;
mod lifecycle;
mod test_disk;

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use export_ublk::{Options, UblkDevice};
use file_disk::FileDisk;
use tokio::signal::unix::{SignalKind, signal};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Fails the check unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+).into());
        }
    };
}
use ensure;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["checks", names @ ..] => checks::run(names).await,
        ["serve", name, file, settings @ ..] => serve(name, Path::new(file), settings).await,
        ["list", state_dir] => list(Path::new(state_dir)).await,
        ["remove", id, state_dir] => remove(id, Path::new(state_dir)).await,
        ["support"] => support(),
        _ => {
            Err("usage: ublk-check checks | serve NAME FILE [key=value...] | list DIR | remove ID DIR | support".into())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(name: &str, file: &Path, settings: &[&str]) -> Result {
    let mut options = Options::default();
    let mut delay = Duration::ZERO;
    for setting in settings {
        let (key, value) = setting.split_once('=').ok_or_else(|| format!("{setting}: key=value"))?;
        let milliseconds = || value.parse().map(Duration::from_millis);
        match key {
            "state" => options.state_dir = value.into(),
            "identity" => options.identity = value.into(),
            "queues" => options.queues = value.parse()?,
            "depth" => options.depth = value.parse()?,
            "id" => options.id = Some(value.parse()?),
            "delay" => delay = milliseconds()?,
            "deadline" => options.deadline = milliseconds()?,
            _ => return Err(format!("{key}: unknown").into()),
        }
    }
    let (mut terminate, mut detach) = (signal(SignalKind::terminate())?, signal(SignalKind::user_defined1())?);
    let disk: block::Disk = match file.to_str().and_then(|file| file.strip_prefix("memory:")) {
        Some(size) => Arc::new(block::MemoryDevice::new(size.parse()?)?),
        None => Arc::new(FileDisk::open(file, delay)?),
    };
    let device = UblkDevice::start(name, disk, options).await?;
    let how = if device.recovered() { "recovered" } else { "new" };
    println!("{} {how}", device.path().display());
    tokio::select! {
        _ = terminate.recv() => device.remove().await?,
        _ = detach.recv() => device.detach().await,
        () = device.stopped() => return Err("the device was stopped by somebody else".into()),
    }
    Ok(())
}

async fn list(state_dir: &Path) -> Result {
    for device in export_ublk::leftovers(state_dir).await? {
        let whose = if device.ours { "ours" } else { "foreign" };
        let name = device.name.as_deref().unwrap_or("-");
        println!("{} {whose} {name} {:?}", device.id, device.state);
    }
    Ok(())
}

async fn remove(id: &str, state_dir: &Path) -> Result {
    Ok(export_ublk::remove_leftover(id.parse()?, state_dir).await?)
}

fn support() -> Result {
    let support = export_ublk::support();
    for check in &support.checks {
        let ok = if check.ok { "ok" } else { "missing" };
        println!(
            "{ok}: {}: {}{}",
            check.name,
            check.found,
            check.remedy.as_deref().map(|r| format!(": {r}")).unwrap_or_default()
        );
    }
    ensure!(support.usable(), "ublk devices cannot be made");
    Ok(())
}
