//! What the kernel says a process has used.

use std::fs;

use anyhow::{Context, Result};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};

/// CPU time and memory of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time so far, in seconds.
    pub(crate) cpu: f64,
    /// Most memory it ever had resident, in bytes (`VmHWM`).
    pub(crate) peak: u64,
}

/// Reads `/proc/PID/stat` and `/proc/PID/status` (proc(5)).
pub(crate) fn usage(pid: u32) -> Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the server is gone")?;
    // The name in parentheses may hold anything; after it, utime and stime are fields 12 and 13.
    let (_, rest) = stat.rsplit_once(") ").context("/proc/PID/stat has no name")?;
    let mut ticks = rest.split(' ').skip(11).map(str::parse::<u64>);
    let mut next = || {
        ticks
            .next()
            .context("/proc/PID/stat is too short")?
            .context("/proc/PID/stat")
    };
    let total = next()? + next()?;
    // SAFETY: sysconf reads a constant of the system and touches no memory of ours.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|value| value.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .context("/proc/PID/status has no VmHWM")?;
    Ok(Usage {
        cpu: total as f64 / per_second as f64,
        peak: peak << 10,
    })
}

/// CPU seconds of all children of this process that have ended and been waited for.
pub(crate) fn children() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("getrusage")?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}
