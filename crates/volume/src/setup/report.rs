//! What became of the files that were dropped on the stick.

use std::fmt;

use super::escape;

/// How it went with one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is in use now.
    Taken,
    /// It should have been used and could not.
    Refused,
    /// It is none of those that the device knows; it was not looked at.
    Ignored,
}

/// One file and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedFile {
    /// Its name.
    pub name: String,
    /// How it went.
    pub outcome: Outcome,
    /// Why, and what to do; without secrets. Empty if there is nothing to say.
    pub detail: String,
}

/// What became of all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What it comes down to, in one sentence, such as "The device is set up." or why nothing was changed.
    pub summary: String,
    /// Each file.
    pub files: Vec<ReportedFile>,
}

impl Outcome {
    /// English and German.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Taken => ("taken", "übernommen"),
            Self::Refused => ("refused", "abgelehnt"),
            Self::Ignored => ("ignored", "nicht beachtet"),
        }
    }
}

/// As plain text.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", escape::line(&self.summary))?;
        for file in &self.files {
            let (english, german) = file.outcome.words();
            write!(f, "\n{}: {english} / {german}\n", escape::line(&file.name))?;
            for line in file.detail.lines() {
                writeln!(f, "    {}", escape::line(line))?;
            }
        }
        Ok(())
    }
}
