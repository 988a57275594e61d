//! Bundles: archives as [SWUpdate](https://sbabic.github.io/swupdate/swupdate.html) reads them (a cpio archive whose first two files are
//! `sw-description` and `sw-description.sig`), of which this reads those with one image for a slot, described in JSON and signed
//! with RSA (PKCS #1 v1.5, SHA-256).
//!
//! A bundle is read once, from its beginning to its end, as it arrives. Nothing of the description is looked at before its signature
//! is verified, and nothing of the image is believed that does not have the checksum of the description.

pub mod cpio;
mod description;
mod keys;

use std::io::Read;

use semver::Version;

pub use description::Description;
pub use keys::{Key, Keys};

use crate::{Error, Result};

/// The longest description, in bytes.
const DESCRIPTION: u64 = 64 << 10;
/// The longest signature, in bytes: RSA with 8192 bits.
const SIGNATURE: u64 = 1024;
/// How it begins (SWUpdate, "SWU image format").
const DESCRIPTION_NAME: &str = "sw-description";
const SIGNATURE_NAME: &str = "sw-description.sig";

/// Who a bundle has to fit to.
#[derive(Debug, Clone)]
pub struct Fit<'a> {
    /// The board's name, as in `board/`.
    pub board: &'a str,
    /// The running version.
    pub running: &'a Version,
    /// Whether an older version will do.
    pub allow_older: bool,
    /// Bytes of a slot.
    pub slot: u64,
}

/// A bundle whose description is known to be genuine, and which stands at the beginning of its image.
pub struct Bundle<R> {
    archive: cpio::Archive<R>,
    description: Description,
}

impl<R: Read> Bundle<R> {
    /// Reads the head of a bundle: up to its image.
    ///
    /// # Errors
    /// [`Error::NotABundle`], [`Error::Signature`], [`Error::Channel`], [`Error::Truncated`].
    pub fn open(source: R, keys: &Keys) -> Result<Self> {
        let mut archive = cpio::Archive::new(source);
        let text = archive.whole(DESCRIPTION_NAME, DESCRIPTION)?;
        let signature = archive.whole(SIGNATURE_NAME, SIGNATURE)?;
        let key = keys.who_signed(&text, &signature).ok_or(Error::Signature)?;
        let description = Description::parse(&text)?;
        if description.channel != key.channel {
            return Err(Error::Channel {
                named: description.channel,
                signed: key.channel.clone(),
            });
        }
        Ok(Self { archive, description })
    }

    /// What it is.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Refuses what does not fit, and goes to the image.
    ///
    /// # Errors
    /// [`Error::Board`], [`Error::Older`], [`Error::TooBigAStep`], [`Error::TooLarge`], [`Error::NotABundle`].
    pub fn image(&mut self, fit: &Fit<'_>) -> Result<u64> {
        let found = &self.description;
        if !found.boards.iter().any(|board| board == fit.board) {
            return Err(Error::Board {
                board: fit.board.to_owned(),
                boards: found.boards.join(", "),
            });
        }
        if found.version < *fit.running && !fit.allow_older {
            return Err(Error::Older {
                bundle: found.version.clone(),
                running: fit.running.clone(),
            });
        }
        if let Some(minimum) = found.minimum.as_ref().filter(|minimum| *fit.running < **minimum) {
            return Err(Error::TooBigAStep {
                minimum: minimum.clone(),
                running: fit.running.clone(),
            });
        }
        let size = self.archive.enter(&found.file)?;
        if size > fit.slot {
            return Err(Error::TooLarge { size, slot: fit.slot });
        }
        Ok(size)
    }

    /// The next bytes of the image; none at its end.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Source`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.archive.read(buffer)
    }

    /// Sees that nothing follows the image, and reads the source to its end.
    ///
    /// # Errors
    /// [`Error::NotABundle`], [`Error::Truncated`], [`Error::Source`].
    pub fn end(mut self) -> Result<Description> {
        self.archive.end()?;
        Ok(self.description)
    }
}
