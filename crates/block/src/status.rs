//! The state of a device, as a value that others watch.

use std::time::SystemTime;

use serde::Serialize;

use crate::BlockError;

/// Whether a device is in working order.
#[derive(Debug, Clone, Default)]
pub enum Health {
    /// The last request to the store was answered.
    #[default]
    Online,
    /// The store does not answer; requests are being retried.
    Unreachable {
        /// When it was last known to answer.
        since: SystemTime,
        /// What the last attempt met.
        error: BlockError,
    },
    /// Somebody else owns the disk now. Final: open it again to go on.
    Fenced {
        /// What was learned of it.
        error: BlockError,
    },
    /// Closed by its user. Final.
    Closed,
}

impl Health {
    /// One word for it: `online`, `unreachable`, `fenced`, `closed`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Unreachable { .. } => "unreachable",
            Self::Fenced { .. } => "fenced",
            Self::Closed => "closed",
        }
    }

    /// Whether the device will never work again.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Fenced { .. } | Self::Closed)
    }
}

impl Serialize for Health {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut out = serializer.serialize_struct("Health", 3)?;
        out.serialize_field("state", self.as_str())?;
        match self {
            Self::Unreachable { since, error } => {
                let since = time::OffsetDateTime::from(*since);
                let text = since.format(&time::format_description::well_known::Rfc3339);
                out.serialize_field("since", &text.ok())?;
                out.serialize_field("error", &error.to_string())?;
            }
            Self::Fenced { error } => out.serialize_field("error", &error.to_string())?,
            Self::Online | Self::Closed => {}
        }
        out.end()
    }
}

/// The state of a device.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Size in bytes. Changes when the disk was resized, here or by somebody else.
    pub size: u64,
    /// Whether it works.
    pub health: Health,
}

impl Status {
    /// An online device of `size` bytes.
    #[must_use]
    pub fn online(size: u64) -> Self {
        Self {
            size,
            health: Health::Online,
        }
    }
}
