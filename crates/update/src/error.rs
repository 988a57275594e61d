//! Why an update is refused, or went wrong.

use std::{io, path::Path};

use semver::Version;

/// Why an update is refused, or went wrong. The running system is as it was after each of them, and the next to start unless the card
/// fails twice ([`install`](crate::install::install)).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is something else, or was damaged before its description.
    #[error("this is not an update bundle of Cloud Stick: {detail}")]
    NotABundle {
        /// What is wrong with it.
        detail: String,
    },
    /// Nobody whose key this system knows has signed it, or it was changed afterwards.
    #[error("the signature of the bundle is wrong: no key of this device has made it")]
    Signature,
    /// The description promises what the rest does not hold.
    #[error("{file} in the bundle is damaged: its checksum is another one")]
    Damaged {
        /// The file of the bundle.
        file: String,
    },
    /// It ends too early.
    #[error("the bundle is truncated: it ends in the middle of {inside}")]
    Truncated {
        /// Where.
        inside: String,
    },
    /// For other boards.
    #[error("the bundle is not for this board, {board}; it is for: {boards}")]
    Board {
        /// This one.
        board: String,
        /// Those of the bundle.
        boards: String,
    },
    /// Signed with the key of another channel than the one it names.
    #[error("the bundle says that it is of the channel {named}, but the key of the channel {signed} signed it")]
    Channel {
        /// What the bundle says.
        named: String,
        /// Whose key it is.
        signed: String,
    },
    /// An older version, and nobody said that it may be.
    #[error("the bundle has version {bundle}, which is older than {running}, the running one")]
    Older {
        /// That of the bundle.
        bundle: Version,
        /// That of the running system.
        running: Version,
    },
    /// The running system is too old for it.
    #[error("the bundle can only be installed on version {minimum} or later; {running} is running")]
    TooBigAStep {
        /// What it wants.
        minimum: Version,
        /// What there is.
        running: Version,
    },
    /// Longer than a slot.
    #[error("the bundle holds {size} bytes, and a slot has room for {slot}")]
    TooLarge {
        /// Of the file for the slot.
        size: u64,
        /// Of the slot.
        slot: u64,
    },
    /// Another update is at work.
    #[error("another update is being installed")]
    Busy,
    /// The running system has not proven itself: the other slot is the only one that did.
    #[error("the running system is itself an update that is still being tried")]
    OnTrial,
    /// It was cancelled.
    #[error("the update was cancelled")]
    Cancelled,
    /// The bundle could not be read.
    #[error("the bundle cannot be read: {0}")]
    Source(#[source] io::Error),
    /// The slot does not hold what was written to it.
    #[error("the card does not give back what was written to slot {slot}")]
    ReadBack {
        /// The slot's letter.
        slot: char,
    },
    /// Reading or writing the card failed.
    #[error("{what}: {source}")]
    Card {
        /// What it happened to.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// The running system does not say of itself what it should.
    #[error("{what} says nothing usable: {detail}")]
    System {
        /// The file.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl Error {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::NotABundle { .. } => Some("choose the file that ends in .swu"),
            Self::Signature | Self::Channel { .. } => Some(
                "take the bundle from where this device's system comes from; one of another maker cannot be installed",
            ),
            Self::Damaged { .. } | Self::Truncated { .. } => Some("download the bundle again"),
            Self::Board { .. } => Some("take the bundle for this board"),
            Self::Older { .. } => Some("allow the older version if that is what you want"),
            Self::TooBigAStep { .. } => Some("install that version first"),
            Self::Busy => Some("wait until it ends, or cancel it"),
            Self::OnTrial => Some("wait until it is confirmed; that takes a few minutes"),
            Self::ReadBack { .. } | Self::Card { .. } => {
                Some("the card may be worn out or write-protected; use another one")
            }
            Self::TooLarge { .. } | Self::Cancelled | Self::Source(_) | Self::System { .. } => None,
        }
    }

    /// Of a file or device.
    pub(crate) fn card(what: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = what.display().to_string();
        move |source| Self::Card { what, source }
    }
}
