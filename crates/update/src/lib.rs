//! Updates of the whole system on a card with two slots.
//!
//! The running system is in one slot; a *bundle* is written to the other. U-Boot is then told to *try* that slot a few times; the
//! system in it *confirms* itself once it works, and U-Boot goes back to the old one if it does not. `docs/decisions/0018` says
//! why it is done this way.
//!
//! | part | is |
//! |---|---|
//! | [`bundle`] | the file: an archive as SWUpdate reads it, its description and signature. Knows nothing of cards |
//! | [`boot`] | what U-Boot reads and counts: two sectors of the card |
//! | [`system`] | what the running system says of itself: slots, version, board, keys |
//! | [`install`] | a bundle into the other slot, and the switch |
//! | [`outcome`] | what became of an update: confirmed, rejected, fallen back |

pub mod boot;
pub mod bundle;
mod error;
pub mod install;
pub mod outcome;
pub mod system;

pub use error::Error;

/// The result of anything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;
