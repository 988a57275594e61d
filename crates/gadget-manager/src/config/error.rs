//! What is wrong with a configuration, where, and what to do about it.

use std::{fmt, ops::Range, path::PathBuf};

use serde::Serialize;

/// One thing that is wrong with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// Line in the file, counted from 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    /// What is wrong. Never quotes a value that could be a secret.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
}

/// A configuration that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl Problem {
    /// A problem with the whole file.
    pub(crate) fn whole_file(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            line: None,
            message: message.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// A problem at a place in `text`.
    pub(crate) fn at(
        text: &str,
        span: Option<Range<usize>>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            line: span.map(|span| line_of(text, span.start)),
            message: message.into(),
            remedy: Some(remedy.into()),
        }
    }
}

/// The line, counted from 1, that the byte at `offset` of `text` is on.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    text.as_bytes()[..offset].iter().filter(|&&byte| byte == b'\n').count() + 1
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", self.file.display())?;
            if let Some(line) = problem.line {
                write!(f, ":{line}")?;
            }
            write!(f, ": {}", problem.message)?;
            if let Some(remedy) = &problem.remedy {
                write!(f, "; {remedy}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!(line_of("a\nb\nc", 0), 1);
        assert_eq!(line_of("a\nb\nc", 2), 2);
        assert_eq!(line_of("a\nb\nc", 99), 3);
    }
}
