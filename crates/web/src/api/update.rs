//! Updates of the whole system.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// The system of a device that can be updated as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Updates {
    /// Version of the running system.
    pub version: String,
    /// Where it came from: `release`, `development`.
    pub channel: String,
    /// The slot that it runs from: `a` or `b`.
    pub slot: String,
    /// The channels whose bundles it accepts.
    pub accepts: Vec<String>,
    /// The last update, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Update>,
}

/// An update that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Update {
    /// Its version.
    pub version: String,
    /// Its channel.
    pub channel: String,
    /// How it stands.
    pub phase: UpdatePhase,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// Why it fell back, if the device knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How an update stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpdatePhase {
    /// It is installed; the next start tries it.
    Ready,
    /// It runs, and has to prove that it works.
    Trial,
    /// It runs, and works.
    Confirmed,
    /// It did not work; the system before it runs again.
    FellBack,
}

/// A bundle at an address.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchUpdate {
    /// Where it is: `https`, or `http` on this device itself.
    pub url: String,
    /// Also an older version than the running one.
    #[serde(default)]
    pub allow_older: bool,
}
