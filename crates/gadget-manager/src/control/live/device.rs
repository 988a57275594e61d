//! The board.

use std::fs;

use time::OffsetDateTime;
use web::api::{Clock, ClockSource, Device, Memory, Problem, ProblemCode};

use super::events;
use crate::{
    config::Loaded,
    control::{configuration::Wiper, update},
    doctor,
};

/// What does not change while the daemon runs.
pub(super) struct Machine {
    board: Option<String>,
    kernel: String,
    serial: String,
    started: OffsetDateTime,
}

impl Machine {
    /// Looks at it.
    pub(super) fn look() -> Self {
        let name = |path: &str| {
            let text = fs::read_to_string(path).ok()?;
            let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned();
            (!text.is_empty()).then_some(text)
        };
        Self {
            board: name("/proc/device-tree/model").or_else(|| name("/sys/class/dmi/id/product_name")),
            kernel: nix::sys::utsname::uname()
                .map(|name| name.release().to_string_lossy().into_owned())
                .unwrap_or_default(),
            serial: gadget::machine_serial().serial,
            started: OffsetDateTime::now_utc(),
        }
    }

    /// The serial number of the machine itself.
    pub(super) fn serial(&self) -> &str {
        &self.serial
    }

    /// As the page sees it, now.
    pub(super) fn device(&self, loaded: &Loaded) -> Device {
        let configured = loaded.config.gadget.as_ref().and_then(|gadget| gadget.serial.clone());
        let now = OffsetDateTime::now_utc();
        Device {
            name: loaded.config.name.get_ref().clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            board: self.board.clone(),
            kernel: self.kernel.clone(),
            serial: configured.unwrap_or_else(|| self.serial.clone()),
            started: self.started,
            clock: Clock {
                now,
                source: clock_source(),
            },
            memory: memory(),
            updates: update::view(),
            wipes: Wiper::find().is_some(),
            problems: [events::since_start(&loaded.config.run_dir), problems(loaded, now)].concat(),
        }
    }
}

fn problems(loaded: &Loaded, now: OffsetDateTime) -> Vec<Problem> {
    let mut problems = Vec::new();
    if u64::try_from(now.unix_timestamp()).unwrap_or(0) < doctor::EARLIEST {
        problems.push(
            Problem::new(ProblemCode::Invalid, "the clock is before 2025")
                .remedy("see that the device reaches a time server: stores refuse what is signed with a wrong time"),
        );
    }
    for warning in &loaded.warnings {
        // Without a disk there is nothing that anybody could see; the page says so in its own way.
        if loaded.config.disks.is_empty() {
            break;
        }
        let problem = Problem::new(ProblemCode::Invalid, warning.message.clone());
        problems.push(match &warning.remedy {
            Some(remedy) => problem.remedy(remedy),
            None => problem,
        });
    }
    problems
}

/// Whether something keeps the kernel's clock in step (adjtimex(2): `STA_UNSYNC`).
fn clock_source() -> ClockSource {
    // SAFETY: `timex` consists of integers, for all of which zero is a value.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a `timex` of ours; no mode is set, so that the kernel only fills it.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state >= 0 && timex.status & libc::STA_UNSYNC == 0 {
        ClockSource::Network
    } else {
        ClockSource::Unknown
    }
}

/// Memory of the machine (`/proc/meminfo`) and of this process (`/proc/self/statm`, in pages).
fn memory() -> Memory {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib: Option<u64> = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        kib.unwrap_or(0) << 10
    };
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    let page = page
        .ok()
        .flatten()
        .and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096);
    Memory {
        total: field("MemTotal:"),
        available: field("MemAvailable:"),
        daemon: pages * page,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_can_be_looked_at() {
        let memory = memory();
        assert!(memory.total > memory.available && memory.available > memory.daemon && memory.daemon > 0);
        let machine = Machine::look();
        assert!(!machine.kernel.is_empty() && machine.serial().len() >= 12);
    }
}
