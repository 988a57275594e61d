//! Whether a kernel device that a dead daemon left behind may go on with a disk.
//!
//! Its pages and unanswered requests belong to the content that the dead daemon had open. If another owner wrote to
//! the image meanwhile, they would be replayed over that owner's data. So every device is marked with the *lineage* of
//! its disk: which image it is, and where an unbroken line of our own openings began: a generation where the store counts its
//! owners, elsewhere a random number, which lasts until a command of this installation changes the image ([`end`]).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tracing::warn;

/// What is remembered of a disk, in `run_dir`: it has to survive the daemon, not a reboot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    image: String,
    first: u64,
    last: u64,
}

/// The mark for the disk `name`, which is `image` and was opened with `generation`. Remembers it for the next time.
///
/// The same mark as the last time means that nobody else had the image since.
pub(crate) fn mark(run_dir: &Path, name: &str, image: &str, generation: Option<u64>) -> String {
    let path = path(run_dir, name);
    let known = fs::read_to_string(&path)
        .ok()
        .and_then(|text| serde_json::from_str::<Line>(&text).ok());
    let known = known.filter(|line| line.image == image);
    let (first, last) = match (known, generation) {
        (Some(line), Some(now)) if [line.last, line.last + 1].contains(&now) => (line.first, now),
        (Some(line), None) => (line.first, line.last),
        (_, Some(now)) => (now, now),
        (None, None) => (random(), 0),
    };
    let line = Line {
        image: image.to_owned(),
        first,
        last,
    };
    if let Err(error) = store(&path, &line) {
        warn!(
            "{}: {error}; after a crash the host will see the stick leave and return",
            path.display()
        );
    }
    format!("{image}#{first}")
}

/// Ends the lines of `image`: something else than the daemon is about to change it, and what a killed daemon's kernel device
/// still holds does not belong to it any more.
pub(crate) fn end(run_dir: &Path, image: &str) {
    let Ok(files) = fs::read_dir(run_dir.join("lineage")) else {
        return;
    };
    for path in files.flatten().map(|file| file.path()) {
        let line = fs::read_to_string(&path)
            .ok()
            .and_then(|text| serde_json::from_str::<Line>(&text).ok());
        if line.is_some_and(|line| line.image == image)
            && let Err(error) = fs::remove_file(&path)
        {
            warn!("{}: {error}", path.display());
        }
    }
}

fn random() -> u64 {
    let bytes = ring::rand::generate::<[u8; 8]>(&ring::rand::SystemRandom::new());
    // Without random numbers nothing works; a line that is never the same is the safe one of the two mistakes.
    bytes.map_or_else(
        |_| u64::from(std::process::id()),
        |bytes| u64::from_ne_bytes(bytes.expose()),
    )
}

fn path(run_dir: &Path, name: &str) -> PathBuf {
    run_dir.join("lineage").join(format!("{name}.json"))
}

fn store(path: &Path, line: &Line) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension("new");
    fs::write(&partial, serde_json::to_string(line)?)?;
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unbroken_line_keeps_its_mark() {
        let folder = tempfile::tempdir().unwrap();
        let mark = |generation| mark(folder.path(), "films", "cloud/films", Some(generation));
        let first = mark(7);
        assert_eq!(mark(8), first);
        assert_eq!(mark(9), first);
        assert_ne!(mark(11), first, "somebody else was generation 10");
        assert_eq!(mark(12), mark(13));
    }

    #[test]
    fn another_image_has_another_mark() {
        let folder = tempfile::tempdir().unwrap();
        let one = mark(folder.path(), "films", "cloud/films", Some(1));
        assert_ne!(mark(folder.path(), "films", "other/films", Some(2)), one);
    }

    #[test]
    fn where_nobody_counts_owners_a_change_by_somebody_else_ends_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let first = mark(folder.path(), "films", "card/x", None);
        let other = mark(folder.path(), "music", "card/y", None);
        assert_eq!(mark(folder.path(), "films", "card/x", None), first);
        end(folder.path(), "card/x");
        assert_ne!(mark(folder.path(), "films", "card/x", None), first);
        assert_eq!(mark(folder.path(), "music", "card/y", None), other);
    }
}
