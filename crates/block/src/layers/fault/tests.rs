//! What the layer does is what it was told to.

use std::sync::Arc;

use futures::{FutureExt, poll};
use tokio::time::Instant;

use super::*;
use crate::MemoryDevice;

fn fault() -> Fault {
    Fault::new(Arc::new(MemoryDevice::new(1 << 20).unwrap()), 42)
}

fn some_error() -> BlockError {
    BlockError::corrupt("memory", "made up")
}

async fn write(disk: &Fault, sector: u64, byte: u8) -> Result<()> {
    disk.write(sector * 512, vec![byte; 512].into(), WriteFlags::default())
        .await
}

async fn first_byte(disk: &dyn BlockDevice, sector: u64) -> u8 {
    disk.read(sector * 512, 512).await.unwrap().to_vec()[0]
}

#[tokio::test]
async fn an_error_before_changes_nothing_and_one_after_does() {
    let disk = fault();
    let rule = disk.add(Rule::new(Action::Error(some_error())).on(&[Operation::Write]));
    assert_eq!(write(&disk, 0, 1).await, Err(some_error()));
    assert_eq!(first_byte(&disk, 0).await, 0);
    disk.remove(rule);
    disk.add(Rule::new(Action::ErrorAfter(some_error())).on(&[Operation::Write]));
    assert_eq!(write(&disk, 0, 1).await, Err(some_error()));
    assert_eq!(first_byte(&disk, 0).await, 1);
    disk.clear();
    write(&disk, 0, 2).await.unwrap();
}

#[tokio::test]
async fn rules_strike_by_range_and_count() {
    let disk = fault();
    disk.add(
        Rule::new(Action::Error(some_error()))
            .within(4096..8192)
            .when(When::Once(1)),
    );
    for (sector, fails) in [(0, false), (8, false), (7, false), (15, true), (8, false)] {
        assert_eq!(write(&disk, sector, 1).await.is_err(), fails, "sector {sector}");
    }
    disk.clear();
    disk.add(Rule::new(Action::Error(some_error())).when(When::After(2)));
    let results = [
        write(&disk, 0, 1).await,
        write(&disk, 0, 1).await,
        write(&disk, 0, 1).await,
        disk.flush().await,
    ];
    assert_eq!(results.map(|result| result.is_err()), [false, false, true, true]);
}

#[tokio::test]
async fn chances_follow_from_the_seed() {
    let run = |seed| async move {
        let disk = Fault::new(Arc::new(MemoryDevice::new(1 << 20).unwrap()), seed);
        disk.add(Rule::new(Action::Error(some_error())).when(When::Chance(0.3)));
        let mut failed = Vec::new();
        for _ in 0..1000 {
            failed.push(disk.flush().await.is_err());
        }
        failed
    };
    let (one, again, other) = (run(1).await, run(1).await, run(2).await);
    assert_eq!(one, again);
    assert_ne!(one, other);
    let failures = one.iter().filter(|failed| **failed).count();
    assert!((200..400).contains(&failures), "{failures} of 1000 at a chance of 0.3");
}

#[tokio::test(start_paused = true)]
async fn delays_are_within_their_range() {
    let disk = fault();
    disk.add(Rule::new(Action::Delay(Duration::from_secs(1)..Duration::from_secs(3))));
    for _ in 0..50 {
        let start = Instant::now();
        disk.flush().await.unwrap();
        assert!((Duration::from_secs(1)..=Duration::from_millis(3001)).contains(&start.elapsed()));
    }
}

#[tokio::test]
async fn what_hangs_goes_on_when_the_rule_is_removed() {
    let disk = fault();
    let rule = disk.add(Rule::new(Action::Hang));
    let mut waiting = disk.write(0, vec![7; 512].into(), WriteFlags::default());
    assert!(poll!(&mut waiting).is_pending());
    disk.remove(rule);
    waiting.await.unwrap();
    assert_eq!(first_byte(&disk, 0).await, 7);
}

#[tokio::test]
async fn a_short_read_is_shorter_than_asked() {
    let disk = fault();
    disk.add(Rule::new(Action::ShortRead(100)));
    assert_eq!(disk.read(0, 4096).await.unwrap().len(), 100);
}

#[tokio::test]
async fn a_power_loss_takes_some_sectors_of_what_was_not_flushed() {
    let memory: Disk = Arc::new(MemoryDevice::new(1 << 20).unwrap());
    let (mut lost, mut torn) = (0, 0);
    for seed in 0..20 {
        memory.write_zeroes(0, 1 << 20, ZeroFlags::default()).await.unwrap();
        let disk = Fault::with_volatile_cache(memory.clone(), seed);
        disk.write(0, vec![1; 32 << 10].into(), WriteFlags::default())
            .await
            .unwrap();
        disk.flush().await.unwrap();
        disk.write(64 << 10, vec![2; 32 << 10].into(), WriteFlags::FUA)
            .await
            .unwrap();
        disk.write(128 << 10, vec![3; 32 << 10].into(), WriteFlags::default())
            .await
            .unwrap();
        assert_eq!(disk.unflushed_sectors(), 64);
        assert_eq!(first_byte(&disk, 256).await, 3);
        assert_eq!(first_byte(memory.as_ref(), 256).await, 0, "still in the cache");
        let below = disk.power_loss(seed).await.unwrap();
        assert!(disk.flush().now_or_never().unwrap().is_err());
        for sector in 0..64 {
            assert_eq!(first_byte(below.as_ref(), sector).await, 1, "flushed");
            assert_eq!(first_byte(below.as_ref(), 128 + sector).await, 2, "FUA");
        }
        let mut kept = 0;
        for sector in 256..320 {
            kept += u32::from(first_byte(below.as_ref(), sector).await == 3);
        }
        lost += u32::from(kept < 64);
        torn += u32::from(kept > 0 && kept < 64);
    }
    assert!(lost > 10 && torn > 5, "{lost} lost, {torn} torn");
}
