//! A volatile write cache: what was not flushed is lost, sector by sector, when the power fails.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::{Disk, Extent, ExtentKind, LOGICAL_BLOCK_SIZE, Payload, Result, WriteFlags};

const SECTOR: u64 = LOGICAL_BLOCK_SIZE as u64;
/// Contents of one sector that are remembered between two flushes, beside the newest.
const VERSIONS: usize = 4;

/// What was written to one sector since the last flush, oldest first; never empty.
struct Versions {
    contents: Vec<Bytes>,
    /// Changes with every write, so that a flush knows whether it saw the newest.
    generation: u64,
}

#[derive(Default)]
struct Overlay {
    sectors: BTreeMap<u64, Versions>,
    generation: u64,
}

/// Sectors that were written but not flushed, over a device that holds the rest.
#[derive(Default)]
pub(super) struct VolatileCache {
    overlay: Mutex<Overlay>,
    /// One at a time moves sectors down: an old content must not overtake a newer one.
    moving: tokio::sync::Mutex<()>,
}

impl VolatileCache {
    fn overlay(&self) -> MutexGuard<'_, Overlay> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sectors(&self) -> usize {
        self.overlay().sectors.len()
    }

    pub(super) async fn read(&self, inner: &Disk, offset: u64, len: u32) -> Result<Payload> {
        // Looked up before the device below is read: what a flush moves down meanwhile is in one of both.
        let patches: Vec<(u64, Bytes)> = {
            let overlay = self.overlay();
            let range = offset / SECTOR..offset.saturating_add(u64::from(len)) / SECTOR;
            let patch = |(sector, versions): (&u64, &Versions)| Some((*sector, versions.contents.last()?.clone()));
            // A range that overflowed is refused below.
            if range.is_empty() {
                Vec::new()
            } else {
                overlay.sectors.range(range).filter_map(patch).collect()
            }
        };
        let mut below = inner.read(offset, len).await?;
        let mut out = Payload::new();
        let mut at = offset;
        for (sector, content) in patches {
            out.append(below.split_to((sector * SECTOR - at) as usize));
            drop(below.split_to(SECTOR as usize));
            out.push(content);
            at = (sector + 1) * SECTOR;
        }
        out.append(below);
        Ok(out)
    }

    pub(super) async fn write(&self, inner: &Disk, offset: u64, mut data: Payload, fua: bool) -> Result<()> {
        // Also tells whether the device below is closed.
        inner.read(offset, 0).await?;
        let range = offset / SECTOR..(offset + data.len() as u64) / SECTOR;
        self.put(range.clone(), || data.split_to(SECTOR as usize).into_bytes());
        if fua {
            self.move_down(inner, range).await
        } else {
            Ok(())
        }
    }

    pub(super) async fn zero(&self, inner: &Disk, offset: u64, len: u64, fua: bool) -> Result<()> {
        inner.read(offset, 0).await?;
        let range = offset / SECTOR..(offset + len) / SECTOR;
        let zeroes = Payload::zeroes(SECTOR as usize).into_bytes();
        self.put(range.clone(), || zeroes.clone());
        if fua {
            self.move_down(inner, range).await
        } else {
            Ok(())
        }
    }

    fn put(&self, sectors: Range<u64>, mut content: impl FnMut() -> Bytes) {
        let mut overlay = self.overlay();
        overlay.generation += 1;
        let generation = overlay.generation;
        for sector in sectors {
            let versions = overlay.sectors.entry(sector).or_insert_with(|| Versions {
                contents: Vec::new(),
                generation,
            });
            if versions.contents.len() > VERSIONS {
                versions.contents.remove(0);
            }
            versions.contents.push(content());
            versions.generation = generation;
        }
    }

    pub(super) async fn flush(&self, inner: &Disk) -> Result<()> {
        self.move_down(inner, 0..u64::MAX).await?;
        inner.flush().await
    }

    /// Makes the newest content of `sectors` durable below and forgets it here.
    async fn move_down(&self, inner: &Disk, sectors: Range<u64>) -> Result<()> {
        if sectors.is_empty() {
            return Ok(());
        }
        let _alone = self.moving.lock().await;
        let moved: Vec<(u64, Bytes, u64)> = {
            let overlay = self.overlay();
            let newest = |(sector, versions): (&u64, &Versions)| {
                Some((*sector, versions.contents.last()?.clone(), versions.generation))
            };
            overlay.sectors.range(sectors).filter_map(newest).collect()
        };
        for run in moved.chunk_by(|a, b| a.0 + 1 == b.0) {
            for part in run.chunks(2048) {
                let data = part.iter().map(|(_, content, _)| content.clone()).collect();
                inner.write(part[0].0 * SECTOR, data, WriteFlags::FUA).await?;
            }
        }
        let mut overlay = self.overlay();
        for (sector, _, generation) in moved {
            let newest = overlay.sectors.get(&sector).map(|versions| versions.generation);
            if newest == Some(generation) {
                overlay.sectors.remove(&sector);
            }
        }
        Ok(())
    }

    pub(super) async fn extents(&self, inner: &Disk, offset: u64, len: u64) -> Result<Vec<Extent>> {
        let end = offset.saturating_add(len);
        let first = {
            let overlay = self.overlay();
            let range = offset / SECTOR..end / SECTOR;
            // Up to 64 KiB at a time: the caller asks again.
            let mut sectors = (!range.is_empty()).then(|| overlay.sectors.range(range).map(|(sector, _)| *sector));
            sectors.as_mut().and_then(|sectors| {
                let first = sectors.next()?;
                let run = 1 + sectors.take(127).zip(first + 1..).take_while(|(a, b)| a == b).count() as u64;
                Some((first * SECTOR, run * SECTOR))
            })
        };
        match first {
            Some((start, run)) if start == offset => {
                inner.extents(offset, len).await?;
                Ok(vec![Extent {
                    offset,
                    length: run,
                    kind: ExtentKind::Data,
                }])
            }
            Some((start, _)) if start > offset => inner.extents(offset, start - offset).await,
            _ => inner.extents(offset, len).await,
        }
    }

    pub(super) async fn resize(&self, inner: &Disk, size: u64) -> Result<()> {
        let _alone = self.moving.lock().await;
        inner.resize(size).await?;
        self.overlay().sectors.split_off(&(size / SECTOR));
        Ok(())
    }

    pub(super) async fn power_loss(&self, inner: &Disk, seed: u64) -> Result<()> {
        let _alone = self.moving.lock().await;
        let mut rng = SmallRng::seed_from_u64(seed);
        // Now and then all or nothing survives; else a random share.
        let survives = match rng.random_range(0..8) {
            0 => 0.0,
            1 => 1.0,
            _ => rng.random::<f64>(),
        };
        let mut survivors = Vec::new();
        for (sector, mut versions) in std::mem::take(&mut self.overlay().sectors) {
            if rng.random_bool(survives) {
                // Mostly the newest, which is what a disk keeps.
                let last = versions.contents.len() - 1;
                let chosen = if rng.random_bool(0.7) {
                    last
                } else {
                    rng.random_range(0..=last)
                };
                survivors.push((sector, versions.contents.swap_remove(chosen)));
            }
        }
        for (sector, content) in survivors {
            inner.write(sector * SECTOR, content.into(), WriteFlags::FUA).await?;
        }
        inner.flush().await
    }
}
