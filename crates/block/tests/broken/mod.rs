//! Devices that each break one rule, and the case that must catch it.

mod device;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use block::{
    Disk,
    conformance::{Case, Options, Target},
};

use device::{Broken, Flaw};

/// The failure of `case` on devices with `flaw`, if it is caught.
async fn caught(flaw: Flaw, case: Case) -> Option<String> {
    let last: Arc<Mutex<Option<Arc<Broken>>>> = Arc::default();
    let again = |last: &Arc<Mutex<Option<Arc<Broken>>>>, read_only: bool| {
        let mut last = last.lock().unwrap();
        let device = Arc::new(last.as_ref().expect("opened before").reopen(read_only));
        *last = Some(device.clone());
        device as Disk
    };
    let (reopen, read_only) = (last.clone(), last.clone());
    let options = Options {
        operations: 2000,
        // Only the one that hangs is waited for in vain.
        time_limit: Duration::from_secs(if flaw == Flaw::HangingFlush { 2 } else { 60 }),
        ..Options::default()
    }
    .with_reopen(move |_| std::future::ready(again(&reopen, false)))
    .with_read_only(move |_| std::future::ready(again(&read_only, true)));
    let open = move |size| {
        let device = Arc::new(Broken::new(size, flaw));
        *last.lock().unwrap() = Some(device.clone());
        std::future::ready(device as Disk)
    };
    let failure = Target::new(open, options).check(case).await.err()?;
    let text = failure.to_string();
    assert!(text.contains(case.name()) && text.contains("0x5eedc10d"), "{text}");
    Some(failure.detail)
}

#[tokio::test]
async fn the_frame_itself_breaks_no_rule() {
    for &case in Case::ALL {
        assert_eq!(caught(Flaw::None, case).await, None, "{}", case.name());
    }
}

macro_rules! flaws {
    ($($name:ident: $flaw:ident, $case:ident, $text:literal;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let detail = caught(Flaw::$flaw, Case::$case).await;
                let detail = detail.unwrap_or_else(|| panic!("{} did not catch it", Case::$case.name()));
                assert!(detail.contains($text), "caught, but as: {detail}");
            }
        )+

        #[test]
        fn every_case_has_a_device_that_fails_it() {
            let caught = [$(Case::$case),+];
            let missing: Vec<_> = Case::ALL.iter().filter(|case| !caught.contains(case)).collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
    };
}

flaws! {
    a_size_that_was_rounded: RoundsSize, Properties, "bytes but says";
    a_name_that_is_empty: NoName, Properties, "name";
    a_range_that_is_clamped: ClampsRange, Bounds, "must fail with OutOfRange";
    an_overflow_that_wraps: Wraps, Bounds, "OutOfRange";
    an_error_of_the_wrong_kind: WrongError, Bounds, "OutOfRange";
    an_error_that_names_another_disk: WrongDisk, Bounds, "names disk";
    a_misaligned_request_that_is_rounded: RoundsMisaligned, Alignment, "must fail with Misaligned";
    a_zero_length_that_fails: RefusesNothing, ZeroLengths, "failed";
    a_request_that_is_too_long: TakesAnyLength, LongRequests, "OutOfRange";
    a_read_that_is_short: ShortRead, Overlap, "answered";
    a_stale_read: StaleRead, Overlap, "differs";
    a_segment_that_is_swallowed: SwallowsSegment, Overlap, "differs";
    zeroes_that_are_none: NoHoleLeavesData, Zeroes, "differs";
    a_refusal_after_the_deed: FastOnlyAfterAll, Zeroes, "differs";
    a_fast_zero_that_is_refused: RefusesFastZero, Zeroes, "fast_zero";
    a_discard_that_leaves_garbage: DiscardGarbage, Discard, "differs";
    a_hole_over_data: HoleOverData, Extents, "must read as zeroes";
    a_gap_between_extents: ExtentGap, Extents, "belongs";
    extents_beyond_the_question: ExtentTooLong, Extents, "too long";
    old_bytes_after_growing: KeepsOldBytes, Resize, "differs";
    a_size_that_nobody_is_told: SilentResize, Resize, "status";
    a_read_only_device_that_writes: WritesReadOnly, ReadOnly, "ReadOnly";
    a_closed_device_that_works: WorksWhenClosed, Close, "after close succeeded";
    a_second_close_that_fails: ClosesOnce, Close, "second close";
    a_flush_that_never_ends: HangingFlush, Flush, "did not end";
    a_flush_that_does_nothing: LazyFlush, PowerLoss, "after a power failure";
    a_fua_that_is_ignored: IgnoresFua, PowerLoss, "after a power failure";
    a_close_that_does_not_flush: CloseLosesWrites, CleanClose, "opened again";
    a_read_modify_write_without_a_lock: UnlockedPage, ConcurrentDisjoint, "legal are only";
    a_sector_that_tears: TornSector, ConcurrentOverlapping, "torn";
    a_write_that_is_lost_when_it_overlaps: LostOverlap, ConcurrentOverlapping, "legal are only";
    a_dropped_write_that_comes_late: LateWrite, DroppedFutures, "";
    a_panic: Panics, Overlap, "panic: oh";
}
