//! Cases about what may be asked for at all.

use super::{
    Outcome, Target,
    data::{SECTOR, bytes, segmented, stamped},
    ensure,
    mirror::{Mirror, must, must_fail, perform, read_exact},
};
use crate::{BlockError, Health, LOGICAL_BLOCK_SIZE, MAX_REQUEST, Operation, Payload, WriteFlags};

/// Operations that take a range.
const RANGED: [Operation; 5] = [
    Operation::Read,
    Operation::Write,
    Operation::WriteZeroes,
    Operation::Discard,
    Operation::Extents,
];

/// Longest range that [`perform`] may be asked to read or write although the device must refuse it.
const MODEST: u64 = 1 << 20;

/// Whether `operation` can be asked for `length` bytes: reads take a `u32`, and writes need a payload.
fn can_ask(operation: Operation, length: u64) -> bool {
    length <= MODEST || !matches!(operation, Operation::Read | Operation::Write)
}

pub(super) async fn properties(target: &Target) -> Outcome {
    for size in [4096, 1 << 20, (1 << 20) + 4096] {
        let mirror = Mirror::open(target, size).await?;
        let disk = mirror.disk.clone();
        let properties = disk.properties();
        ensure!(!disk.name().is_empty(), "the name is empty");
        ensure!(
            properties.logical_block_size == LOGICAL_BLOCK_SIZE,
            "the logical block size is {} instead of {LOGICAL_BLOCK_SIZE}",
            properties.logical_block_size
        );
        for (what, value) in [
            ("physical block size", properties.physical_block_size),
            ("preferred request size", properties.preferred_request),
            ("discard granularity", properties.discard_granularity),
        ] {
            ensure!(
                value.is_power_of_two() && value >= LOGICAL_BLOCK_SIZE,
                "the {what} {value} is no power of two of at least {LOGICAL_BLOCK_SIZE}"
            );
        }
        ensure!(!properties.read_only, "the device is read-only");
        ensure!(
            !properties.features.discard_zeroes || properties.features.discard,
            "discard_zeroes without discard"
        );
        {
            let status = disk.status();
            let status = status.borrow();
            ensure!(
                status.size == properties.size && matches!(status.health, Health::Online),
                "the status of a fresh device is {status:?}"
            );
        }
        mirror.finish().await?;
    }
    Ok(())
}

pub(super) async fn bounds(target: &Target) -> Outcome {
    let mut mirror = Mirror::filled(target, 256 << 10).await?;
    let disk = mirror.disk.clone();
    let size = disk.properties().size;
    let sector = bytes(1);
    let last = u64::MAX - (sector - 1);
    let outside = [
        (size, sector),
        (size - sector, 2 * sector),
        (0, size + sector),
        (size + sector, 0),
        (size + sector, sector),
        (last, 0),
        (last, sector),
        (last, 2 * sector),
        (sector, last),
        (0, last),
        (size, last),
        (1 << 62, sector),
        (1 << 32, sector),
    ];
    for operation in RANGED {
        for (offset, length) in outside {
            if !can_ask(operation, length) {
                continue;
            }
            let what = format!("{} of {length} bytes at {offset}, size {size},", operation.as_str());
            let result = perform(&disk, operation, offset, length).await;
            must_fail(&disk, what, result, "OutOfRange", |error| {
                matches!(error, BlockError::OutOfRange { .. })
            })?;
        }
    }
    mirror.verify_all("after requests outside the disk").await?;
    // The very first and the very last sector are inside.
    for sector in [0, mirror.sectors() - 1] {
        mirror.write(sector..sector + 1, WriteFlags::default()).await?;
    }
    mirror.finish().await
}

pub(super) async fn alignment(target: &Target) -> Outcome {
    let mut mirror = Mirror::filled(target, 256 << 10).await?;
    let disk = mirror.disk.clone();
    let size = disk.properties().size;
    let crooked = [
        (1, 512),
        (511, 512),
        (513, 512),
        (256, 256),
        (0, 1),
        (0, 511),
        (512, 513),
        (1, 0),
        (3, 4093),
        (4096, 100),
        (size - 100, 100),
    ];
    for operation in RANGED {
        for (offset, length) in crooked {
            let what = format!("{} of {length} bytes at {offset}", operation.as_str());
            let result = perform(&disk, operation, offset, length).await;
            must_fail(&disk, what, result, "Misaligned", |error| {
                matches!(error, BlockError::Misaligned { .. })
            })?;
        }
    }
    mirror.verify_all("after misaligned requests").await?;
    mirror.finish().await
}

pub(super) async fn zero_lengths(target: &Target) -> Outcome {
    let mut mirror = Mirror::filled(target, 64 << 10).await?;
    let disk = mirror.disk.clone();
    for operation in RANGED {
        for sector in [0, 1, mirror.sectors() - 1] {
            let what = format!("{} of nothing at sector {sector}", operation.as_str());
            must(what, perform(&disk, operation, bytes(sector), 0).await)?;
        }
    }
    ensure!(
        must("read", disk.read(512, 0).await)?.is_empty(),
        "a read of nothing answers something"
    );
    let extents = must("extents", disk.extents(512, 0).await)?;
    ensure!(extents.is_empty(), "extents of nothing are {extents:?}");
    mirror.verify_all("after requests for nothing").await?;
    mirror.finish().await
}

pub(super) async fn long_requests(target: &Target) -> Outcome {
    let size = u64::from(MAX_REQUEST) + (1 << 20);
    let mut mirror = Mirror::open(target, size).await?;
    let disk = mirror.disk.clone();
    let beyond = MAX_REQUEST + LOGICAL_BLOCK_SIZE;
    let fits = |error: &BlockError| matches!(error, BlockError::OutOfRange { .. });
    let what = format!("read of {beyond} bytes");
    must_fail(&disk, what, disk.read(0, beyond).await, "OutOfRange", fits)?;
    let (what, data) = (format!("write of {beyond} bytes"), Payload::zeroes(beyond as usize));
    let result = disk.write(0, data, WriteFlags::default()).await;
    must_fail(&disk, what, result, "OutOfRange", fits)?;

    let longest = u64::from(MAX_REQUEST).min(disk.properties().size - bytes(1));
    let sectors = 1..1 + longest / SECTOR as u64;
    let data = stamped(7, sectors);
    let payload = segmented(&mut mirror.rng, data.clone());
    let what = format!("write of {longest} bytes");
    must(&what, disk.write(bytes(1), payload, WriteFlags::default()).await)?;
    let found = read_exact(&disk, bytes(1), longest as u32).await?;
    ensure!(found == data, "{what}: the same read back differs");
    mirror.content[SECTOR..SECTOR + data.len()].copy_from_slice(&data);
    mirror.finish().await
}
