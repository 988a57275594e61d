//! From runs to tables.

use std::{fmt::Write, fs, path::Path, process::Command};

use anyhow::{Context, Result};
use testkit::program;

use crate::{Settings, fio::Workload};

/// What must never be exceeded with 8 MiB in flight, in bytes.
const MEMORY_PROMISE: u64 = 40 << 20;
const BEGIN: &str = "<!-- figures: written by scripts/bench -->";
const END: &str = "<!-- end of figures -->";

/// One run of one contender.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Bytes moved.
    pub(crate) bytes: u64,
    /// Bytes per second.
    pub(crate) throughput: f64,
    /// CPU seconds of the server for each GiB.
    pub(crate) cpu_per_gib: Option<f64>,
    /// CPU seconds of the service behind the server for each GiB.
    pub(crate) service_cpu_per_gib: Option<f64>,
    /// Peak resident memory of the server, in bytes.
    pub(crate) peak: Option<u64>,
}

/// Both contenders in one workload.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) workload: Workload,
    /// Whether both contenders send MD5 sums, where they can choose.
    pub(crate) md5: Option<bool>,
    pub(crate) ours: Vec<Run>,
    pub(crate) theirs: Vec<Run>,
}

/// What is to be reached, as ratios of ours to theirs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promise {
    pub(crate) throughput: f64,
    pub(crate) cpu: Option<f64>,
}

/// One comparison.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) them: String,
    pub(crate) promise: Promise,
    pub(crate) rows: Vec<Row>,
}

impl Row {
    pub(crate) fn new(workload: Workload) -> Self {
        Self {
            workload,
            md5: None,
            ours: Vec::new(),
            theirs: Vec::new(),
        }
    }

    pub(crate) fn with_md5(workload: Workload, md5: bool) -> Self {
        Self {
            md5: Some(md5),
            ..Self::new(workload)
        }
    }

    pub(crate) fn name(&self) -> String {
        let note = match self.md5 {
            Some(true) => ", MD5",
            Some(false) => ", no MD5",
            None => "",
        };
        format!("{}{note}", self.workload.name())
    }

    /// Median of the ratios of neighbouring runs, which the machine's moods meet alike.
    fn ratio(&self, value: impl Fn(&Run) -> Option<f64>) -> Option<f64> {
        let pairs = self.ours.iter().zip(&self.theirs);
        let ratios: Vec<f64> = pairs
            .filter_map(|(ours, theirs)| Some(value(ours)? / value(theirs)?))
            .collect();
        spread(ratios).map(|(_, median, _)| median)
    }

    fn throughput_ratio(&self) -> f64 {
        self.ratio(|run| Some(run.throughput)).unwrap_or(0.0)
    }

    fn cpu_ratio(&self) -> Option<f64> {
        self.ratio(|run| run.cpu_per_gib)
    }

    fn peak(&self) -> u64 {
        self.ours.iter().filter_map(|run| run.peak).max().unwrap_or(0)
    }
}

impl Table {
    /// Sentences about what was not reached.
    pub(crate) fn broken_promises(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for row in &self.rows {
            let name = row.name();
            let (ratio, wanted) = (row.throughput_ratio(), self.promise.throughput);
            if ratio < wanted {
                broken.push(format!(
                    "{name}: {ratio:.2} of {}, at least {wanted} was promised",
                    self.them
                ));
            }
            if let (Some(ratio), Some(most)) = (row.cpu_ratio(), self.promise.cpu)
                && ratio > most
            {
                broken.push(format!(
                    "{name}: {ratio:.2} times the CPU time of {}, at most {most} was promised",
                    self.them
                ));
            }
            if row.peak() >= MEMORY_PROMISE {
                let (peak, most) = (mib(row.peak() as f64), MEMORY_PROMISE >> 20);
                broken.push(format!("{name}: {peak:.1} MiB resident, less than {most} was promised"));
            }
        }
        broken
    }

    fn render(&self, out: &mut String) -> Result<()> {
        let them = &self.them;
        let with_cpu = self.promise.cpu.is_some();
        writeln!(out, "### {}\n", self.title)?;
        write!(
            out,
            "| workload | ours | {them} | ratio (at least {}) | CPU s/GiB",
            self.promise.throughput
        )?;
        match self.promise.cpu {
            Some(most) => writeln!(out, " ours | CPU s/GiB {them} | ratio (at most {most}) | peak memory |")?,
            None => writeln!(
                out,
                " ours | CPU s/GiB of the service with ours | with {them} | peak memory |"
            )?,
        }
        writeln!(out, "|---|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let ours = throughput(row.workload, &row.ours);
            let theirs = throughput(row.workload, &row.theirs);
            let ratio = row.throughput_ratio();
            write!(
                out,
                "| {} | {ours} | {theirs} | **{ratio:.2}** | {}",
                row.name(),
                cpu(&row.ours, |run| run.cpu_per_gib)
            )?;
            if let Some(ratio) = row.cpu_ratio().filter(|_| with_cpu) {
                write!(out, " | {} | **{ratio:.2}**", cpu(&row.theirs, |run| run.cpu_per_gib))?;
            } else {
                let (ours, theirs) = (&row.ours, &row.theirs);
                let service = |runs| cpu(runs, |run| run.service_cpu_per_gib);
                write!(out, " | {} | {}", service(ours), service(theirs))?;
            }
            writeln!(out, " | {:.1} MiB |", mib(row.peak() as f64))?;
        }
        writeln!(out)?;
        Ok(())
    }
}

/// Smallest, median and largest.
fn spread(mut values: Vec<f64>) -> Option<(f64, f64, f64)> {
    values.sort_by(f64::total_cmp);
    let (first, last) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 {
        values[middle]
    } else {
        values[middle - 1].midpoint(values[middle])
    };
    Some((first, median, last))
}

fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

fn throughput(workload: Workload, runs: &[Run]) -> String {
    let Some((low, median, high)) = spread(runs.iter().map(|run| run.throughput).collect()) else {
        return "-".to_owned();
    };
    if workload.random {
        let requests = |value: f64| value / workload.block as f64;
        format!(
            "{:.0} requests/s ({:.0}-{:.0})",
            requests(median),
            requests(low),
            requests(high)
        )
    } else {
        format!("{:.0} MiB/s ({:.0}-{:.0})", mib(median), mib(low), mib(high))
    }
}

fn cpu(runs: &[Run], value: impl Fn(&Run) -> Option<f64>) -> String {
    match spread(runs.iter().filter_map(value).collect()) {
        Some((low, median, high)) => format!("{median:.2} ({low:.2}-{high:.2})"),
        None => "-".to_owned(),
    }
}

/// The tables with what they were measured on and with.
pub(crate) fn render(settings: &Settings, tables: &[Table]) -> Result<String> {
    let mut out = String::new();
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("CPU", |(_, name)| name);
    // Not those that this process may still use: it may have bound itself to some.
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    writeln!(
        out,
        "Measured on {count} x {model}, Linux {}, with {}, {} and Node.js {} under Azurite.",
        kernel.trim(),
        version("fio")?,
        version("qemu-nbd")?,
        version("node")?
    )?;
    let seconds = settings.duration.as_secs();
    writeln!(
        out,
        "{} runs of {seconds} s each, by turns; median (smallest-largest).\n",
        settings.rounds
    )?;
    for table in tables {
        table.render(&mut out)?;
    }
    Ok(out)
}

/// First line of `PROGRAM --version`, without what packagers add.
fn version(name: &str) -> Result<String> {
    let output = Command::new(program::locate(name)).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .next()
        .unwrap_or_default()
        .split(" (")
        .next()
        .unwrap_or_default()
        .to_owned())
}

/// Puts the tables between the markers of a page.
pub(crate) fn write_page(page: &Path, tables: &str) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
    let missing = || format!("{} lacks the line {BEGIN} or {END}", page.display());
    let (before, rest) = text.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    fs::write(page, format!("{before}{BEGIN}\n\n{}\n{END}{after}", tables.trim_end()))?;
    Ok(())
}
