//! `sw-description`, in SWUpdate's JSON form ("SWUpdate: syntax and tags with the default parser").
//!
//! ```json
//! {"software": {
//!   "version": "0.2.0",
//!   "hardware-compatibility": ["orangepi-pc", "cubieboard"],
//!   "cloud-stick": {"channel": "release", "minimum-version": "0.1.0"},
//!   "slot": {
//!     "a": {"images": [{"filename": "slot.fat", "device": "/run/cloud-stick/update/slot-a", "sha256": "…", …}]},
//!     "b": {"images": [{"filename": "slot.fat", "device": "/run/cloud-stick/update/slot-b", "sha256": "…", …}]}
//! }}}
//! ```
//!
//! The two selections are SWUpdate's way to say that one file goes into either slot; both name the same file. `cloud-stick` is
//! what SWUpdate has no words for. What else SWUpdate knows is ignored.

use semver::Version;
use serde::Deserialize;

use crate::{Error, Result};

/// What a bundle says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Of the system in it.
    pub version: Version,
    /// Whose key signs it: `release`, `development`.
    pub channel: String,
    /// The boards that it is for.
    pub boards: Vec<String>,
    /// The oldest version from which it can be installed.
    pub minimum: Option<Version>,
    /// The file that becomes the slot.
    pub file: String,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

#[derive(Deserialize)]
struct Root {
    software: Software,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Software {
    version: Version,
    hardware_compatibility: Vec<String>,
    cloud_stick: CloudStick,
    slot: Slots,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct CloudStick {
    channel: String,
    minimum_version: Option<Version>,
}

#[derive(Deserialize)]
struct Slots {
    a: Selection,
    b: Selection,
}

#[derive(Deserialize)]
struct Selection {
    images: Vec<Image>,
}

#[derive(Deserialize, PartialEq, Eq, Clone)]
struct Image {
    filename: String,
    sha256: String,
    /// SWUpdate's words for what this does not do.
    compressed: Option<serde_json::Value>,
    encrypted: Option<serde_json::Value>,
}

impl Description {
    /// Reads one.
    ///
    /// # Errors
    /// [`Error::NotABundle`].
    pub fn parse(text: &[u8]) -> Result<Self> {
        let Root { software } = serde_json::from_slice(text).map_err(|error| wrong(&error.to_string()))?;
        let image = match (&software.slot.a.images[..], &software.slot.b.images[..]) {
            ([a], [b]) if a == b => a.clone(),
            _ => return Err(wrong("it does not have one image, the same for both slots")),
        };
        if image.compressed.is_some() || image.encrypted.is_some() {
            return Err(wrong("its image is compressed or encrypted"));
        }
        Ok(Self {
            version: software.version,
            channel: software.cloud_stick.channel,
            boards: software.hardware_compatibility,
            minimum: software.cloud_stick.minimum_version,
            sha256: sum(&image.sha256).ok_or_else(|| wrong("the sha256 of its image is none"))?,
            file: image.filename,
        })
    }
}

fn wrong(detail: &str) -> Error {
    Error::NotABundle {
        detail: format!("its sw-description cannot be used: {detail}"),
    }
}

/// 64 hexadecimal digits.
fn sum(text: &str) -> Option<[u8; 32]> {
    let mut sum = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in sum.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let image = serde_json::json!({
            "filename": "slot.fat", "device": "/x", "type": "raw", "installed-directly": true, "sha256": "0aF1".repeat(16),
        });
        let mut value = serde_json::json!({"software": {
            "version": "0.2.0", "description": "Cloud Stick",
            "hardware-compatibility": ["orangepi-pc"],
            "cloud-stick": {"channel": "release", "minimum-version": "0.1.0"},
            "slot": {"a": {"images": [image]}, "b": {"images": [image]}},
        }});
        change(&mut value);
        value.to_string().into_bytes()
    }

    #[test]
    fn a_description_is_understood() {
        let found = Description::parse(&text(|_| ())).unwrap();
        assert_eq!(
            (found.version, found.minimum),
            (Version::new(0, 2, 0), Some(Version::new(0, 1, 0)))
        );
        assert_eq!((found.channel.as_str(), found.file.as_str()), ("release", "slot.fat"));
        assert_eq!(found.boards, ["orangepi-pc"]);
        assert_eq!(found.sha256[..4], [0x0a, 0xf1, 0x0a, 0xf1]);
    }

    #[test]
    fn what_cannot_be_installed_is_refused() {
        let changes: [fn(&mut serde_json::Value); 8] = [
            |value| value["software"]["version"] = "today".into(),
            |value| value["software"]["hardware-compatibility"] = "all".into(),
            |value| value["software"]["cloud-stick"] = serde_json::Value::Null,
            |value| value["software"]["slot"]["b"]["images"] = serde_json::json!([]),
            |value| value["software"]["slot"]["b"]["images"][0]["filename"] = "other".into(),
            |value| {
                for slot in ["a", "b"] {
                    value["software"]["slot"][slot]["images"][0]["sha256"] = "é".repeat(32).into();
                }
            },
            |value| {
                for slot in ["a", "b"] {
                    value["software"]["slot"][slot]["images"][0]["compressed"] = "zlib".into();
                }
            },
            |value| *value = serde_json::Value::Null,
        ];
        for change in changes {
            let text = text(change);
            let parsed = Description::parse(&text);
            assert!(
                matches!(parsed, Err(Error::NotABundle { .. })),
                "{}",
                String::from_utf8_lossy(&text)
            );
        }
    }
}
