//! What is left when an update ends in the middle: a running system that starts again, and another slot that is no file system.

use std::{
    fs,
    io::{self, Read, Write as _},
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};
use update::{
    Error,
    boot::{Slot, State, TRIES, Trial},
    install::{Options, install},
    outcome,
};

use crate::support::{Board, content};

/// Nothing is tried, and U-Boot cannot load what is half written.
fn only_the_running_slot_starts(board: &Board) {
    assert_eq!(
        board.state(),
        Some(State {
            slot: Slot::A,
            trial: None
        })
    );
    assert!(
        fs::read(board.path("slot-b")).unwrap()[..4096]
            .iter()
            .all(|&byte| byte == 0)
    );
    assert_eq!(outcome::look(&board.system()).unwrap(), None);
}

fn image_at(bundle: &[u8]) -> usize {
    let head = &content()[..64];
    bundle.windows(64).position(|window| window == head).unwrap()
}

#[test]
fn the_bundle_ends_in_its_image() {
    let board = Board::new();
    let bundle = board.bundle(&[]);
    for length in [image_at(&bundle) + 100, image_at(&bundle) + 700_000] {
        let error = board.install(&bundle[..length]).unwrap_err();
        assert!(error.to_string().contains("truncated"), "{error}");
        only_the_running_slot_starts(&board);
    }
    // Everything but the archive's end.
    let end = image_at(&bundle) + content().len();
    assert!(matches!(board.install(&bundle[..end]), Err(Error::Truncated { .. })));
    only_the_running_slot_starts(&board);
}

#[test]
fn the_image_is_another_one() {
    let board = Board::new();
    let mut bundle = board.bundle(&[]);
    let at = image_at(&bundle) + 500_000;
    bundle[at] ^= 1;
    let error = board.install(&bundle).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    only_the_running_slot_starts(&board);
}

/// A source that fails where others end.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the cable is out")),
            length => Ok(length),
        }
    }
}

#[test]
fn reading_fails_or_somebody_cancels() {
    let board = Board::new();
    let bundle = board.bundle(&[]);
    let run = |source: &mut dyn Read, cancel_at: u64| {
        let cancelled = AtomicBool::new(false);
        let progress = |done, _| cancelled.store(done >= cancel_at, Ordering::Relaxed);
        install(&board.system(), source, Options::default(), progress, &cancelled).unwrap_err()
    };
    let error = run(&mut Broken(&bundle[..bundle.len() / 2]), u64::MAX);
    assert!(error.to_string().contains("the cable is out"), "{error}");
    only_the_running_slot_starts(&board);
    // All of it came, and then the word that it does not count; at once, or behind padding.
    for padding in [0, 500] {
        let padded = [&bundle[..], &vec![0; padding]].concat();
        let error = run(&mut Broken(&padded), u64::MAX);
        assert!(matches!(error, Error::Source(_)), "{padding}: {error}");
        only_the_running_slot_starts(&board);
    }
    // While it is written, and while it is read back.
    for at in [1, content().len() as u64 + 1] {
        assert!(matches!(run(&mut &bundle[..], at), Error::Cancelled));
        only_the_running_slot_starts(&board);
    }
}

#[test]
fn what_follows_the_archive_is_padding_and_no_more() {
    let board = Board::new();
    let bundle = board.bundle(&[]);
    let with = |padding: usize| [&bundle[..], &vec![0; padding]].concat();
    let error = board.install(&with((64 << 10) + 1)).unwrap_err();
    assert!(error.to_string().contains("65536 bytes follow its end"), "{error}");
    only_the_running_slot_starts(&board);
    board.install(&with(32 << 10)).unwrap();
}

#[test]
fn the_card_takes_only_half_of_what_u_boot_is_told() {
    let board = Board::new();
    let bundle = board.bundle(&[]);
    let card = board.path("card");
    // It ends before its second sector of the two from here on.
    let short = fs::File::from(memfd_create("card", MFdFlags::MFD_ALLOW_SEALING).unwrap());
    let last = content().len() as u64 * 2;
    let progress = |done, _| {
        if done == last {
            let before = fs::read(&card).unwrap();
            (&short).write_all(&before[..2040 * 512]).unwrap();
            fcntl(&short, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW)).unwrap();
            fs::remove_file(&card).unwrap();
            let end = format!("/proc/self/fd/{}", short.as_raw_fd());
            std::os::unix::fs::symlink(end, &card).unwrap();
        }
    };
    let cancelled = AtomicBool::new(false);
    let error = install(&board.system(), &bundle[..], Options::default(), progress, &cancelled).unwrap_err();
    assert!(matches!(error, Error::Card { .. }), "{error}");
    assert_eq!(
        board.state(),
        Some(State {
            slot: Slot::A,
            trial: None
        })
    );
    assert_eq!(outcome::look(&board.system()).unwrap(), None);
}

/// The other slot is being replaced: nothing may try what is in it, whatever was planned before.
#[test]
fn an_update_that_was_ready_is_forgotten_by_the_next_one() {
    let board = Board::new();
    board.install(&board.bundle(&[])).unwrap();
    let trial = Some(Trial {
        slot: Slot::B,
        tries: TRIES,
    });
    assert_eq!(board.state(), Some(State { slot: Slot::A, trial }));
    let next = board.bundle(&["--version", "0.4.0"]);
    board.install(&next[..next.len() / 2]).unwrap_err();
    assert_eq!(
        board.state(),
        Some(State {
            slot: Slot::A,
            trial: None
        })
    );
}
