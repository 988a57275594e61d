//! Whatever takes longer than a blink is a task: it goes on when the page is closed, and its result waits.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{Applied, Finding, Image, Probe, Problem, Snapshot, WifiNetwork};

/// A task, running or ended. Ended ones are kept until they are dismissed or fifty younger ones have ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Task {
    /// Its number since the daemon started.
    pub id: u64,
    /// What it does.
    pub kind: TaskKind,
    /// What it does it to: a store, an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub ended: Option<OffsetDateTime>,
    /// How far it is, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Whether it can be cancelled.
    pub can_cancel: bool,
    /// How it stands.
    #[serde(flatten)]
    pub state: TaskState,
}

/// What tasks do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Tests the settings of a store and lists what is there.
    ProbeStore,
    /// Makes an image, formatted if so wished.
    CreateImage,
    /// Changes the size of an image.
    ResizeImage,
    /// Deletes an image.
    DeleteImage,
    /// Takes a snapshot.
    TakeSnapshot,
    /// Puts an image back to a snapshot.
    RestoreSnapshot,
    /// Deletes a snapshot.
    DeleteSnapshot,
    /// Looks for Wi-Fi networks.
    ScanWifi,
    /// Joins a Wi-Fi network.
    JoinWifi,
    /// Checks everything.
    Doctor,
    /// Applies a configuration.
    Apply,
    /// Installs an update of the system.
    InstallUpdate,
}

/// How a task stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TaskState {
    /// At work.
    Running,
    /// Done.
    Succeeded {
        /// What came of it.
        result: TaskResult,
    },
    /// It went wrong.
    Failed {
        /// What went wrong.
        problem: Problem,
    },
    /// It was cancelled.
    Cancelled,
}

/// What came of a task.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TaskResult {
    /// Nothing but that it is done.
    Done,
    /// What a test of a store found.
    Probe(Probe),
    /// An image.
    Image(Image),
    /// A snapshot.
    Snapshot(Snapshot),
    /// Wi-Fi networks in reach.
    Wifi {
        /// The strongest first.
        networks: Vec<WifiNetwork>,
    },
    /// What was checked.
    Findings {
        /// In the order of the checks.
        findings: Vec<Finding>,
    },
    /// A configuration in force.
    Applied(Applied),
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// Done so far.
    pub done: u64,
    /// All there is to do.
    pub total: u64,
    /// Of what.
    pub unit: Unit,
}

/// What progress counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Steps.
    Steps,
}

/// A task was started; its state comes as events and under `/tasks/{id}`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct TaskStarted {
    /// Its number.
    pub task: u64,
}
