//! The configuration as a whole: versions, back-ups, the way back to the factory.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::Secret;

/// A configuration is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// Its version.
    pub version: u64,
    /// Whether the host saw the stick pulled and plugged in for it.
    pub replugged: bool,
    /// What somebody should know about it: warnings of the configuration's check.
    pub warnings: Vec<String>,
}

/// A version of the configuration that was in force once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// Its number.
    pub version: u64,
    /// When it came into force.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// What was changed, in a few words.
    pub change: String,
    /// Whether it is in force now.
    pub current: bool,
}

/// A back-up to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// With one, secrets are in the back-up, and all of it is encrypted with this. Without, secrets are left out.
    pub passphrase: Option<Secret>,
}

/// A back-up to be put in force.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The back-up, in base64 (RFC 4648, 4).
    #[schema(content_encoding = "base64")]
    pub data: Secret,
    /// The passphrase of an encrypted one.
    pub passphrase: Option<Secret>,
}

/// That somebody means it: the body of a POST, the query of a DELETE.
#[derive(Debug, Clone, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Confirmation {
    /// The name of what is to be destroyed, typed by its owner.
    pub confirm: String,
}
