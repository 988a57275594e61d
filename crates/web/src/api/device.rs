//! The device itself.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{Problem, Updates};

/// The board and the daemon on it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Device {
    /// What its owner calls it.
    pub name: String,
    /// Version of the software.
    pub version: String,
    /// What the board is, as the kernel knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub board: Option<String>,
    /// Version of the kernel.
    pub kernel: String,
    /// Serial number, the one the USB host sees unless another is configured.
    pub serial: String,
    /// When the daemon started.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// What time it is here.
    pub clock: Clock,
    /// What memory is left.
    pub memory: Memory,
    /// The system around the daemon, on devices that can be updated as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updates: Option<Updates>,
    /// Whether a factory reset restarts the device, which then overwrites everything that was removed.
    pub wipes: bool,
    /// What is not well with the device as a whole.
    pub problems: Vec<Problem>,
}

/// What time the device believes it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Clock {
    /// The time.
    #[serde(with = "time::serde::rfc3339")]
    pub now: OffsetDateTime,
    /// Where it comes from.
    pub source: ClockSource,
}

/// Where the time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockSource {
    /// The kernel's clock is kept in step with a server.
    Network,
    /// Nobody keeps it in step: it may be wrong.
    Unknown,
}

/// Memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Memory {
    /// All of the board's.
    pub total: u64,
    /// What programs can still have.
    pub available: u64,
    /// What the daemon has resident.
    pub daemon: u64,
}

/// A new name.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// 1 to 63 letters, digits and hyphens, as in a host name (RFC 1123, 2.1).
    pub name: String,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What was checked, in a few words.
    pub check: String,
    /// How it went.
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// What to do, if there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, but somebody should look at it.
    Warning,
    /// Does not work.
    Bad,
}

impl From<block::store::Finding> for Finding {
    fn from(finding: block::store::Finding) -> Self {
        Self {
            check: finding.check,
            verdict: match finding.verdict {
                block::store::Verdict::Good => Verdict::Good,
                block::store::Verdict::Warning => Verdict::Warning,
                block::store::Verdict::Bad => Verdict::Bad,
            },
            detail: finding.detail,
            remedy: finding.remedy,
        }
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Its number since the daemon started.
    pub number: u64,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// How serious it is.
    pub level: LogLevel,
    /// The part of the program it comes from.
    pub target: String,
    /// What it says, without secrets.
    pub text: String,
}

/// How serious a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// For those who look for a fault.
    Debug,
    /// What happened.
    Info,
    /// Something to look at.
    Warn,
    /// Something went wrong.
    Error,
}
