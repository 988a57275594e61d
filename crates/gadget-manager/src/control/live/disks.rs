//! The disks: what they are up to, the way from the host to their blocks, and what goes through it.

use std::{collections::BTreeMap, time::Instant};

use block::{
    Health,
    layers::{OperationStats, StatsSnapshot},
};
use time::OffsetDateTime;
use web::api::{
    Counters, Disk, DiskPhase, Limits, Link, LinkKind, LinkState, Medium, Operation, Problem, ProblemCode, Usb,
};

use super::rates::Rates;
use crate::{
    config::model::{DiskConfig, LimitConfig},
    control::{kinds, problem},
    daemon::{
        View,
        disk::{Phase, State},
    },
};

/// What has to be remembered of the disks between two looks.
#[derive(Default)]
pub(super) struct Disks {
    known: BTreeMap<String, Known>,
}

struct Known {
    phase: DiskPhase,
    since: OffsetDateTime,
    rates: Rates,
}

/// What is known of a disk at one moment.
struct Seen {
    phase: DiskPhase,
    problem: Option<Problem>,
    size: Option<u64>,
    statistics: Option<StatsSnapshot>,
    device: Option<String>,
}

impl Disks {
    /// How they are at this moment, in the order of the configuration.
    pub(super) fn look(&mut self, view: &View, usb: &Usb) -> Vec<Disk> {
        let configured = &view.loaded.config.disks;
        self.known
            .retain(|name, _| configured.iter().any(|disk| disk.name.get_ref() == name));
        configured.iter().map(|disk| self.disk(view, usb, disk)).collect()
    }

    fn disk(&mut self, view: &View, usb: &Usb, config: &DiskConfig) -> Disk {
        let name = config.name.get_ref();
        let seen = match view.disk(name) {
            Some(state) => seen(&state.borrow()),
            None => closed(name),
        };
        let now = OffsetDateTime::now_utc();
        let known = self.known.entry(name.clone()).or_insert_with(|| Known {
            phase: seen.phase,
            since: now,
            rates: Rates::default(),
        });
        if known.phase != seen.phase {
            known.phase = seen.phase;
            known.since = now;
        }
        let counters = seen
            .statistics
            .as_ref()
            .map(|statistics| counters(statistics, &mut known.rates));
        Disk {
            name: name.clone(),
            store: config.store.as_ref().map(|store| store.get_ref().clone()),
            image: match (&config.image, &config.path) {
                (Some(image), _) => image.get_ref().clone(),
                (None, Some(path)) => path.display().to_string(),
                (None, None) => String::new(),
            },
            read_only: config.is_read_only(),
            limits: limits(&config.limit),
            phase: seen.phase,
            since: known.since,
            size: seen.size,
            path: way(view, usb, config, &seen),
            problem: seen.problem,
            counters,
        }
    }
}

fn seen(state: &State) -> Seen {
    let mut problem = state.failure.as_ref().map(problem::of_store);
    let phase = match &state.phase {
        Phase::Opening { .. } => DiskPhase::Opening,
        Phase::Fenced { .. } => DiskPhase::Fenced,
        Phase::Closed => DiskPhase::Closed,
        Phase::Open => match state
            .stack
            .as_ref()
            .map(|stack| stack.disk.status().borrow().health.clone())
        {
            Some(Health::Unreachable { error, .. }) => {
                problem = Some(problem::of_block(&error));
                DiskPhase::Offline
            }
            Some(Health::Fenced { error }) => {
                problem = Some(problem::of_block(&error));
                DiskPhase::Fenced
            }
            Some(Health::Closed) => DiskPhase::Closed,
            Some(Health::Online) | None => DiskPhase::Online,
        },
    };
    if let Some(error) = &state.device_error {
        problem.get_or_insert_with(|| {
            Problem::new(ProblemCode::Unsupported, format!("no kernel device: {error}"))
                .remedy("run the doctor: it says what is missing")
        });
    }
    Seen {
        phase,
        problem,
        size: state.stack.as_ref().map(|stack| stack.disk.status().borrow().size),
        statistics: state.stack.as_ref().map(|stack| stack.statistics.snapshot()),
        device: state.medium.as_ref().map(|medium| medium.path().display().to_string()),
    }
}

/// A disk that is kept closed for something that is done to its image.
fn closed(name: &str) -> Seen {
    Seen {
        phase: DiskPhase::Closed,
        problem: Some(
            Problem::new(
                ProblemCode::Conflict,
                format!("disk \"{name}\" is closed while its image is worked on"),
            )
            .remedy("it opens again by itself"),
        ),
        size: None,
        statistics: None,
        device: None,
    }
}

fn limits(limit: &LimitConfig) -> Limits {
    Limits {
        read_bytes: limit.read_bytes.map_or(0, |size| size.0),
        write_bytes: limit.write_bytes.map_or(0, |size| size.0),
        read_requests: limit.read_requests.unwrap_or(0),
        write_requests: limit.write_requests.unwrap_or(0),
    }
}

/// The stations from the front ends to the blocks.
fn way(view: &View, usb: &Usb, config: &DiskConfig, seen: &Seen) -> Vec<Link> {
    let name = config.name.get_ref();
    let link = |kind, state, detail| Link { kind, state, detail };
    let mut way = Vec::new();
    let lun = usb.luns.iter().position(|lun| lun.settings.disk.as_ref() == Some(name));
    if let Some(index) = lun {
        let state = match usb.luns[index].medium {
            _ if usb.problem.is_some() => LinkState::Broken,
            Medium::Inserted => LinkState::Good,
            Medium::Waiting => LinkState::Starting,
            Medium::Empty | Medium::EjectedByHost | Medium::Ejected => LinkState::Waiting,
        };
        way.push(link(LinkKind::Stick, state, Some(format!("LUN {index}"))));
        let state = match (&seen.device, seen.phase) {
            (Some(_), _) => LinkState::Good,
            (None, DiskPhase::Online | DiskPhase::Offline) if seen.problem.is_some() => LinkState::Broken,
            (None, DiskPhase::Fenced | DiskPhase::Closed) => LinkState::Broken,
            (None, _) => LinkState::Starting,
        };
        way.push(link(LinkKind::KernelDevice, state, seen.device.clone()));
    }
    for server in &view.servers {
        if server.config.disks.iter().any(|disk| disk.get_ref() == name) {
            let address = server.address();
            let state = match address {
                Some(_) => LinkState::Good,
                None => LinkState::Starting,
            };
            way.push(link(LinkKind::Nbd, state, address));
        }
    }
    if config.limit != LimitConfig::default() {
        way.push(link(LinkKind::Throttle, LinkState::Good, None));
    }
    let state = match seen.phase {
        DiskPhase::Online => LinkState::Good,
        DiskPhase::Offline => LinkState::Waiting,
        DiskPhase::Opening => match &seen.problem {
            None => LinkState::Starting,
            Some(problem) if problem.code == ProblemCode::Unreachable => LinkState::Waiting,
            Some(_) => LinkState::Broken,
        },
        DiskPhase::Fenced | DiskPhase::Closed => LinkState::Broken,
    };
    let store = config.store.as_ref().and_then(|name| {
        let mut stores = view.loaded.config.stores.iter();
        stores.find(|store| store.name == *name.get_ref())
    });
    let detail = store.map(|store| kinds::of(&store.kind).describe_store(&store.kind));
    way.push(link(LinkKind::Store, state, detail));
    way
}

fn counters(statistics: &StatsSnapshot, rates: &mut Rates) -> Counters {
    let (write, zeroes) = (&statistics.write, &statistics.write_zeroes);
    let written = write.bytes + zeroes.bytes;
    let [reads, writes] = rates.take(Instant::now(), [statistics.read.bytes, written]);
    let all = [&statistics.read, write, zeroes, &statistics.discard, &statistics.flush];
    let in_flight: u64 = all.iter().map(|operation| operation.in_flight).sum();
    Counters {
        read: operation(&statistics.read, reads),
        write: Operation {
            requests: write.completed + zeroes.completed,
            errors: write.errors + zeroes.errors,
            bytes: written,
            ..operation(write, writes)
        },
        flush: operation(&statistics.flush, 0.0),
        in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
    }
}

fn operation(of: &OperationStats, rate: f64) -> Operation {
    let quantile = |part| of.latency.quantile(part).as_secs_f64() * 1000.0;
    Operation {
        requests: of.completed,
        errors: of.errors,
        bytes: of.bytes,
        rate,
        median_ms: quantile(0.5),
        p99_ms: quantile(0.99),
    }
}
