//! The life of a mapping: made or found again, open, and gone.

use std::{
    fs::File,
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tracing::{info, warn};

use super::{
    bus::Bus,
    entry::Entry,
    keys::KernelKey,
    line::{Line, Purpose, key_of},
    mark::{Mark, Marks},
    sys,
    turns::Turn,
};
use crate::{
    Secret,
    error::{RbdError, Result},
};

/// How long others may have a mapping of ours open for moments, as udevd has when it looks at new devices.
const MOMENTS: Duration = Duration::from_secs(3);
/// How long the block device may take to appear after the mapping.
const APPEARS: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(30);

/// Makes mappings, and finds those again that a dead daemon left.
#[derive(Debug, Clone)]
pub(super) struct Mapper {
    pub(super) bus: Bus,
    pub(super) marks: Marks,
    pub(super) key: Option<Secret>,
}

/// A mapped image that is open.
#[derive(Debug)]
pub(super) struct Mapping {
    mapper: Mapper,
    pub(super) entry: Entry,
    pub(super) file: Arc<File>,
    mark: Mark,
    target: String,
    purpose: Purpose,
}

/// What became of the attempt to use a mapping that is there already.
#[derive(Debug)]
pub(super) enum Found {
    /// It is in use again.
    Again(Mapping),
    /// There is none, or none any more.
    Nothing,
    /// Somebody has it open.
    Busy,
}

/// What a mapping is for, in its mark.
fn word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Look => "look",
        Purpose::Read => "read",
        // Both are of an owner, whatever the settings were then.
        Purpose::Own | Purpose::Share => "own",
    }
}

impl Mapper {
    /// Looks for a mapping that this installation made for the same purpose. One that cannot be used is removed.
    ///
    /// # Errors
    ///
    /// [`Unreachable`](RbdError::Unreachable): the mapping may be good, but the cluster does not answer.
    pub(super) fn find(&self, line: &Line) -> Result<Found> {
        let target = line.target();
        for entry in self.bus.entries() {
            let Some(text) = entry.line() else { continue };
            let key = key_of(&text);
            let mark = key.and_then(|key| self.marks.recognise(word(line.purpose()), &target, key));
            let Some(mark) = mark else { continue };
            let alone = line.purpose().writes();
            let file = match sys::open_direct(&entry.node(), alone, alone) {
                Ok(file) => Some(file),
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => return Ok(Found::Busy),
                Err(error) => {
                    warn!(device = %entry.node().display(), %error, "a mapping of ours cannot be opened");
                    None
                }
            };
            // Others may have had a shared one meanwhile.
            let same = text == line.with_key(mark.name()) && line.purpose() != Purpose::Share;
            match file {
                Some(file) if same && (!alone || self.is_alive(&entry, &mark, &target)?) => {
                    info!(image = target, device = %entry.node().display(), "the mapping of an earlier run is used again");
                    return Ok(Found::Again(self.mapping(entry, Arc::new(file), mark, line)));
                }
                file => {
                    drop(file);
                    info!(image = target, device = %entry.node().display(), "removing a mapping that cannot be used again");
                    self.remove(&entry, &mark, alone);
                }
            }
        }
        Ok(Found::Nothing)
    }

    /// Whether a mapping that was left still has the image, which nobody else had since.
    fn is_alive(&self, entry: &Entry, mark: &Mark, target: &str) -> Result<bool> {
        if !self.marks.was_seen_lately(mark) {
            return Ok(false);
        }
        match entry.refresh() {
            Ok(()) => Ok(true),
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                match RbdError::from_errno(target, "looking at an earlier mapping", errno) {
                    error @ RbdError::Unreachable { .. } => Err(error),
                    error => {
                        warn!(image = target, %error, "an earlier mapping is lost");
                        Ok(false)
                    }
                }
            }
        }
    }

    /// Maps an image. Blocks for as long as the line says, at most.
    pub(super) fn map(&self, line: &Line) -> Result<Mapping> {
        let target = line.target();
        let mark = self.marks.fresh(word(line.purpose()), &target);
        let added = {
            let key = KernelKey::add(mark.name(), self.key.as_ref()).map_err(|error| no_key(&target, &error))?;
            let added = self.bus.add(&line.with_key(mark.name()));
            drop(key);
            added
        };
        added.map_err(|error| refused(&target, line.purpose(), &error))?;
        let ours = |entry: &Entry| entry.line().is_some_and(|text| key_of(&text) == Some(mark.name()));
        let Some(entry) = self.bus.entries().into_iter().find(ours) else {
            let detail = "was mapped and is gone; does somebody else unmap images on this machine?";
            return Err(RbdError::invalid(target, detail));
        };
        let alone = line.purpose().writes();
        match patiently(APPEARS, || sys::open_direct(&entry.node(), alone, alone)) {
            Ok(file) => {
                let mapping = self.mapping(entry, Arc::new(file), mark, line);
                mapping.seen();
                Ok(mapping)
            }
            Err(error) => {
                self.remove(&entry, &mark, true);
                let detail = format!("cannot be opened: {error}; is devtmpfs mounted at /dev?");
                Err(RbdError::invalid(entry.node().display().to_string(), detail))
            }
        }
    }

    fn mapping(&self, entry: Entry, file: Arc<File>, mark: Mark, line: &Line) -> Mapping {
        Mapping {
            mapper: self.clone(),
            entry,
            file,
            mark,
            target: line.target(),
            purpose: line.purpose(),
        }
    }

    /// Unmaps; with `force` also under those who have it open for longer than a moment.
    fn remove(&self, entry: &Entry, mark: &Mark, force: bool) {
        let id = entry.id();
        let removed = patiently(MOMENTS, || self.bus.remove(id, false));
        let removed = match removed {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && force => {
                warn!(device = %entry.node().display(), "unmapped although somebody has it open");
                self.bus.remove(id, true)
            }
            removed => removed,
        };
        match removed {
            Ok(()) => self.marks.forget(mark),
            // Others of us still read it; the last one unmaps it.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(error) => warn!(device = %entry.node().display(), %error, "cannot be unmapped"),
        }
    }
}

impl Mapping {
    /// `pool/image` and the like.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Counts the owners that the image had on this machine.
    pub(super) fn generation(&self) -> u64 {
        self.mark.generation
    }

    /// Notes that the cluster listens to it now, for whom that matters.
    pub(super) fn seen(&self) {
        if self.purpose == Purpose::Own {
            self.mapper.marks.seen(&self.mark);
        }
    }

    /// Closes and unmaps it, which gives the lock up. Blocks until the kernel is done.
    pub(super) fn unmap(self) {
        let _turn = Turn::take(&self.target);
        self.unmap_in_turn();
    }

    /// As [`unmap`](Self::unmap), by somebody whose [`Turn`] it is.
    pub(super) fn unmap_in_turn(self) {
        let Self {
            mapper,
            entry,
            file,
            mark,
            purpose,
            ..
        } = self;
        drop(file);
        mapper.remove(&entry, &mark, purpose != Purpose::Read);
    }
}

/// Repeats what fails for moments, for so long.
fn patiently<T>(limit: Duration, what: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let begin = Instant::now();
    loop {
        match what() {
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::ENOENT)) && begin.elapsed() < limit =>
            {
                thread::sleep(PAUSE);
            }
            result => return result,
        }
    }
}

fn no_key(target: &str, error: &io::Error) -> RbdError {
    let why = match error.raw_os_error() {
        // ENOTSUPP, of the kernel's own use: a kind of key that it does not know.
        Some(524) => {
            "the kernel does not know this kind of key; give the user one of AES-128 (`ceph auth get-or-create`)"
        }
        Some(libc::ENODEV | libc::ENOKEY) => "load the module `libceph` (modprobe libceph)",
        Some(libc::ENOSYS) => "this kernel has no keys (CONFIG_KEYS)",
        _ => "the kernel does not take the key",
    };
    RbdError::invalid(target, format!("{why}: {error}"))
}

/// What the kernel's code for a mapping that was not made means.
fn refused(target: &str, purpose: Purpose, error: &io::Error) -> RbdError {
    let errno = error.raw_os_error().unwrap_or(libc::EIO);
    let in_use = |owner: &str, remedy: &str| RbdError::InUse {
        object: target.to_owned(),
        owner: owner.to_owned(),
        remedy: remedy.to_owned(),
    };
    let own = purpose.writes();
    match errno {
        // SAFETY: only asks.
        libc::EACCES | libc::EPERM if unsafe { libc::geteuid() } != 0 => RbdError::Denied {
            object: target.to_owned(),
            detail: "only root may map images; run this as root, or use client = \"librbd\"".to_owned(),
        },
        libc::EROFS if own => in_use(
            "a client that keeps the lock",
            &format!("close it there; `rbd lock ls {target}` shows who it is"),
        ),
        // Reading it was possible just before.
        libc::ETIMEDOUT if own => in_use(
            "a client that does not answer",
            "if it is dead, the cluster notices within half a minute: try again then",
        ),
        libc::ENXIO => RbdError::unsupported(
            target,
            "mapping an image with its features",
            "the kernel's log names their bits (dmesg); use client = \"librbd\", or take the features away (rbd feature disable)",
        ),
        libc::EINVAL => RbdError::invalid(target, "the kernel does not take the options; its log says why (dmesg)"),
        errno => RbdError::from_errno(target, "mapping", errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(purpose: Purpose, errno: i32) -> RbdError {
        refused("sticks/films", purpose, &io::Error::from_raw_os_error(errno))
    }

    #[test]
    fn codes_of_the_kernel_become_what_they_mean() {
        assert!(matches!(told(Purpose::Own, libc::EROFS), RbdError::InUse { .. }));
        assert!(matches!(told(Purpose::Own, libc::ETIMEDOUT), RbdError::InUse { .. }));
        assert!(matches!(
            told(Purpose::Read, libc::ETIMEDOUT),
            RbdError::Unreachable { .. }
        ));
        assert!(matches!(told(Purpose::Read, libc::ENOENT), RbdError::NotFound { .. }));
        assert!(matches!(told(Purpose::Own, libc::ENXIO), RbdError::Unsupported { .. }));
        assert!(matches!(told(Purpose::Own, libc::ESHUTDOWN), RbdError::Fenced { .. }));
        assert!(
            told(Purpose::Own, libc::EROFS)
                .to_string()
                .contains("rbd lock ls sticks/films")
        );
    }

    #[test]
    fn what_is_busy_for_a_moment_is_tried_again() {
        let tries = std::cell::Cell::new(0);
        let busy_twice = || {
            tries.set(tries.get() + 1);
            match tries.get() {
                1 | 2 => Err(io::Error::from_raw_os_error(libc::EBUSY)),
                _ => Ok(()),
            }
        };
        assert!(patiently(MOMENTS, busy_twice).is_ok() && tries.get() == 3);
        let fails = || Err::<(), _>(io::Error::from_raw_os_error(libc::EIO));
        assert!(patiently(MOMENTS, fails).is_err());
    }
}
