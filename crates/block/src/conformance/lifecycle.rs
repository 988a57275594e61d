//! Cases about size, rights and the end of a device.

use super::{
    Outcome, Target,
    data::bytes,
    ensure,
    mirror::{Mirror, must, must_fail, perform},
};
use crate::{BlockError, Health, Operation, WriteFlags};

pub(super) async fn resize(target: &Target) -> Outcome {
    let mut mirror = Mirror::filled(target, 256 << 10).await?;
    let disk = mirror.disk.clone();
    let features = disk.properties().features;
    if !features.resize {
        must_fail(&disk, "resize", disk.resize(512 << 10).await, "Unsupported", |error| {
            matches!(error, BlockError::Unsupported { .. })
        })?;
        ensure!(
            disk.properties().size == mirror.content.len() as u64,
            "an unsupported resize changed the size"
        );
        return mirror.finish().await;
    }
    for crooked in [1, 511, (256 << 10) + 100] {
        let what = format!("resize to {crooked} bytes");
        must_fail(&disk, what, disk.resize(crooked).await, "Misaligned", |error| {
            matches!(error, BlockError::Misaligned { .. })
        })?;
    }
    let huge = u64::MAX - 511;
    ensure!(disk.resize(huge).await.is_err(), "resize to {huge} bytes succeeded");
    ensure!(
        disk.properties().size == mirror.content.len() as u64,
        "a failed resize changed the size"
    );
    mirror.verify_all("after a failed resize").await?;

    let mut status = disk.status();
    // Sectors, chunks and pages are cut in the middle, regrown, and cut at their borders.
    for sectors in [300, 2048, 129, 400, 3, 64, 1024, 128, 512, 1, 8, 8] {
        let (size, before) = (bytes(sectors), mirror.sectors());
        status.mark_unchanged();
        must(format_args!("resize to {size} bytes"), disk.resize(size).await)?;
        mirror.content.resize(size as usize, 0);
        let (found, told) = (disk.properties().size, status.borrow().size);
        ensure!(found == size, "resized to {size} bytes, but the size is {found}");
        ensure!(told == size, "resized to {size} bytes, but the status says {told}");
        if sectors != before {
            ensure!(
                matches!(status.has_changed(), Ok(true)),
                "resized to {size} bytes, but watchers were not woken"
            );
        }
        mirror
            .verify_all(&format!("resized from {before} to {sectors} sectors"))
            .await?;
        mirror.verify_extents(0..sectors).await?;
        let outside = perform(&disk, Operation::Read, size, 512).await;
        must_fail(&disk, "read behind the new end", outside, "OutOfRange", |error| {
            matches!(error, BlockError::OutOfRange { .. })
        })?;
        mirror.write(sectors - 1..sectors, WriteFlags::default()).await?;
        mirror.write(sectors / 2..sectors, WriteFlags::default()).await?;
    }
    mirror.finish().await
}

pub(super) async fn read_only(target: &Target) -> Outcome {
    let Some(read_only) = &target.options.read_only else {
        return Ok(());
    };
    let mut mirror = Mirror::filled(target, 256 << 10).await?;
    must("flush", mirror.disk.flush().await)?;
    must("close", mirror.disk.close().await)?;
    mirror.disk = read_only(mirror.disk).await;
    let disk = mirror.disk.clone();
    ensure!(
        disk.properties().read_only,
        "opened read-only, but the properties do not say so"
    );
    for operation in [
        Operation::Write,
        Operation::WriteZeroes,
        Operation::Discard,
        Operation::Resize,
    ] {
        let result = perform(&disk, operation, 4096, 8192).await;
        let resize = operation == Operation::Resize && !disk.properties().features.resize;
        let what = format!("{} on a read-only device", operation.as_str());
        must_fail(&disk, what, result, "ReadOnly", |error| {
            matches!(error, BlockError::ReadOnly { .. }) || (resize && matches!(error, BlockError::Unsupported { .. }))
        })?;
    }
    must("flush", disk.flush().await)?;
    let sectors = mirror.sectors();
    mirror.verify_extents(0..sectors).await?;
    mirror.finish().await
}

pub(super) async fn close(target: &Target) -> Outcome {
    let mirror = Mirror::filled(target, 64 << 10).await?;
    let disk = mirror.disk;
    let mut status = disk.status();
    must("close", disk.close().await)?;
    must("second close", disk.close().await)?;
    ensure!(
        matches!(status.borrow_and_update().health, Health::Closed),
        "closed, but the status is {:?}",
        disk.status().borrow().health
    );
    for operation in Operation::ALL {
        let length = if operation == Operation::Flush { 0 } else { 4096 };
        ensure!(
            perform(&disk, operation, 0, length).await.is_err(),
            "{} after close succeeded",
            operation.as_str()
        );
    }
    must("close after failed operations", disk.close().await)?;
    ensure!(
        matches!(status.borrow().health, Health::Closed),
        "closed, but the status changed to {:?}",
        status.borrow().health
    );
    Ok(())
}
