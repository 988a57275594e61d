//! Cases with many requests at once, checked against the model of [`history`](super::history).

use std::{ops::Range, sync::Arc};

use futures::future::try_join_all;
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    Outcome, Target,
    data::{bytes, random_range, segmented, stamped},
    ensure,
    history::{Effect, History, Sees},
    mirror::{all_extents, must, read_exact},
};
use crate::{Disk, WriteFlags, ZeroFlags};

/// Sectors in a stripe that one task has to itself: odd, so that stripes share every larger unit with their
/// neighbours.
const STRIPE: u64 = 5;

/// Which sectors a task works on.
#[derive(Clone, Copy)]
enum Ground {
    /// Every `tasks`-th stripe.
    Own { task: u64, tasks: u64 },
    /// All of them, with everybody.
    Shared,
}

/// One task of a concurrent case.
struct Worker {
    disk: Disk,
    history: Arc<History>,
    rng: SmallRng,
    sectors: u64,
    ground: Ground,
}

pub(super) async fn concurrent_disjoint(target: &Target) -> Outcome {
    let tasks = target.options.tasks as u64;
    let ground = |task| Ground::Own { task, tasks };
    // Eight stripes for each, and the disk ends in the middle of a page.
    all_together(target, STRIPE * tasks * 8, ground).await
}

pub(super) async fn concurrent_overlapping(target: &Target) -> Outcome {
    all_together(target, 192, |_| Ground::Shared).await
}

async fn all_together(target: &Target, sectors: u64, ground: impl Fn(u64) -> Ground) -> Outcome {
    let sectors = sectors.next_multiple_of(8);
    let disk = target.open(bytes(sectors)).await;
    let history = Arc::new(History::new(sectors));
    let operations = target.options.operations / target.options.tasks;
    let workers = (0..target.options.tasks as u64).map(|task| {
        let worker = Worker {
            disk: disk.clone(),
            history: history.clone(),
            rng: SmallRng::seed_from_u64(target.options.seed ^ (task + 1).wrapping_mul(0x9E37_79B9)),
            sectors,
            ground: ground(task),
        };
        let worker = tokio::spawn(worker.work(operations));
        async { worker.await.map_err(|error| format!("a task failed: {error}"))? }
    });
    try_join_all(workers).await?;

    for _ in 0..2 {
        let now = history.now();
        let content = read_exact(&disk, 0, bytes(sectors) as u32).await?;
        history.check(0, &content, Sees::Since(now))?;
        history.settle(0, &content)?;
        for extent in all_extents(&disk, 0, bytes(sectors)).await? {
            let content = &content[extent.offset as usize..extent.end() as usize];
            ensure!(
                !extent.kind.is_zero() || content.iter().all(|&byte| byte == 0),
                "{extent:?} holds data"
            );
        }
        must("flush", disk.flush().await)?;
    }
    must("close", disk.close().await)
}

impl Worker {
    async fn work(mut self, operations: usize) -> Outcome {
        for _ in 0..operations {
            let range = self.pick();
            match self.rng.random_range(0..100) {
                0..45 => self.write(range).await?,
                45..80 => self.read(range).await?,
                80..88 => self.zero(range).await?,
                88..93 => self.discard(range).await?,
                93..97 => must("flush", self.disk.flush().await)?,
                _ => drop(all_extents(&self.disk, bytes(range.start), bytes(range.end - range.start)).await?),
            }
        }
        Ok(())
    }

    fn pick(&mut self) -> Range<u64> {
        match self.ground {
            Ground::Shared => {
                let longest = if self.rng.random_bool(0.1) { 128 } else { 12 };
                random_range(&mut self.rng, self.sectors, longest)
            }
            Ground::Own { task, tasks } => {
                let stripe = self.rng.random_range(0..8) * tasks + task;
                let within = random_range(&mut self.rng, STRIPE, STRIPE);
                stripe * STRIPE + within.start..stripe * STRIPE + within.end
            }
        }
    }

    async fn write(&mut self, range: Range<u64>) -> Outcome {
        let fua = self.rng.random_bool(0.1);
        let begun = self.history.begin_write(range.clone());
        let data = segmented(&mut self.rng, stamped(begun.stamp, range.clone()));
        let result = self.disk.write(bytes(range.start), data, WriteFlags { fua }).await;
        self.history.end(&begun, Effect::Done);
        must(format_args!("write to sectors {range:?}"), result)
    }

    async fn read(&mut self, range: Range<u64>) -> Outcome {
        let began = self.history.now();
        let length = bytes(range.end - range.start) as u32;
        let content = read_exact(&self.disk, bytes(range.start), length).await?;
        self.history.check(range.start, &content, Sees::Since(began))
    }

    async fn zero(&mut self, range: Range<u64>) -> Outcome {
        let flags = ZeroFlags {
            no_hole: self.rng.random_bool(0.3),
            fua: self.rng.random_bool(0.1),
            fast_only: false,
        };
        let begun = self.history.begin_zero(range.clone());
        let length = bytes(range.end - range.start);
        let result = self.disk.write_zeroes(bytes(range.start), length, flags).await;
        self.history.end(&begun, Effect::Done);
        must(format_args!("zeroes to sectors {range:?}"), result)
    }

    async fn discard(&mut self, range: Range<u64>) -> Outcome {
        let begun = self.history.begin_zero(range.clone());
        let length = bytes(range.end - range.start);
        let result = self.disk.discard(bytes(range.start), length).await;
        let promised = self.disk.properties().features.discard_zeroes;
        self.history
            .end(&begun, if promised { Effect::Done } else { Effect::Perhaps });
        must(format_args!("discard of sectors {range:?}"), result)
    }
}
