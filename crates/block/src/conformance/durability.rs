//! Cases about flush, FUA and what is there after the power failed.

use futures::future::try_join_all;
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    Outcome, Target,
    data::{bytes, random_range, segmented, stamped},
    history::{Effect, History, Sees, Time},
    mirror::{Mirror, must, read_exact},
};
use crate::{Disk, WriteFlags, ZeroFlags};

/// Sectors of the device here.
const SECTORS: u64 = 1024;
/// Power failures in a row.
const ROUNDS: usize = 8;

pub(super) async fn flush(target: &Target) -> Outcome {
    let mut mirror = Mirror::open(target, bytes(SECTORS)).await?;
    let disk = mirror.disk.clone();
    must("flush of a fresh device", disk.flush().await)?;
    must("second flush", disk.flush().await)?;
    for _ in 0..target.options.operations / 100 {
        let range = random_range(&mut mirror.rng, SECTORS, 64);
        mirror.write(range.clone(), WriteFlags::FUA).await?;
        mirror.verify(range, "after a FUA write").await?;
        let range = random_range(&mut mirror.rng, SECTORS, 64);
        mirror.write(range.clone(), WriteFlags::default()).await?;
        must("flush", disk.flush().await)?;
        mirror.verify(range, "after a flush").await?;
    }
    let flushes = (0..8).map(|_| disk.flush());
    must("flushes at once", try_join_all(flushes).await)?;
    mirror.finish().await
}

pub(super) async fn power_loss(target: &Target) -> Outcome {
    let Some(reopen) = &target.options.reopen else {
        return Ok(());
    };
    let mut disk = target.open(bytes(SECTORS)).await;
    let history = History::new(SECTORS);
    let mut rng = SmallRng::seed_from_u64(target.options.seed);
    for _ in 0..ROUNDS {
        let mut flushed: Time = history.now();
        for _ in 0..target.options.operations / (ROUNDS * 20) {
            batch(&disk, &history, &mut rng).await?;
            if rng.random_bool(0.2) {
                // Requests that overlap the flush in time are on neither side of it.
                let began = history.now();
                let mut other = rng.clone();
                let (result, batch) = futures::join!(disk.flush(), batch(&disk, &history, &mut other));
                batch?;
                must("flush", result)?;
                flushed = began;
                rng = other;
            }
        }
        disk = reopen(disk).await;
        let content = read_exact(&disk, 0, bytes(SECTORS) as u32).await?;
        history
            .check(0, &content, Sees::Flushed(flushed))
            .map_err(|detail| format!("after a power failure: {detail}"))?;
        history.settle(0, &content)?;
    }
    must("close", disk.close().await)
}

/// Eight requests at once.
async fn batch(disk: &Disk, history: &History, rng: &mut SmallRng) -> Outcome {
    let requests: Vec<_> = (0..8)
        .map(|_| {
            let range = random_range(rng, SECTORS, 48);
            let (offset, length) = (bytes(range.start), bytes(range.end - range.start));
            let fua = rng.random_bool(0.2);
            let effect = if fua { Effect::Durable } else { Effect::Done };
            let zero = rng.random_bool(0.2);
            let discard = zero && disk.properties().features.discard_zeroes && rng.random_bool(0.3);
            let mut cut = SmallRng::seed_from_u64(rng.random());
            async move {
                let (begun, result) = if discard {
                    (history.begin_zero(range), disk.discard(offset, length).await)
                } else if zero {
                    let flags = ZeroFlags {
                        fua,
                        ..ZeroFlags::default()
                    };
                    let begun = history.begin_zero(range);
                    (begun, disk.write_zeroes(offset, length, flags).await)
                } else {
                    let begun = history.begin_write(range.clone());
                    let data = segmented(&mut cut, stamped(begun.stamp, range));
                    (begun, disk.write(offset, data, WriteFlags { fua }).await)
                };
                history.end(&begun, if discard { Effect::Done } else { effect });
                result
            }
        })
        .collect();
    must("request", try_join_all(requests).await.map(drop))
}

pub(super) async fn clean_close(target: &Target) -> Outcome {
    let Some(reopen) = &target.options.reopen else {
        return Ok(());
    };
    let mut mirror = Mirror::filled(target, bytes(SECTORS)).await?;
    for _ in 0..3 {
        for _ in 0..20 {
            let range = random_range(&mut mirror.rng, SECTORS, 48);
            if mirror.rng.random_bool(0.3) {
                mirror.zero(range, ZeroFlags::default()).await?;
            } else {
                mirror.write(range, WriteFlags::default()).await?;
            }
        }
        must("close", mirror.disk.close().await)?;
        mirror.disk = reopen(mirror.disk).await;
        mirror.verify_all("closed without a flush and opened again").await?;
    }
    mirror.finish().await
}
