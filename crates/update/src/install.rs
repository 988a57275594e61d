//! A bundle into the slot that does not run.
//!
//! The order is what makes it safe to pull the plug anywhere:
//!
//! 1. U-Boot is told to start the running slot, and to try none.
//! 2. The first block of the other slot is cleared: what is half written is no file system, so that U-Boot cannot start it.
//! 3. Everything but the first block is written, and read back from the card.
//! 4. The checksum is compared, and the bundle read to its end. Then the first block is written.
//! 5. U-Boot is told to try that slot; if the card does not take that whole, to try none.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek as _, SeekFrom},
    os::unix::fs::FileExt as _,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use ring::digest;

use crate::{
    Error, Result,
    boot::{Slot, State, TRIES, Trial},
    bundle::{Bundle, Description, Fit},
    outcome,
    system::System,
};

/// Bytes that are written last: the head of the file system.
const HEAD: usize = 4096;
/// Bytes that are read and written at once.
const STEP: usize = 256 << 10;
/// Bytes that may wait in memory for the card.
const UNWRITTEN: u64 = 4 << 20;

/// How to install.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Also a version that is older than the running one.
    pub allow_older: bool,
}

/// Installs a bundle: the next start tries it. `progress` is told how much is done, and of how much; whoever sets `cancelled` is
/// heard until U-Boot is told.
///
/// # Errors
/// Any [`Error`]. The running system, and that it is the next to start, are as before; but a card that fails while U-Boot is told, and
/// again while that is taken back, may leave the installed system to be tried.
pub fn install(
    system: &System,
    source: impl Read,
    options: Options,
    mut progress: impl FnMut(u64, u64),
    cancelled: &AtomicBool,
) -> Result<Description> {
    let _lock = system.lock()?;
    let card = system.card();
    if outcome::is_on_trial(system)? {
        return Err(Error::OnTrial);
    }
    let mut bundle = Bundle::open(source, &system.keys()?)?;
    let target = system.running.other();
    let mut slot = Target::open(&system.slot(target), target)?;
    let fit = Fit {
        board: &system.board,
        running: &system.version,
        allow_older: options.allow_older,
        slot: slot.size,
    };
    let size = bundle.image(&fit)?;
    let go_on = || match cancelled.load(Ordering::Relaxed) {
        true => Err(Error::Cancelled),
        false => Ok(()),
    };

    let only_this = State {
        slot: system.running,
        trial: None,
    };
    only_this.write(&card)?;
    slot.clear_head()?;
    let mut buffer = vec![0; STEP];
    let mut sum = digest::Context::new(&digest::SHA256);
    let mut done = 0;
    loop {
        go_on()?;
        let length = bundle.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        sum.update(&buffer[..length]);
        slot.write(&buffer[..length], done)?;
        done += length as u64;
        progress(done, size * 2);
    }
    if sum.finish().as_ref() != bundle.description().sha256 {
        return Err(Error::Damaged {
            file: bundle.description().file.clone(),
        });
    }
    let description = bundle.end()?;
    slot.settle()?;
    let read = slot.sum(size, &mut buffer, |read| {
        progress(size + read, size * 2);
        go_on()
    })?;
    if read.as_ref() != description.sha256 {
        return Err(Error::ReadBack { slot: target.letter() });
    }
    slot.write_head()?;
    outcome::begun(system, &description, target)?;
    go_on()?;
    let try_it = State {
        trial: Some(Trial {
            slot: target,
            tries: TRIES,
        }),
        ..only_this
    };
    try_it.write(&card).inspect_err(|_| {
        // The first sector may have it already, and U-Boot believes that one. If the card does not take this either, there is nothing
        // left to do but to say what failed first.
        let _ = only_this.write(&card);
    })?;
    Ok(description)
}

/// The slot that is written.
struct Target {
    file: File,
    path: std::path::PathBuf,
    slot: Slot,
    size: u64,
    /// What is kept back.
    head: Vec<u8>,
    unwritten: u64,
}

impl Target {
    fn open(path: &Path, slot: Slot) -> Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(Error::card(path))?;
        let size = file.seek(SeekFrom::End(0)).map_err(Error::card(path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            slot,
            size,
            head: Vec::with_capacity(HEAD),
            unwritten: 0,
        })
    }

    fn put(&self, bytes: &[u8], at: u64) -> Result<()> {
        self.file.write_all_at(bytes, at).map_err(Error::card(&self.path))
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::card(&self.path))
    }

    fn clear_head(&self) -> Result<()> {
        self.put(&[0; HEAD], 0)?;
        self.sync()
    }

    /// Writes what comes next, but for the head.
    fn write(&mut self, bytes: &[u8], at: u64) -> Result<()> {
        let head = bytes.len().min(HEAD - self.head.len());
        self.head.extend_from_slice(&bytes[..head]);
        self.put(&bytes[head..], at + head as u64)?;
        self.unwritten += bytes.len() as u64;
        if self.unwritten >= UNWRITTEN {
            self.unwritten = 0;
            // Otherwise all of it would wait in memory, and progress tell of what has not happened.
            self.sync()?;
        }
        Ok(())
    }

    /// All of it is on the card, and nowhere else.
    fn settle(&self) -> Result<()> {
        self.sync()?;
        posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)
            .map_err(|error| Error::card(&self.path)(error.into()))
    }

    /// The checksum of what the card has, with the head that it does not have yet.
    fn sum(&self, size: u64, buffer: &mut [u8], mut told: impl FnMut(u64) -> Result<()>) -> Result<digest::Digest> {
        let mut sum = digest::Context::new(&digest::SHA256);
        sum.update(&self.head);
        let mut at = self.head.len() as u64;
        while at < size {
            let length = buffer.len().min(usize::try_from(size - at).unwrap_or(usize::MAX));
            let part = &mut buffer[..length];
            self.file.read_exact_at(part, at).map_err(Error::card(&self.path))?;
            sum.update(part);
            at += length as u64;
            told(at)?;
        }
        Ok(sum.finish())
    }

    fn write_head(&mut self) -> Result<()> {
        self.put(&self.head, 0)?;
        self.settle()?;
        let mut read = vec![0; self.head.len()];
        self.file.read_exact_at(&mut read, 0).map_err(Error::card(&self.path))?;
        match read == self.head {
            true => Ok(()),
            false => Err(Error::ReadBack {
                slot: self.slot.letter(),
            }),
        }
    }
}
