//! Bundles that are refused, each in words that say why. Nothing of the running system changes, nor what starts next.

use std::fs;

use ring::digest;
use update::{Error, system::System};

use crate::support::{Board, SLOT, content, make_key};

/// Refused before a byte is written; what is said.
fn refused(board: &Board, bundle: &[u8]) -> Error {
    let sum = |name: &str| digest::digest(&digest::SHA256, &fs::read(board.path(name)).unwrap());
    let names = ["card", "slot-a", "slot-b"];
    let before = names.map(|name| sum(name).as_ref().to_vec());
    let error = board.install(bundle).unwrap_err();
    assert_eq!(before, names.map(|name| sum(name).as_ref().to_vec()), "{error}");
    error
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).unwrap()
}

#[test]
fn one_that_somebody_else_signed() {
    let board = Board::new();
    make_key(&board.path("other.key"), &board.path("other.pub"));
    let key = board.path("other.key");
    let bundle = board.bundle(&["--key", key.to_str().unwrap()]);
    let error = refused(&board, &bundle);
    assert!(matches!(error, Error::Signature), "{error:?}");
    assert!(error.to_string().contains("signature"), "{error}");
    fs::remove_file(board.path("keys/development.pem")).unwrap();
    assert!(
        matches!(refused(&board, &board.bundle(&[])), Error::Signature),
        "without keys nothing is accepted"
    );
}

#[test]
fn one_whose_description_was_changed_after_it_was_signed() {
    let board = Board::new();
    let bundle = board.bundle(&[]);
    let mut changed = bundle.clone();
    let at = find(&changed, b"0.3.0");
    changed[at + 2] = b'9';
    assert!(matches!(refused(&board, &changed), Error::Signature));
    // The signature itself.
    let mut changed = bundle;
    let at = find(&changed, b"sw-description.sig") + 40;
    changed[at] ^= 1;
    assert!(matches!(refused(&board, &changed), Error::Signature));
}

#[test]
fn one_of_a_channel_with_the_key_of_another() {
    let board = Board::new();
    make_key(&board.path("release.key"), &board.path("keys/release.pem"));
    let error = refused(&board, &board.bundle(&["--channel", "release"]));
    assert!(
        error.to_string().contains("the key of the channel development"),
        "{error}"
    );
}

#[test]
fn one_for_other_boards() {
    let board = Board::new();
    let error = refused(&board, &board.bundle(&["--board", "cubietruck", "--board", "bananapi"]));
    assert!(matches!(error, Error::Board { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("orangepi-pc") && text.contains("cubietruck, bananapi"),
        "{text}"
    );
}

#[test]
fn an_older_one_and_one_that_is_too_big_a_step() {
    let board = Board::new();
    let error = refused(&board, &board.bundle(&["--version", "0.1.9"]));
    assert!(
        error.to_string().contains("0.1.9, which is older than 0.2.0"),
        "{error}"
    );
    let error = refused(&board, &board.bundle(&["--version", "0.2.0-rc.1"]));
    assert!(matches!(error, Error::Older { .. }), "{error:?}");
    let error = refused(&board, &board.bundle(&["--minimum", "0.2.5"]));
    assert!(
        error.to_string().contains("0.2.5 or later; 0.2.0 is running"),
        "{error}"
    );
}

#[test]
fn one_that_ends_before_its_image() {
    let board = Board::new();
    let bundle = board.bundle(&[]);
    let image = find(&bundle, &content()[..64]);
    for length in [0, 1, 110, 500, image - 1] {
        let error = refused(&board, &bundle[..length]);
        assert!(matches!(error, Error::Truncated { .. }), "{length}: {error:?}");
    }
}

#[test]
fn what_is_no_bundle() {
    let board = Board::new();
    for bytes in [vec![0; 100_000], b"PK\x03\x04".repeat(1000), content()] {
        let error = refused(&board, &bytes);
        assert!(matches!(error, Error::NotABundle { .. }), "{error:?}");
    }
}

#[test]
fn one_that_is_longer_than_a_slot() {
    let board = Board::new();
    let bundle = board.bundle(&[]);
    for slot in ["slot-a", "slot-b"] {
        fs::write(board.path(slot), vec![0; SLOT / 4]).unwrap();
    }
    assert!(matches!(refused(&board, &bundle), Error::TooLarge { .. }));
}

#[test]
fn two_at_once() {
    let board = Board::new();
    let bundle = board.bundle(&[]);
    let lock = board.system().lock().unwrap();
    assert!(matches!(board.install(&bundle), Err(Error::Busy)));
    drop(lock);
    board.install(&bundle).unwrap();
}

#[test]
fn a_machine_without_slots_has_no_updates() {
    let folder = tempfile::tempdir().unwrap();
    assert!(System::open(&folder.path().join("none")).unwrap().is_none());
    assert!(System::open(folder.path()).unwrap().is_none());
}
