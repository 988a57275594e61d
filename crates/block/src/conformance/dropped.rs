//! The case of requests whose futures are dropped before they end.

use std::{ops::Range, task::Poll};

use futures::{FutureExt, future::BoxFuture, poll};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    Outcome, Target,
    data::{bytes, random_range, segmented, stamped},
    ensure,
    history::{Begun, Effect, History, Sees},
    mirror::{must, read_exact},
};
use crate::{Disk, WriteFlags, ZeroFlags};

const SECTORS: u64 = 64;

pub(super) async fn dropped_futures(target: &Target) -> Outcome {
    let disk = target.open(bytes(SECTORS)).await;
    let history = History::new(SECTORS);
    let mut rng = SmallRng::seed_from_u64(target.options.seed);
    for _ in 0..target.options.operations / 10 {
        let range = random_range(&mut rng, SECTORS, 32);
        for _ in 0..rng.random_range(1..4) {
            begin_and_drop(&disk, &history, &mut rng, range.clone()).await?;
        }
        if rng.random_bool(0.3) {
            // A dropped read takes nothing along.
            let read = disk.read(bytes(range.start), bytes(range.end - range.start) as u32);
            poll_and_drop(read, rng.random_range(0..3)).await;
        }
        if rng.random_bool(0.7) {
            let later = random_range(&mut rng, SECTORS, 32);
            let begun = history.begin_write(later.clone());
            let data = segmented(&mut rng, stamped(begun.stamp, later.clone()));
            let result = disk.write(bytes(later.start), data, WriteFlags::default()).await;
            history.end(&begun, Effect::Done);
            must("write after dropped ones", result)?;
        }
        if rng.random_bool(0.5) {
            verify(&disk, &history).await?;
        }
    }
    verify(&disk, &history).await?;
    must("flush", disk.flush().await)?;
    verify(&disk, &history).await?;
    must("close", disk.close().await)
}

/// Begins to change `range` and drops the future after a few polls, unless it was done by then.
async fn begin_and_drop(disk: &Disk, history: &History, rng: &mut SmallRng, range: Range<u64>) -> Outcome {
    let (offset, length) = (bytes(range.start), bytes(range.end - range.start));
    let mut sure = Effect::Done;
    let (begun, future): (Begun, BoxFuture<'_, crate::Result<()>>) = match rng.random_range(0..8) {
        0 => {
            let begun = history.begin_zero(range);
            (begun, disk.write_zeroes(offset, length, ZeroFlags::default()))
        }
        1 => {
            if !disk.properties().features.discard_zeroes {
                sure = Effect::Perhaps;
            }
            (history.begin_zero(range), disk.discard(offset, length))
        }
        _ => {
            let begun = history.begin_write(range.clone());
            let data = segmented(rng, stamped(begun.stamp, range));
            (begun, disk.write(offset, data, WriteFlags::default()).boxed())
        }
    };
    match poll_and_drop(future, rng.random_range(0..5)).await {
        Some(result) => {
            history.end(&begun, sure);
            must("request that completed before it could be dropped", result)
        }
        None => {
            history.end(&begun, Effect::Perhaps);
            Ok(())
        }
    }
}

/// Polls at most `times`, and drops the future; its result if it had one.
async fn poll_and_drop<T>(future: impl Future<Output = T> + Unpin, times: usize) -> Option<T> {
    let mut future = future;
    for _ in 0..times {
        if let Poll::Ready(result) = poll!(&mut future) {
            return Some(result);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Reads everything three times. What was begun and dropped may take effect until the first reading has completed;
/// from then on nothing changes any more.
async fn verify(disk: &Disk, history: &History) -> Outcome {
    let length = bytes(SECTORS) as u32;
    for _ in 0..2 {
        let began = history.now();
        let content = read_exact(disk, 0, length).await?;
        history.check(0, &content, Sees::Since(began))?;
    }
    let began = history.now();
    let content = read_exact(disk, 0, length).await?;
    history.check(0, &content, Sees::Since(began))?;
    history.settle(0, &content)?;
    tokio::task::yield_now().await;
    ensure!(
        read_exact(disk, 0, length).await? == content,
        "a request whose future was dropped took effect after later reads had completed"
    );
    Ok(())
}
