//! Every layer keeps the contract.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::{
    future::{Ready, ready},
    num::NonZeroU64,
    sync::{Arc, Mutex},
    time::Duration,
};

use block::{
    Disk, MemoryDevice,
    conformance::{Case, Options, run_case},
    layers::{Action, DEFAULT_DEADLINE, Deadline, Fault, Limit, Limits, ReadOnly, Rule, Stats, Throttle, When},
};

fn memory(size: u64) -> Disk {
    Arc::new(MemoryDevice::new(size).unwrap())
}

mod throttle_unlimited {
    use super::*;

    fn open(size: u64) -> Ready<Disk> {
        ready(Arc::new(Throttle::new(memory(size), Limits::default())))
    }

    block::conformance_tests!(open, Options::default());
}

mod throttle_limited {
    use super::*;

    /// Limits far from what matters in time, but near enough to be waited for.
    fn open(size: u64) -> Ready<Disk> {
        let limit = Limit {
            bytes: NonZeroU64::new(1 << 30),
            requests: NonZeroU64::new(20_000),
            burst: Duration::from_millis(1),
        };
        let limits = Limits {
            read: limit,
            write: limit,
        };
        ready(Arc::new(Throttle::new(memory(size), limits)))
    }

    block::conformance_tests!(open, Options::default());
}

mod stats {
    use super::*;

    fn open(size: u64) -> Ready<Disk> {
        ready(Arc::new(Stats::new(memory(size))))
    }

    block::conformance_tests!(open, Options::default());
}

mod deadline {
    use super::*;

    fn open(size: u64) -> Ready<Disk> {
        ready(Arc::new(Deadline::new(memory(size), DEFAULT_DEADLINE)))
    }

    block::conformance_tests!(open, Options::default());
}

mod fault_with_delays {
    use super::*;

    fn open(size: u64) -> Ready<Disk> {
        let fault = Fault::new(memory(size), size);
        let delay = Action::Delay(Duration::ZERO..Duration::from_millis(2));
        fault.add(Rule::new(delay).when(When::Chance(0.05)));
        ready(Arc::new(fault))
    }

    block::conformance_tests!(open, Options::default());
}

/// The device opened last, and the memory below it.
type Last = Arc<Mutex<Option<(Arc<MemoryDevice>, Arc<Fault>)>>>;

fn volatile(last: &Last, memory: MemoryDevice) -> Disk {
    let memory = Arc::new(memory);
    let fault = Arc::new(Fault::with_volatile_cache(memory.clone(), 1));
    *last.lock().unwrap() = Some((memory, fault.clone()));
    fault
}

mod fault_with_a_volatile_cache {
    use super::*;

    fn open(size: u64) -> Ready<Disk> {
        ready(volatile(&Last::default(), MemoryDevice::new(size).unwrap()))
    }

    block::conformance_tests!(open, Options::default());

    /// Many seeds, since what a power failure leaves is a matter of luck.
    #[tokio::test]
    async fn power_failures_and_closes_of_all_kinds() {
        for seed in 0..16 {
            for case in [Case::PowerLoss, Case::CleanClose] {
                let last = Last::default();
                let reopen = {
                    let last = last.clone();
                    move |_| {
                        let last = last.clone();
                        async move {
                            let (memory, fault) = last.lock().unwrap().clone().unwrap();
                            if case == Case::PowerLoss {
                                fault.power_loss(seed).await.unwrap();
                            }
                            volatile(&last, memory.reopen(false))
                        }
                    }
                };
                let options = Options {
                    seed,
                    ..Options::default()
                };
                let open = move |size| ready(volatile(&last, MemoryDevice::new(size).unwrap()));
                run_case(case, open, options.with_reopen(reopen)).await;
            }
        }
    }
}

mod read_only {
    use super::*;

    #[tokio::test]
    async fn reads_and_refuses_the_rest() {
        let last: Arc<Mutex<Option<Arc<MemoryDevice>>>> = Arc::default();
        let open = {
            let last = last.clone();
            move |size| {
                let device = Arc::new(MemoryDevice::new(size).unwrap());
                *last.lock().unwrap() = Some(device.clone());
                ready(device as Disk)
            }
        };
        let options = Options::default().with_read_only(move |_| {
            let device = last.lock().unwrap().as_ref().unwrap().reopen(false);
            ready(Arc::new(ReadOnly::new(Arc::new(device))) as Disk)
        });
        run_case(Case::ReadOnly, open, options).await;
    }
}

/// The stack that a product would build.
mod whole_stack {
    use super::*;

    fn open(size: u64) -> Ready<Disk> {
        let throttle = Arc::new(Throttle::new(memory(size), Limits::default()));
        let deadline = Arc::new(Deadline::new(throttle, DEFAULT_DEADLINE));
        ready(Arc::new(Stats::new(deadline)))
    }

    block::conformance_tests!(open, Options::default());
}
