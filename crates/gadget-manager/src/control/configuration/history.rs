//! Versions of the configuration that were in force, a bounded number of them. Settings only: a secret that was replaced or
//! forgotten is gone.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use web::api;

use super::files::write_aside;

/// How many are kept.
const KEPT: usize = 20;

/// A version, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    /// Its number.
    pub version: u64,
    /// When it came into force.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// What was changed, in a few words.
    pub change: String,
    /// The settings.
    pub text: String,
}

/// The versions, in a folder, one file each.
#[derive(Debug, Clone)]
pub(super) struct History {
    folder: PathBuf,
}

impl History {
    /// In this folder, which need not exist yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// All that are kept, the youngest first. What cannot be read is left out: it is a convenience, not the configuration
    /// itself. Blocks.
    pub(super) fn list(&self) -> Vec<Version> {
        let mut numbers = self.numbers();
        numbers.reverse();
        numbers.into_iter().filter_map(|number| self.get(number)).collect()
    }

    /// One of them. Blocks.
    pub(super) fn get(&self, number: u64) -> Option<Version> {
        let text = fs::read(self.path(number)).ok()?;
        serde_json::from_slice(&text)
            .ok()
            .filter(|version: &Version| version.version == number)
    }

    /// The youngest, if there is one. Blocks.
    pub(super) fn last(&self) -> Option<Version> {
        self.numbers().into_iter().rev().find_map(|number| self.get(number))
    }

    /// Adds one, and forgets those that are too old. Gives its number. Blocks.
    pub(super) fn add(&self, change: &str, text: &str) -> io::Result<u64> {
        fs::create_dir_all(&self.folder)?;
        let numbers = self.numbers();
        let number = numbers.last().map_or(1, |last| last + 1);
        let version = Version {
            version: number,
            time: OffsetDateTime::now_utc(),
            change: change.to_owned(),
            text: text.to_owned(),
        };
        write_aside(&self.path(number), &serde_json::to_vec_pretty(&version)?, 0o600)?;
        let surplus = (numbers.len() + 1).saturating_sub(KEPT);
        for old in &numbers[..surplus.min(numbers.len())] {
            fs::remove_file(self.path(*old))?;
        }
        Ok(number)
    }

    /// Forgets all. Blocks.
    pub(super) fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:08}.json"))
    }

    /// Ascending.
    fn numbers(&self) -> Vec<u64> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let number = |path: &Path| path.file_name()?.to_str()?.strip_suffix(".json")?.parse().ok();
        let mut numbers: Vec<u64> = entries.filter_map(|entry| number(&entry.path())).collect();
        numbers.sort_unstable();
        numbers
    }
}

impl Version {
    /// As the page sees it.
    pub(super) fn seen(self, current: u64) -> api::Version {
        api::Version {
            current: self.version == current,
            version: self.version,
            time: self.time,
            change: self.change,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_youngest_are_kept_and_numbers_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(folder.path().join("versions"));
        assert!(history.last().is_none());
        for number in 1..=25 {
            assert_eq!(history.add("a change", &format!("a = {number}\n")).unwrap(), number);
        }
        let list = history.list();
        assert_eq!((list.len(), list[0].version, list[19].version), (20, 25, 6));
        assert_eq!(history.get(25).unwrap().text, "a = 25\n");
        assert!(history.get(5).is_none());
        fs::write(folder.path().join("versions/00000025.json"), "{").unwrap();
        assert_eq!(history.last().unwrap().version, 24, "a damaged one is left out");
        assert_eq!(history.add("another", "").unwrap(), 26, "its number is not used again");
    }
}
