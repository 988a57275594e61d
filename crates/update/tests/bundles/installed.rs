//! A bundle that fits, from its installation to its end.

use std::fs;

use update::{
    boot::{Slot, State, Trial},
    install::Options,
    outcome::{self, Phase},
};

use crate::support::{Board, IMAGE, SLOT, content};

fn phase(board: &Board) -> Option<Phase> {
    outcome::look(&board.system()).unwrap().map(|update| update.phase)
}

/// As U-Boot does before it starts a slot on trial.
fn count(board: &Board) {
    let state = board.state().unwrap();
    let trial = state.trial.map(|trial| Trial {
        tries: trial.tries - 1,
        ..trial
    });
    State { trial, ..state }.write(&board.path("card")).unwrap();
}

#[test]
fn it_is_written_tried_and_confirmed() {
    let board = Board::new();
    assert_eq!(phase(&board), None);
    let description = board.install(&board.bundle(&[])).unwrap();
    assert_eq!(description.version.to_string(), "0.3.0");
    let slot = fs::read(board.path("slot-b")).unwrap();
    assert!(slot[..IMAGE] == content() && slot[IMAGE..].iter().all(|&byte| byte == b'b'));
    assert!(
        fs::read(board.path("slot-a")).unwrap() == [b'a'; SLOT],
        "the running slot is not touched"
    );
    let trial = Some(Trial {
        slot: Slot::B,
        tries: 3,
    });
    assert_eq!(board.state(), Some(State { slot: Slot::A, trial }));
    assert_eq!(phase(&board), Some(Phase::Ready));
    assert_eq!(outcome::settle(&board.system()).unwrap(), None, "it was not tried yet");
    assert!(
        !outcome::confirm(&board.system()).unwrap(),
        "the old system cannot confirm it"
    );

    count(&board);
    board.runs(Slot::B, "0.3.0");
    assert_eq!(phase(&board), Some(Phase::Trial));
    assert!(matches!(board.install(&board.bundle(&[])), Err(update::Error::OnTrial)));
    assert!(outcome::confirm(&board.system()).unwrap());
    assert_eq!(
        board.state(),
        Some(State {
            slot: Slot::B,
            trial: None
        })
    );
    assert_eq!(phase(&board), Some(Phase::Confirmed));
    assert!(!outcome::confirm(&board.system()).unwrap(), "once is enough");

    // The next one goes into the other slot.
    board.install(&board.bundle(&["--version", "0.3.1"])).unwrap();
    let trial = Some(Trial {
        slot: Slot::A,
        tries: 3,
    });
    assert_eq!(board.state(), Some(State { slot: Slot::B, trial }));
}

#[test]
fn one_that_rejects_itself_falls_back_and_says_why() {
    let board = Board::new();
    board.install(&board.bundle(&[])).unwrap();
    assert!(
        !outcome::reject(&board.system(), "x").unwrap(),
        "the old system cannot reject it"
    );
    count(&board);
    board.runs(Slot::B, "0.3.0");
    assert!(outcome::reject(&board.system(), "the page does not answer").unwrap());
    assert_eq!(
        board.state().unwrap().trial,
        Some(Trial {
            slot: Slot::B,
            tries: 0
        })
    );

    board.runs(Slot::A, "0.2.0");
    let told = outcome::settle(&board.system()).unwrap().unwrap();
    assert_eq!(
        (told.phase, told.reason.as_deref()),
        (Phase::FellBack, Some("the page does not answer"))
    );
    assert_eq!(
        board.state(),
        Some(State {
            slot: Slot::A,
            trial: None
        })
    );
    assert_eq!(outcome::settle(&board.system()).unwrap(), None, "it is told of once");
    assert_eq!(phase(&board), Some(Phase::FellBack), "and stays to be seen");
}

#[test]
fn one_that_is_all_that_is_left_is_not_on_trial_for_ever() {
    let board = Board::new();
    board.install(&board.bundle(&[])).unwrap();
    for _ in 0..3 {
        count(&board);
    }
    // The old slot cannot be loaded any more, and U-Boot starts this one without a word of a trial.
    board.runs(Slot::B, "0.3.0");
    assert_eq!(outcome::settle(&board.system()).unwrap(), None, "nobody fell back");
    assert_eq!(
        board.state(),
        Some(State {
            slot: Slot::B,
            trial: None
        })
    );
    assert!(!outcome::is_on_trial(&board.system()).unwrap());
    assert_eq!(phase(&board), Some(Phase::Confirmed));
    // What repairs the other slot.
    board.install(&board.bundle(&["--version", "0.3.1"])).unwrap();
}

/// As the first process does when it cannot use the system in its slot (`image/initramfs/init`).
#[test]
fn the_system_before_prevails_where_the_card_has_lost_a_part_of_the_update() {
    let board = Board::new();
    board.install(&board.bundle(&[])).unwrap();
    count(&board);
    board.runs(Slot::B, "0.3.0");
    assert!(outcome::confirm(&board.system()).unwrap());
    let tried = State {
        slot: Slot::B,
        trial: Some(Trial {
            slot: Slot::A,
            tries: 3,
        }),
    };
    tried.write(&board.path("card")).unwrap();

    count(&board);
    board.runs(Slot::A, "0.2.0");
    assert!(
        outcome::reject(&board.system(), "the page does not answer").unwrap(),
        "it does not work either"
    );
    assert_eq!(
        phase(&board),
        Some(Phase::Confirmed),
        "the reason is that of the other one"
    );

    tried.write(&board.path("card")).unwrap();
    count(&board);
    assert!(outcome::confirm(&board.system()).unwrap());
    assert_eq!(
        board.state(),
        Some(State {
            slot: Slot::A,
            trial: None
        })
    );
    let told = outcome::look(&board.system()).unwrap().unwrap();
    assert_eq!(
        (told.version.to_string().as_str(), told.phase),
        ("0.3.0", Phase::FellBack)
    );
    assert_eq!(told.reason.as_deref(), Some("the card has lost a part of it"));
    // What repairs the other slot.
    board.install(&board.bundle(&[])).unwrap();
}

#[test]
fn one_that_never_said_a_word_falls_back_too() {
    let board = Board::new();
    board.install(&board.bundle(&[])).unwrap();
    for _ in 0..3 {
        count(&board);
    }
    assert_eq!(phase(&board), Some(Phase::FellBack));
    let told = outcome::settle(&board.system()).unwrap().unwrap();
    assert_eq!((told.version.to_string().as_str(), told.reason), ("0.3.0", None));
    // Another one may be better.
    board.install(&board.bundle(&["--version", "0.3.1"])).unwrap();
    assert_eq!(phase(&board), Some(Phase::Ready));
}

#[test]
fn an_older_version_is_installed_if_its_owner_says_so() {
    let board = Board::new();
    board.install(&board.bundle(&["--version", "0.2.0"])).unwrap();
    let older = board.bundle(&["--version", "0.1.9"]);
    assert!(matches!(board.install(&older), Err(update::Error::Older { .. })));
    board.install_with(&older, Options { allow_older: true }).unwrap();
}

#[test]
fn the_same_words_make_the_same_bytes() {
    let board = Board::new();
    assert!(board.bundle(&[]) == board.bundle(&[]));
}
