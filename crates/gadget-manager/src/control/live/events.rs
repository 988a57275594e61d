//! What happened to the system around the daemon since it started: the card that was mended, an update that did not work.
//!
//! The system leaves a line for each in `events` beside the daemon's socket (`rootfs-overlay/usr/lib/cloud-stick/start.d/words.sh`).

use std::{fs::File, io::Read as _, path::Path};

use web::api::{Problem, ProblemCode};

/// How many are shown, the newest. There are one or two if any.
const SHOWN: usize = 5;
/// Bytes of the file that are looked at.
const LONGEST: u64 = 16 << 10;
/// Letters of each that are shown.
const LETTERS: usize = 300;

/// Those of this start.
pub(super) fn since_start(run_dir: &Path) -> Vec<Problem> {
    let mut text = Vec::new();
    match File::open(run_dir.join("events")) {
        // What cannot be read to its end is shown as far as it can.
        Ok(file) => drop(file.take(LONGEST).read_to_end(&mut text)),
        Err(_) => return Vec::new(),
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let newest = &lines[lines.len().saturating_sub(SHOWN)..];
    let problem = |line: &&str| {
        let shown = line.chars().filter(|letter| !letter.is_control()).take(LETTERS);
        Problem::new(ProblemCode::System, shown.collect::<String>())
    };
    newest.iter().map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_shown_and_anything_may_be_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(since_start(folder.path()), []);
        let file = folder.path().join("events");
        let told = |text: &[u8]| {
            std::fs::write(&file, text).unwrap();
            let problems = since_start(folder.path());
            problems.into_iter().map(|problem| problem.detail).collect::<Vec<_>>()
        };
        assert_eq!(
            told(b"the settings are lost\n\n  an update failed \n"),
            ["the settings are lost", "an update failed"]
        );
        assert_eq!(told(b"1\n2\n3\n4\n5\n6\n7\n"), ["3", "4", "5", "6", "7"]);
        assert_eq!(told(b"a\x1b[2Jb\xff\n"), ["a[2Jb\u{fffd}"]);
        assert_eq!(told(&[b'x'; 1 << 20])[0].len(), LETTERS);
    }
}
