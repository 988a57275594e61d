//! How we know our own mappings: by the name of the key with which they were made, which the kernel keeps.
//!
//! The name has a hash that only this installation can make, and a number that no other mapping has. A mapping that a dead
//! daemon left is taken over by the next one, but only while it is sure that nobody else can have had the image: whoever
//! takes it fences the old owner for an hour at least (`mon_osd_blocklist_default_expire`), and afterwards a mapping that
//! nobody looked after would write again as if nothing had happened. So a daemon notes when it last saw that the cluster
//! listens, in `run_dir`, which lives no longer than the kernel.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What the names of our keys begin with.
const PREFIX: &str = "cloud-stick-";

/// A mapping that nobody looked after for so long is not used again.
const MAX_ABSENCE: Duration = Duration::from_secs(20 * 60);

/// Knows the mappings of this installation, and of no other.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    identity: Option<String>,
    run_dir: Option<PathBuf>,
}

/// The name of the key of one mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    name: String,
    /// Microseconds since 1970 when it was made: greater for each owner that this machine had.
    pub(super) generation: u64,
}

impl Mark {
    /// The name itself.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Whether a mapping with this key was made by a program like ours, of whatever installation.
pub(super) fn is_of_our_kind(key: &str) -> bool {
    key.starts_with(PREFIX)
}

impl Marks {
    /// For the installation with this identity; without one, or without a folder, nothing is used again.
    pub(super) fn new(identity: Option<String>, run_dir: Option<PathBuf>) -> Self {
        Self { identity, run_dir }
    }

    fn hash(&self, purpose: &str, target: &str) -> Option<String> {
        let identity = self.identity.as_deref()?;
        let text = format!("{identity}\nkernel\n{purpose}\n{target}");
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        Some(digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// A mark for a new mapping of `target`.
    pub(super) fn fresh(&self, purpose: &str, target: &str) -> Mark {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let generation = u64::try_from(now.as_micros()).unwrap_or_default();
        let hash = self.hash(purpose, target);
        let hash = hash.unwrap_or_else(|| format!("process-{}", std::process::id()));
        Mark {
            name: format!("{PREFIX}{hash}-{generation:x}"),
            generation,
        }
    }

    /// The mark that a key's name is, if it is one of ours for `target`.
    pub(super) fn recognise(&self, purpose: &str, target: &str, key: &str) -> Option<Mark> {
        let rest = key.strip_prefix(PREFIX)?.strip_prefix(&self.hash(purpose, target)?)?;
        let generation = u64::from_str_radix(rest.strip_prefix('-')?, 16).ok()?;
        Some(Mark {
            name: key.to_owned(),
            generation,
        })
    }

    fn note(&self, mark: &Mark) -> Option<PathBuf> {
        self.run_dir.as_ref().map(|folder| folder.join("rbd").join(&mark.name))
    }

    /// Notes that the cluster listens to this mapping now.
    pub(super) fn seen(&self, mark: &Mark) {
        let Some(path) = self.note(mark) else { return };
        if let Err(error) = store(&path, &since_start().as_secs().to_string()) {
            tracing::warn!(path = %path.display(), %error, "after a crash the image will be mapped anew");
        }
    }

    /// Whether somebody saw lately that the cluster listens to this mapping.
    pub(super) fn was_seen_lately(&self, mark: &Mark) -> bool {
        let seen = self.note(mark).and_then(|path| fs::read_to_string(path).ok());
        let seen = seen.and_then(|text| text.parse().ok()).map(Duration::from_secs);
        seen.and_then(|seen| since_start().checked_sub(seen))
            .is_some_and(|absence| absence <= MAX_ABSENCE)
    }

    /// Forgets a mapping that is no more.
    pub(super) fn forget(&self, mark: &Mark) {
        if let Some(path) = self.note(mark) {
            // It may never have been noted.
            let _ = fs::remove_file(path);
        }
    }
}

fn store(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension("new");
    fs::write(&partial, text)?;
    fs::rename(&partial, path)
}

/// How long the machine runs, sleep included: unlike the clock nobody sets it.
fn since_start() -> Duration {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    Duration::from_secs_f64(seconds.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(identity: &str, folder: &Path) -> Marks {
        Marks::new(Some(identity.to_owned()), Some(folder.to_owned()))
    }

    #[test]
    fn only_the_own_mappings_are_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let ours = marks("ours", folder.path());
        let mark = ours.fresh("own", "sticks/films");
        assert!(is_of_our_kind(mark.name()) && !mark.name().contains("ours"));
        assert_eq!(ours.recognise("own", "sticks/films", mark.name()).unwrap(), mark);
        assert!(ours.recognise("read", "sticks/films", mark.name()).is_none());
        assert!(ours.recognise("own", "sticks/film", mark.name()).is_none());
        let theirs = marks("theirs", folder.path());
        assert!(theirs.recognise("own", "sticks/films", mark.name()).is_none());
        let nobody = Marks::new(None, None);
        let mark = nobody.fresh("own", "sticks/films");
        assert!(nobody.recognise("own", "sticks/films", mark.name()).is_none());
        for key in ["", "client.admin", "cloud-stick-", "cloud-stick-0-0"] {
            assert!(ours.recognise("own", "sticks/films", key).is_none(), "{key}");
        }
    }

    #[test]
    fn what_nobody_looked_after_is_not_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let marks = marks("ours", folder.path());
        let mark = marks.fresh("own", "sticks/films");
        assert!(!marks.was_seen_lately(&mark));
        marks.seen(&mark);
        assert!(marks.was_seen_lately(&mark));
        let path = marks.note(&mark).unwrap();
        for old in ["", "-1", "99999999999"] {
            fs::write(&path, old).unwrap();
            assert!(!marks.was_seen_lately(&mark), "{old}");
        }
        marks.seen(&mark);
        marks.forget(&mark);
        assert!(!marks.was_seen_lately(&mark) && !path.exists());
        marks.forget(&mark);
    }
}
