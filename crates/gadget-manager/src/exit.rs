//! How the program ends: what went wrong, and the exit code that says so to scripts.

use std::{fmt, process::ExitCode};

use block::{BlockError, store::StoreError};

use crate::config::ConfigError;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration or the file of secrets cannot be used.
    Config(ConfigError),
    /// A store said no, or nothing.
    Store(StoreError),
    /// What is wrong was printed already; only the code is left to say.
    Reported(Code),
    /// What the daemon said, with the code for it.
    Coded(Code, String),
    /// Anything else.
    Other(anyhow::Error),
}

/// The exit codes, as documented in `docs/commands.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// Something failed that has no code of its own.
    Failure = 1,
    /// The configuration cannot be used. (2 is taken: clap's for wrong arguments.)
    Config = 3,
    /// The image, snapshot, container or folder does not exist.
    NotFound = 4,
    /// Wrong key, missing right.
    Denied = 5,
    /// The store does not answer.
    Unreachable = 6,
    /// Somebody else uses the image.
    InUse = 7,
    /// It exists already.
    Exists = 8,
    /// `doctor` found something that does not work.
    Findings = 9,
}

impl Failure {
    /// The exit code for it.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Config(_) => Code::Config,
            Self::Reported(code) | Self::Coded(code, _) => *code,
            Self::Other(_) => Code::Failure,
            Self::Store(error) => match error {
                StoreError::NotFound { .. } => Code::NotFound,
                StoreError::AlreadyExists { .. } => Code::Exists,
                StoreError::InUse { .. } | StoreError::Block(BlockError::Fenced { .. }) => Code::InUse,
                StoreError::Block(BlockError::Denied { .. }) => Code::Denied,
                StoreError::Block(BlockError::Unreachable { .. }) => Code::Unreachable,
                StoreError::Invalid { .. } | StoreError::Unsupported { .. } | StoreError::Block(_) => Code::Failure,
            },
        }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Reported(code) => write!(f, "failed with code {}", *code as u8),
            Self::Coded(_, text) => f.write_str(text),
            // The alternate form has the causes too, in one line.
            Self::Other(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<BlockError> for Failure {
    fn from(error: BlockError) -> Self {
        Self::Store(error.into())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}
