//! Processors for the service, and others for its clients.
//!
//! A store is a machine of its own. Here it shares one with its clients, and where those take turns with it, the figures say
//! how the scheduler felt. So the service gets half of the processors, and whoever asks it for something the other half.

use std::fs;

use anyhow::{Context, Result};
use nix::{
    errno::Errno,
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

/// The processors of this run, in two halves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Halves {
    service: CpuSet,
    clients: CpuSet,
}

impl Halves {
    /// Divides the processors this process may use. `None` on a machine with one.
    pub(crate) fn new() -> Result<Option<Self>> {
        let all = sched_getaffinity(Pid::from_raw(0)).context("cannot ask for the processors")?;
        let mut ours = Vec::new();
        for cpu in 0..CpuSet::count() {
            if all.is_set(cpu)? {
                ours.push(cpu);
            }
        }
        if ours.len() < 2 {
            return Ok(None);
        }
        let (service, clients) = ours.split_at(ours.len() / 2);
        Ok(Some(Self {
            service: set(service)?,
            clients: set(clients)?,
        }))
    }

    /// Moves the service.
    pub(crate) fn service(&self, pid: u32) -> Result<()> {
        pin(pid, &self.service)
    }

    /// Moves a client of it, and whatever that starts from now on.
    pub(crate) fn client(&self, pid: u32) -> Result<()> {
        pin(pid, &self.clients)
    }
}

fn set(cpus: &[usize]) -> Result<CpuSet> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu)?;
    }
    Ok(set)
}

/// Binds every thread of a process; threads and processes that these start later inherit it.
fn pin(pid: u32, cpus: &CpuSet) -> Result<()> {
    for thread in fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")? {
        let name = thread?.file_name();
        let thread = name
            .to_str()
            .and_then(|name| name.parse().ok())
            .context("/proc/PID/task")?;
        match sched_setaffinity(Pid::from_raw(thread), cpus) {
            // Threads come and go.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error).context(format!("cannot bind thread {thread}")),
        }
    }
    Ok(())
}
