//! The command line.

mod check;
mod disk;
mod doctor;
mod format;
mod live;
pub(crate) mod nbd;
mod output;
mod run;
mod update;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use crate::{
    config::{
        self, Loaded,
        model::{DiskConfig, LogFormat, StoreKind},
    },
    exit::Failure,
    logging,
};

/// Where the configuration is unless the command line or the environment says otherwise.
const DEFAULT_CONFIG: &str = "/etc/cloud-stick/gadget-manager.toml";

/// Shows a USB host a stick whose blocks live in the cloud.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 unusable configuration, 4 not found, \
5 access denied, 6 store unreachable, 7 in use by somebody else, 8 exists already, 9 doctor found a problem."
)]
struct Arguments {
    /// The configuration file; secrets.toml is expected beside it.
    #[arg(long, short, global = true, env = "CLOUD_STICK_CONFIG", default_value = DEFAULT_CONFIG, value_name = "FILE")]
    config: PathBuf,
    /// What to log, instead of what the configuration says: error, warn, info, debug, trace or a filter.
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
    /// How to log: for people or for programs.
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the disks: USB gadget, NBD servers. Ends cleanly on SIGTERM, reloads on SIGHUP.
    Run,
    /// Say how the running daemon is: stick, disks, page.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put the disk of a LUN back into the stick.
    Insert(live::Unit),
    /// Take the disk of a LUN out of the stick once everything is written; it stays out until it is inserted.
    Eject {
        #[command(flatten)]
        unit: live::Unit,
        /// Also if the USB host has locked it: what it has not written is lost.
        #[arg(long)]
        force: bool,
    },
    /// Show the USB host a small stick with the page's address and, while the device has no owner, its claim code; files for
    /// the set-up can be dropped on it. It goes when the host ejects it.
    SetupStick {
        /// Show the disks again.
        #[arg(long)]
        end: bool,
    },
    /// Show the code with which a phone claims this device while it has no owner.
    ClaimCode,
    /// Make the device forget its owner, sessions and tokens, as after a forgotten password. Disks and stores stay.
    ForgetOwner {
        /// Do it without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Say what is wrong with the configuration, with lines and remedies.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look at kernel, USB controller, rights, clock and stores, and say what to do about what is wrong.
    Doctor {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Update the whole system, where the machine has slots for that.
    #[command(subcommand)]
    Update(update::Command),
    /// Manage the images of the configured stores.
    #[command(subcommand)]
    Disk(disk::Command),
    /// Write out the page cache of a block device: for the daemon's own use.
    #[command(name = crate::daemon::limits::COMMAND, hide = true)]
    WriteOut {
        /// The block device.
        device: PathBuf,
    },
    /// Serve one disk by NBD until interrupted.
    Nbd(nbd::Options),
}

/// Parses the arguments, carries out the command and says how it went.
pub fn main_entry() -> ExitCode {
    let arguments = Arguments::parse();
    // One process-wide TLS provider: ring, as everywhere here. It can only be set already, to the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = execute(&arguments);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Reported(_)) {
                eprintln!("gadget-manager: {failure}");
            }
            failure.code().into()
        }
    }
}

fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let logging = |loaded: Option<&Loaded>, default: &str| {
        let configured = loaded.map(|loaded| loaded.config.log.clone());
        let level = arguments
            .log
            .clone()
            .or(configured.as_ref().map(|log| log.level.clone()));
        let format = arguments
            .log_format
            .or(configured.map(|log| log.format))
            .unwrap_or(LogFormat::Text);
        logging::start(level.as_deref().unwrap_or(default), format, arguments.log.is_some()).map_err(Failure::from)
    };
    match &arguments.command {
        Command::Check { json } => check::check(&arguments.config, *json),
        Command::WriteOut { device } => crate::daemon::limits::write_out_here(device)
            .map_err(|error| anyhow::anyhow!("{}: {error}", device.display()).into()),
        Command::Run => {
            crate::control::recover(&arguments.config).map_err(anyhow::Error::new)?;
            let loaded = config::load(&arguments.config).inspect_err(run::remember)?;
            let log = logging(Some(&loaded), "info")?;
            // The page may add disks later.
            let threads = FILE_THREADS * local_disks(&loaded).max(LATER_DISKS) + OTHER_THREADS;
            block_on_with(threads, run::run(loaded, log))
        }
        Command::Doctor { json } => {
            // A doctor must help with a broken configuration as well.
            let loaded = config::load(&arguments.config);
            logging(None, "error")?;
            block_on(doctor::doctor(loaded, *json))
        }
        Command::Status { .. }
        | Command::Insert(_)
        | Command::Eject { .. }
        | Command::SetupStick { .. }
        | Command::ClaimCode
        | Command::ForgetOwner { .. } => {
            let loaded = config::load(&arguments.config)?;
            logging(None, "warn")?;
            block_on(talk(&loaded, &arguments.command))
        }
        Command::Update(command) => {
            logging(None, "warn")?;
            block_on(update::update(&arguments.config, command))
        }
        Command::Disk(command) => {
            let loaded = config::load(&arguments.config)?;
            logging(None, "warn")?;
            block_on(disk::disk(&loaded, command))
        }
        Command::Nbd(options) => {
            let loaded = if options.needs_configuration() {
                Some(config::load(&arguments.config)?)
            } else {
                None
            };
            logging(None, "info")?;
            block_on(nbd::nbd(loaded.as_ref(), options))
        }
    }
}

/// What one local disk may keep busy at most (`store-file` does so many requests at once), and room beside it for the look-up of
/// names and for sums: a disk on a dead network file system must not stop the others.
const FILE_THREADS: usize = 16;
const OTHER_THREADS: usize = 16;
/// Disks that may be added while the daemon runs: as many as a stick has LUNs.
const LATER_DISKS: usize = 8;

/// Disks whose requests are system calls on files.
fn local_disks(loaded: &Loaded) -> usize {
    let is_local = |disk: &DiskConfig| {
        let store = disk.store.as_ref().map(|store| store.get_ref());
        let kind = loaded.config.stores.iter().find(|known| Some(&known.name) == store);
        disk.path.is_some() || kind.is_some_and(|store| matches!(store.kind, StoreKind::File(_)))
    };
    loaded.config.disks.iter().filter(|disk| is_local(disk)).count()
}

/// Commands for the running daemon.
async fn talk(loaded: &Loaded, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Status { json } => live::status(loaded, *json).await,
        Command::Insert(unit) => live::insert(loaded, unit).await,
        Command::Eject { unit, force } => live::eject(loaded, unit, *force).await,
        Command::SetupStick { end } => live::setup_stick(loaded, !*end).await,
        Command::ClaimCode => live::claim_code(loaded).await,
        Command::ForgetOwner { yes } => live::forget_owner(loaded, *yes).await,
        // The others need no daemon.
        _ => Ok(()),
    }
}

fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    block_on_with(FILE_THREADS + OTHER_THREADS, work)
}

fn block_on_with(threads: usize, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // There only while they are busy.
        .max_blocking_threads(threads)
        .thread_keep_alive(Duration::from_secs(30))
        .build()
        .map_err(|error| Failure::Other(anyhow::Error::new(error).context("cannot start the runtime")))?;
    let result = runtime.block_on(work);
    // A thread that waits for a device nobody serves any more must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(5));
    result
}
