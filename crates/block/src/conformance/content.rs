//! Cases about what is read back.

use rand::Rng;

use super::{
    Outcome, Target,
    data::{SECTOR, bytes, random_range},
    ensure,
    mirror::{Mirror, must},
};
use crate::{ExtentKind, WriteFlags, ZeroFlags};

/// Size of the devices here, in bytes: small enough that requests overlap often, and no multiple of 64 KiB.
const SIZE: u64 = (1 << 20) + (36 << 10);

/// A length that is now short, now long.
fn longest(mirror: &mut Mirror) -> u64 {
    match mirror.rng.random_range(0..10) {
        0 => 1024,
        1..4 => 100,
        _ => 17,
    }
}

pub(super) async fn overlap(target: &Target) -> Outcome {
    let mut mirror = Mirror::open(target, SIZE).await?;
    mirror.verify_all("fresh").await?;
    for round in 0..target.options.operations / 10 {
        let longest = longest(&mut mirror);
        let sectors = mirror.sectors();
        let range = random_range(&mut mirror.rng, sectors, longest);
        let fua = mirror.rng.random_bool(0.1);
        mirror.write(range.clone(), WriteFlags { fua }).await?;
        // Around the write, cut differently than it was.
        let around = range.start.saturating_sub(3)..(range.end + 3).min(sectors);
        if mirror.rng.random_bool(0.5) {
            let middle = mirror.rng.random_range(around.start + 1..=around.end);
            mirror.verify(around.start..middle, "after a write").await?;
            mirror.verify(middle..around.end, "after a write").await?;
        } else {
            mirror.verify(around, "after a write").await?;
        }
        if round % 100 == 99 {
            mirror.verify_all("after some writes").await?;
        }
    }
    mirror.finish().await
}

pub(super) async fn zeroes(target: &Target) -> Outcome {
    for combination in 0..8 {
        let flags = ZeroFlags {
            fua: combination & 1 != 0,
            no_hole: combination & 2 != 0,
            fast_only: combination & 4 != 0,
        };
        let mut mirror = Mirror::filled(target, SIZE).await?;
        let sectors = mirror.sectors();
        // One sector, across a boundary of many kinds, at the end; declined zeroes must have changed nothing.
        for range in [3..4, 100..300, 1..2, 128..256, sectors - 1..sectors] {
            mirror.zero(range, flags).await?;
            mirror.verify_all(&format!("after zeroes with {flags:?}")).await?;
        }
        for _ in 0..target.options.operations / 100 {
            let longest = longest(&mut mirror);
            let range = random_range(&mut mirror.rng, sectors, longest);
            if mirror.rng.random_bool(0.4) {
                mirror.write(range, WriteFlags::default()).await?;
            } else {
                mirror.zero(range, flags).await?;
            }
        }
        mirror.verify_all(&format!("after zeroes with {flags:?}")).await?;
        mirror.zero(0..sectors, flags).await?;
        mirror.finish().await?;
    }
    Ok(())
}

pub(super) async fn discard(target: &Target) -> Outcome {
    let mut mirror = Mirror::filled(target, SIZE).await?;
    let disk = mirror.disk.clone();
    let sectors = mirror.sectors();
    let features = disk.properties().features;
    for round in 0..target.options.operations / 20 {
        let longest = longest(&mut mirror);
        let range = match round {
            0 => 0..128,
            1 => sectors - 1..sectors,
            2 => 0..sectors,
            _ => random_range(&mut mirror.rng, sectors, longest),
        };
        if round > 3 && mirror.rng.random_bool(0.5) {
            mirror.write(range, WriteFlags::default()).await?;
            continue;
        }
        let (offset, length) = (bytes(range.start), bytes(range.end - range.start));
        must(
            format_args!("discard of sectors {range:?}"),
            disk.discard(offset, length).await,
        )?;
        if features.discard_zeroes {
            mirror.expected(&range).fill(0);
        } else {
            // Each sector on its own may have become zeroes; whatever it is now, it stays.
            for sector in range.clone() {
                let found = super::mirror::read_exact(&disk, bytes(sector), SECTOR as u32).await?;
                if found.iter().all(|&byte| byte == 0) {
                    mirror.expected(&(sector..sector + 1)).fill(0);
                }
            }
        }
        mirror.verify(range, "after a discard").await?;
        if round % 20 == 0 {
            mirror.verify_all("after a discard").await?;
        }
    }
    // Without a failure in between the whole must still fit.
    mirror.finish().await
}

pub(super) async fn extents(target: &Target) -> Outcome {
    let mut mirror = Mirror::open(target, 4 << 20).await?;
    let disk = mirror.disk.clone();
    let sectors = mirror.sectors();
    let features = disk.properties().features;
    let fresh = mirror.verify_extents(0..sectors).await?;
    if features.extents {
        ensure!(
            fresh.iter().any(|extent| extent.kind.is_zero()),
            "a fresh device with the feature `extents` shows neither hole nor zeroes: {fresh:?}"
        );
    }
    for round in 0..target.options.operations / 20 {
        let longest = longest(&mut mirror);
        let range = random_range(&mut mirror.rng, sectors, longest);
        match mirror.rng.random_range(0..6) {
            0 => drop(mirror.zero(range.clone(), ZeroFlags::default()).await?),
            1 => {
                let no_hole = ZeroFlags {
                    no_hole: true,
                    ..ZeroFlags::default()
                };
                mirror.zero(range.clone(), no_hole).await?;
            }
            2 if features.discard_zeroes => {
                let (offset, length) = (bytes(range.start), bytes(range.end - range.start));
                must("discard", disk.discard(offset, length).await)?;
                mirror.expected(&range).fill(0);
            }
            _ => mirror.write(range.clone(), WriteFlags::default()).await?,
        }
        mirror.verify_extents(range).await?;
        let asked = random_range(&mut mirror.rng, sectors, sectors);
        let found = mirror.verify_extents(asked).await?;
        ensure!(
            features.extents || found.iter().all(|extent| extent.kind == ExtentKind::Data),
            "without the feature `extents` everything is data, but: {found:?}"
        );
        if round % 50 == 0 {
            mirror.verify_extents(0..sectors).await?;
        }
    }
    mirror.finish().await
}
