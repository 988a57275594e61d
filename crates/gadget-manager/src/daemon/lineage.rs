//! Whether a kernel device that a dead daemon left behind may go on with a disk.
//!
//! Its pages and unanswered requests belong to the content that the dead daemon had open. If another owner wrote to
//! the image meanwhile, they would be replayed over that owner's data. So every device is marked with the *lineage* of
//! its disk: which image it is, and the generation with which an unbroken line of our own openings began.

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
    let Some(generation) = generation else {
        return image.to_owned();
    };
    let path = path(run_dir, name);
    let known = fs::read_to_string(&path)
        .ok()
        .and_then(|text| serde_json::from_str::<Line>(&text).ok());
    let first = match known {
        Some(line) if line.image == image && [line.last, line.last + 1].contains(&generation) => line.first,
        _ => generation,
    };
    let line = Line {
        image: image.to_owned(),
        first,
        last: generation,
    };
    if let Err(error) = store(&path, &line) {
        warn!(
            "{}: {error}; after a crash the host will see the stick leave and return",
            path.display()
        );
    }
    format!("{image}#{first}")
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
        assert_eq!(mark(folder.path(), "files", "card/x", None), "card/x");
    }
}
