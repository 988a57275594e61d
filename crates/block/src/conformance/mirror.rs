//! A device together with what it must hold, for cases that do one thing after another.

use std::{fmt::Display, ops::Range};

use rand::{SeedableRng, rngs::SmallRng};

use super::{
    Outcome, Target,
    data::{SECTOR, Stamp, bytes, segmented, stamped},
    ensure,
};
use crate::{BlockError, Disk, Extent, ExtentKind, Operation, Payload, WriteFlags, ZeroFlags};

/// A device and the content that it must have. Ranges are in sectors.
pub(super) struct Mirror {
    pub(super) disk: Disk,
    pub(super) rng: SmallRng,
    pub(super) content: Vec<u8>,
    next: Stamp,
}

impl Mirror {
    /// A fresh device of `size` bytes.
    pub(super) async fn open(target: &Target, size: u64) -> Outcome<Self> {
        let disk = target.open(size).await;
        let found = disk.properties().size;
        let size = size.min(target.options.max_size);
        ensure!(found == size, "opened with {size} bytes but says {found}");
        Ok(Self {
            disk,
            rng: SmallRng::seed_from_u64(target.options.seed),
            content: vec![0; size as usize],
            next: 0x1000,
        })
    }

    /// A fresh device of `size` bytes with data in every sector.
    pub(super) async fn filled(target: &Target, size: u64) -> Outcome<Self> {
        let mut mirror = Self::open(target, size).await?;
        let mut at = 0;
        while at < mirror.sectors() {
            let end = (at + 2048).min(mirror.sectors());
            mirror.write(at..end, WriteFlags::default()).await?;
            at = end;
        }
        Ok(mirror)
    }

    pub(super) fn sectors(&self) -> u64 {
        (self.content.len() / SECTOR) as u64
    }

    /// The bytes of `range` as they must be.
    pub(super) fn expected(&mut self, range: &Range<u64>) -> &mut [u8] {
        &mut self.content[bytes(range.start) as usize..bytes(range.end) as usize]
    }

    /// Writes new data to `range`.
    pub(super) async fn write(&mut self, range: Range<u64>, flags: WriteFlags) -> Outcome {
        self.next += 1;
        let data = stamped(self.next, range.clone());
        self.expected(&range).copy_from_slice(&data);
        let payload = segmented(&mut self.rng, data);
        must(
            format_args!("write to sectors {range:?}"),
            self.disk.write(bytes(range.start), payload, flags).await,
        )
    }

    /// Writes zeroes to `range`; whether the device did it (it may decline only with `fast_only`).
    pub(super) async fn zero(&mut self, range: Range<u64>, flags: ZeroFlags) -> Outcome<bool> {
        let length = bytes(range.end - range.start);
        let fast_zero = self.disk.properties().features.fast_zero;
        match self.disk.write_zeroes(bytes(range.start), length, flags).await {
            Ok(()) => {
                self.expected(&range).fill(0);
                Ok(true)
            }
            Err(BlockError::Unsupported { .. }) if flags.fast_only => {
                ensure!(
                    !fast_zero || flags.no_hole,
                    "zeroes with {flags:?} are unsupported although the features say fast_zero"
                );
                Ok(false)
            }
            Err(error) => Err(format!("zeroes to sectors {range:?} with {flags:?}: {error}")),
        }
    }

    /// Reads `range` and compares.
    pub(super) async fn verify(&mut self, range: Range<u64>, when: &str) -> Outcome {
        let length = bytes(range.end - range.start) as u32;
        let found = read_exact(&self.disk, bytes(range.start), length).await?;
        let expected = self.expected(&range);
        if found == expected {
            return Ok(());
        }
        let at = found.iter().zip(expected).position(|(a, b)| a != b).unwrap_or_default();
        let sector = range.start + (at / SECTOR) as u64;
        Err(format!(
            "{when}: sector {sector} differs from what was written (byte {} of it)",
            at % SECTOR
        ))
    }

    /// Reads everything and compares.
    pub(super) async fn verify_all(&mut self, when: &str) -> Outcome {
        let mut at = 0;
        while at < self.sectors() {
            let end = (at + 2048).min(self.sectors());
            self.verify(at..end, when).await?;
            at = end;
        }
        Ok(())
    }

    /// Asks for the extents of `range` and compares them with the content.
    pub(super) async fn verify_extents(&mut self, range: Range<u64>) -> Outcome<Vec<Extent>> {
        let (offset, length) = (bytes(range.start), bytes(range.end - range.start));
        let extents = all_extents(&self.disk, offset, length).await?;
        for extent in extents.iter().filter(|extent| extent.kind != ExtentKind::Data) {
            let content = &self.content[extent.offset as usize..extent.end() as usize];
            if let Some(at) = content.iter().position(|&byte| byte != 0) {
                return Err(format!(
                    "extent {extent:?} must read as zeroes, but there are data at {}",
                    extent.offset + at as u64
                ));
            }
        }
        Ok(extents)
    }

    /// Compares everything one last time and closes the device.
    pub(super) async fn finish(mut self) -> Outcome {
        self.verify_all("at the end").await?;
        must("close", self.disk.close().await)
    }
}

/// Fails the case if an operation failed that must not.
pub(super) fn must<T>(what: impl Display, result: crate::Result<T>) -> Outcome<T> {
    result.map_err(|error| format!("{what} failed: {error}"))
}

/// Fails the case unless an operation failed with an error that `fits`, which names the disk.
pub(super) fn must_fail<T>(
    disk: &Disk,
    what: impl Display,
    result: crate::Result<T>,
    kind: &str,
    fits: impl Fn(&BlockError) -> bool,
) -> Outcome {
    match result {
        Ok(_) => Err(format!("{what} succeeded; it must fail with {kind}")),
        Err(error) if !fits(&error) => Err(format!("{what} must fail with {kind}, but: {error:?}")),
        Err(error) => {
            ensure!(
                error.disk() == disk.name(),
                "{what}: the error names disk {:?} instead of {:?}",
                error.disk(),
                disk.name()
            );
            Ok(())
        }
    }
}

/// Reads `length` bytes, which must be as many.
pub(super) async fn read_exact(disk: &Disk, offset: u64, length: u32) -> Outcome<Vec<u8>> {
    let what = format!("read of {length} bytes at {offset}");
    let payload = must(&what, disk.read(offset, length).await)?;
    let sum: usize = payload.segments().iter().map(|segment| segment.len()).sum();
    ensure!(
        payload.len() == length as usize && sum == payload.len(),
        "{what} answered {} bytes in segments of {sum} in all",
        payload.len()
    );
    Ok(payload.to_vec())
}

/// The extents of a range, however many questions it takes, checked for shape.
pub(super) async fn all_extents(disk: &Disk, offset: u64, length: u64) -> Outcome<Vec<Extent>> {
    let mut all = Vec::new();
    let (mut at, end) = (offset, offset + length);
    while at < end {
        let what = format!("extents of {} bytes at {at}", end - at);
        let part = must(&what, disk.extents(at, end - at).await)?;
        ensure!(!part.is_empty(), "{what}: the answer is empty");
        for extent in &part {
            ensure!(extent.offset == at, "{what}: {extent:?} where one at {at} belongs");
            ensure!(
                extent.length > 0 && extent.length <= end - at && extent.length.is_multiple_of(SECTOR as u64),
                "{what}: {extent:?} is empty, misaligned or too long"
            );
            at = extent.end();
        }
        all.extend(part);
    }
    Ok(all)
}

/// Carries out `operation` in its plainest form.
pub(super) async fn perform(disk: &Disk, operation: Operation, offset: u64, length: u64) -> crate::Result<()> {
    match operation {
        Operation::Read => disk.read(offset, length as u32).await.map(drop),
        Operation::Write => {
            let data = Payload::from(vec![0xEE; length as usize]);
            disk.write(offset, data, WriteFlags::default()).await
        }
        Operation::WriteZeroes => disk.write_zeroes(offset, length, ZeroFlags::default()).await,
        Operation::Discard => disk.discard(offset, length).await,
        Operation::Flush => disk.flush().await,
        Operation::Extents => disk.extents(offset, length).await.map(drop),
        Operation::Resize => disk.resize(length).await,
    }
}
