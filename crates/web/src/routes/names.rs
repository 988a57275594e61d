//! Names in paths, checked before anybody uses them.

use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::IntoParams;

/// A name that can go into commands and file names: stores, disks.
#[derive(Debug, Clone)]
pub(crate) struct Name(pub(crate) String);

/// A name of a store's own: images, snapshots. It may hold slashes, but leads nowhere else.
#[derive(Debug, Clone)]
pub(crate) struct ForeignName(pub(crate) String);

/// Any text without control characters, such as the name of a Wi-Fi network.
#[derive(Debug, Clone)]
pub(crate) struct Text(pub(crate) String);

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !text.starts_with(['-', '.'])
}

/// Whether a store may be asked for an image of this name: no part of it is empty, `.` or `..`, nothing in it is taken for
/// something else, and it is no longer than the longest names there are (Azure: 1024 characters).
pub(crate) fn is_foreign_name(text: &str) -> bool {
    text.len() <= 1024
        && !text.chars().any(|c| c.is_control() || c == '\\')
        && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn is_text(text: &str) -> bool {
    (1..=256).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Whether the device can be called that: a host name's label (RFC 1123, 2.1).
pub(crate) fn is_host_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

macro_rules! checked {
    ($type:ident, $check:ident) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                if $check(&text) {
                    Ok(Self(text))
                } else {
                    Err(D::Error::custom("not a name"))
                }
            }
        }
    };
}
checked!(Name, is_name);
checked!(ForeignName, is_foreign_name);
checked!(Text, is_text);

/// The path of a store.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct StorePath {
    /// Name of the store.
    #[param(value_type = String)]
    pub(crate) store: Name,
}

/// The path of an image.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ImagePath {
    /// Name of the store.
    #[param(value_type = String)]
    pub(crate) store: Name,
    /// Name of the image, percent-encoded where it holds a slash.
    #[param(value_type = String)]
    pub(crate) image: ForeignName,
}

/// The path of a snapshot.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SnapshotPath {
    /// Name of the store.
    #[param(value_type = String)]
    pub(crate) store: Name,
    /// Name of the image, percent-encoded where it holds a slash.
    #[param(value_type = String)]
    pub(crate) image: ForeignName,
    /// Id of the snapshot.
    #[param(value_type = String)]
    pub(crate) snapshot: ForeignName,
}

/// The path of a disk.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct DiskPath {
    /// Name of the disk.
    #[param(value_type = String)]
    pub(crate) disk: Name,
}

/// The path of a unit of the stick.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct LunPath {
    /// Number of the unit, from 0.
    pub(crate) lun: usize,
}

/// The path of a task.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TaskPath {
    /// Number of the task.
    pub(crate) task: u64,
}

/// The path of a token.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TokenPath {
    /// Id of the token.
    #[param(value_type = String)]
    pub(crate) token: Name,
}

/// The path of a session.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SessionPath {
    /// Id of the session, as the list has it.
    #[param(value_type = String)]
    pub(crate) session: Name,
}

/// The path of a remembered Wi-Fi network.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SsidPath {
    /// Name of the network, percent-encoded.
    #[param(value_type = String)]
    pub(crate) ssid: Text,
}

/// The path of a version of the configuration.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct VersionPath {
    /// Number of the version.
    pub(crate) version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for good in ["films", "a/b/c.vhd", "…", "x..y", "2026-01-01T00:00:00.0000000Z"] {
            assert!(is_foreign_name(good), "{good}");
        }
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "a/",
            "a//b",
            ".",
            "..",
            "../x",
            "a/../b",
            "a/..",
            "a\\b",
            "a\0b",
            "a\nb",
        ] {
            assert!(!is_foreign_name(bad), "{bad:?}");
        }
        assert!(!is_foreign_name(&"x".repeat(1025)));
        for bad in ["", "-x", ".x", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn device_names_are_host_labels() {
        for good in ["a", "My-Stick", "stick2"] {
            assert!(is_host_label(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a.b", "a_b", "ä", &"x".repeat(64)] {
            assert!(!is_host_label(bad), "{bad:?}");
        }
    }
}
