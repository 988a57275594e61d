//! Measures the NBD path side by side with somebody else's: `scripts/bench` runs it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod azurite;
mod ceph;
mod contender;
mod file;
mod fio;
mod processors;
mod report;
mod sample;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use report::Table;

/// What to measure and how long.
#[derive(Debug, Clone)]
struct Settings {
    /// The `gadget-manager` to measure.
    program: PathBuf,
    /// Each contender runs this often, by turns.
    rounds: usize,
    /// Length of a run.
    duration: Duration,
    /// Measure on a local file.
    file: bool,
    /// Measure on Azurite.
    azurite: bool,
    /// Measure on a Ceph cluster.
    ceph: bool,
    /// With the objects on a disk, as clusters have them, instead of in memory.
    bluestore: bool,
    /// Measure only rows whose name contains this.
    row: String,
    /// Where the local file goes.
    folder: PathBuf,
    /// Where the results go: a Markdown file with markers, and JSON beside the other build results.
    page: Option<PathBuf>,
    /// Fail when a promise is not kept.
    check: bool,
}

fn settings() -> Result<Settings> {
    let mut settings = Settings {
        program: PathBuf::new(),
        rounds: 5,
        duration: Duration::from_secs(5),
        file: true,
        azurite: true,
        ceph: true,
        bluestore: false,
        row: String::new(),
        folder: std::env::temp_dir(),
        page: None,
        check: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--program" => settings.program = value()?.into(),
            "--rounds" => settings.rounds = value()?.parse().context("--rounds")?,
            "--seconds" => settings.duration = Duration::from_secs(value()?.parse().context("--seconds")?),
            "--only" => {
                let only = value()?;
                if !["file", "azurite", "ceph"].contains(&only.as_str()) {
                    bail!("--only takes \"file\", \"azurite\" or \"ceph\"");
                }
                settings.file = only == "file";
                settings.azurite = only == "azurite";
                settings.ceph = only == "ceph";
            }
            "--row" => settings.row = value()?,
            "--folder" => settings.folder = value()?.into(),
            "--page" => settings.page = Some(value()?.into()),
            "--bluestore" => settings.bluestore = true,
            "--check" => settings.check = true,
            _ => bail!("unknown option {argument}; see scripts/bench --help"),
        }
    }
    if settings.rounds == 0 || settings.duration.is_zero() {
        bail!("--rounds and --seconds must be above 0");
    }
    // Absolute, since servers start in folders of their own.
    settings.program = std::fs::canonicalize(&settings.program).context("--program must be a built gadget-manager")?;
    Ok(settings)
}

#[tokio::main]
async fn main() -> Result<()> {
    let settings = settings()?;
    // reqwest refuses to start without one, even for plain HTTP.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut tables: Vec<Table> = Vec::new();
    if settings.file {
        tables.push(file::measure(&settings).await?);
    }
    if settings.azurite {
        tables.push(azurite::measure(&settings).await?);
    }
    if settings.ceph {
        tables.extend(ceph::measure(&settings).await?);
    }
    let text = report::render(&settings, &tables)?;
    println!("{text}");
    if let Some(page) = &settings.page {
        report::write_page(page, &text)?;
        println!("written to {}", page.display());
    }
    let broken: Vec<String> = tables.iter().flat_map(Table::broken_promises).collect();
    for promise in &broken {
        eprintln!("not reached: {promise}");
    }
    if settings.check && !broken.is_empty() {
        bail!("{} figures are not as promised", broken.len());
    }
    Ok(())
}
