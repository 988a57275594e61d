//! What the running system says of itself, in a folder that its start makes (`rootfs-overlay/usr/lib/cloud-stick/start.d/update.sh`).
//!
//! | file | is |
//! |---|---|
//! | `card` | the card |
//! | `slot-a`, `slot-b` | its slots |
//! | `running` | the letter of the slot that this system started from |
//! | `board` | the board's name |
//! | `release` | lines `version=…` and `channel=…` |
//! | `keys/` | the keys that bundles may be signed with |
//! | `kept/` | a folder that outlives updates |
//! | `restart` | a program that restarts the board |
//!
//! A machine without that folder cannot be updated this way.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};
use semver::Version;

use crate::{Error, Result, boot::Slot, bundle::Keys};

/// Where the system makes that folder.
pub const FOLDER: &str = "/run/cloud-stick/update";

/// A system that can be updated.
#[derive(Debug, Clone)]
pub struct System {
    folder: PathBuf,
    /// The slot that runs.
    pub running: Slot,
    /// The board's name, as in `board/`.
    pub board: String,
    /// The running version.
    pub version: Version,
    /// Where the running system came from.
    pub channel: String,
}

/// Nobody else changes the slots or what U-Boot is told, as long as this lives.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

impl System {
    /// The system that this folder tells of; `None` if there is no such folder.
    ///
    /// # Errors
    /// [`Error::System`], [`Error::Card`].
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        let running = match fs::read_to_string(folder.join("running")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            running => running.map_err(Error::card(folder))?,
        };
        let board = folder.join("board");
        let release = folder.join("release");
        let board = fs::read_to_string(&board).map_err(Error::card(&board))?;
        let words = fs::read_to_string(&release).map_err(Error::card(&release))?;
        let word = |name: &str| {
            let mut lines = words.lines().filter_map(|line| line.split_once('='));
            lines.find(|(known, _)| *known == name).map(|(_, value)| value.trim())
        };
        let unusable = |what: &Path, detail: &str| Error::System {
            what: what.display().to_string(),
            detail: detail.to_owned(),
        };
        let version = word("version").and_then(|version| version.parse().ok());
        Ok(Some(Self {
            running: Slot::of(running.trim())
                .ok_or_else(|| unusable(&folder.join("running"), "it is neither a nor b"))?,
            board: board.trim().to_owned(),
            version: version.ok_or_else(|| unusable(&release, "it has no line version=X.Y.Z"))?,
            channel: word("channel").unwrap_or_default().to_owned(),
            folder: folder.to_owned(),
        }))
    }

    /// The card.
    #[must_use]
    pub fn card(&self) -> PathBuf {
        self.folder.join("card")
    }

    /// A slot.
    #[must_use]
    pub fn slot(&self, slot: Slot) -> PathBuf {
        self.folder.join(format!("slot-{}", slot.letter()))
    }

    /// The keys that bundles may be signed with.
    ///
    /// # Errors
    /// Those of [`Keys::load`].
    pub fn keys(&self) -> Result<Keys> {
        Keys::load(&self.folder.join("keys"))
    }

    /// Where is kept what became of the last update.
    pub(crate) fn record(&self) -> PathBuf {
        self.folder.join("kept/update.json")
    }

    /// The program that restarts the board.
    #[must_use]
    pub fn restart(&self) -> PathBuf {
        self.folder.join("restart")
    }

    /// Keeps others from the slots and from what U-Boot is told.
    ///
    /// # Errors
    /// [`Error::Busy`] if somebody else has it, [`Error::Card`].
    pub fn lock(&self) -> Result<Lock> {
        let path = self.folder.join("lock");
        let file = File::create(&path).map_err(Error::card(&path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Lock { _file: file }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(Error::Busy),
            Err((_, error)) => Err(Error::card(&path)(error.into())),
        }
    }
}
