//! Images and their snapshots, as stores hold them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// An image in a store.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Image {
    /// Name within the store.
    pub name: String,
    /// Usable size in bytes.
    pub size: u64,
    /// Bytes that take space, where the store tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated: Option<u64>,
    /// Container format around the blocks, such as `raw` or `vhd`.
    pub format: String,
    /// Who owns it now, where somebody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Last change.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub modified: Option<OffsetDateTime>,
    /// The configured disk it belongs to, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// More, in the store's own terms.
    pub details: BTreeMap<String, String>,
}

/// An image to be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewImage {
    /// Name within the store.
    pub name: String,
    /// Usable size in bytes, a multiple of 512.
    pub size: u64,
    /// Container format; raw if left out.
    pub format: Option<String>,
    /// The file system it arrives with.
    #[serde(default)]
    pub filesystem: Filesystem,
}

/// What a new stick holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Filesystem {
    /// Nothing: the host formats it.
    #[default]
    None,
    /// FAT32 (FAT16 or FAT12 where the size demands it): what every TV reads; files under 4 GiB.
    Fat {
        /// Up to 11 characters.
        label: String,
        /// How it is laid out.
        #[serde(default)]
        table: PartitionTable,
    },
    /// exFAT: files of any size; newer TVs.
    Exfat {
        /// Up to 11 characters.
        label: String,
        /// How it is laid out.
        #[serde(default)]
        table: PartitionTable,
    },
}

/// How a file system lies on the stick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartitionTable {
    /// In the one partition of a master boot record: what sticks are sold with.
    #[default]
    Mbr,
    /// Over all of it, without a table.
    None,
}

/// A new size.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// Bytes, a multiple of 512.
    pub size: u64,
    /// Shrinking cuts off what lies beyond: only if this is set.
    #[serde(default)]
    pub shrink: bool,
    /// With `shrink`: the name of the image, typed by its owner.
    pub confirm: Option<String>,
}

/// A snapshot of an image.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Snapshot {
    /// By which the store knows it.
    pub id: String,
    /// What its owner calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When it was taken.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub created: Option<OffsetDateTime>,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// A snapshot to be taken.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewSnapshot {
    /// What to call it.
    pub label: Option<String>,
}
