//! What a new stick is to be, and the names of what it became.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The family of file systems to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileSystem {
    /// FAT32; FAT16 or FAT12 on disks too small for it. Every host reads it; files end at 4 GiB, disks at 2 TiB.
    #[serde(rename = "fat32")]
    Fat,
    /// exFAT: files over 4 GiB. Hosts of the last ten years read it.
    ExFat,
}

impl FromStr for FileSystem {
    type Err = String;

    /// `fat32` or `exfat`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fat32" => Ok(Self::Fat),
            "exfat" => Ok(Self::ExFat),
            _ => Err(format!("\"{text}\" is no file system; there are fat32 and exfat")),
        }
    }
}

/// What is around the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// A partition table (master boot record) with one partition, which starts at 1 MiB. What most sticks have, and the
    /// one form that TVs and car stereos all take.
    #[default]
    Mbr,
    /// The file system starts at the first sector, as on a floppy disk.
    None,
}

impl FromStr for Table {
    type Err = String;

    /// `mbr` or `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "mbr" => Ok(Self::Mbr),
            "none" => Ok(Self::None),
            _ => Err(format!("\"{text}\" is no partition table; there are mbr and none")),
        }
    }
}

/// What a new stick is to be.
#[derive(Debug, Clone)]
pub struct FormatOptions {
    /// The file system.
    pub file_system: FileSystem,
    /// What is around it.
    pub table: Table,
    /// The name that hosts show: up to 11 characters (exFAT: UTF-16 units). FAT has ASCII capitals only; small letters become
    /// capitals.
    pub label: Option<String>,
    /// Serial number of the volume and signature of the partition table; random if left out.
    pub serial: Option<u32>,
    /// The date that the label and the first files carry; now, if left out.
    pub created: Option<OffsetDateTime>,
}

impl FormatOptions {
    /// A partition table and a file system without a label.
    #[must_use]
    pub fn new(file_system: FileSystem) -> Self {
        Self {
            file_system,
            table: Table::default(),
            label: None,
            serial: None,
            created: None,
        }
    }

    pub(crate) fn serial(&self) -> u32 {
        self.serial.unwrap_or_else(rand::random)
    }

    pub(crate) fn created(&self) -> OffsetDateTime {
        self.created.unwrap_or_else(OffsetDateTime::now_utc)
    }
}

/// What kind of file system it is in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// Up to 4084 clusters.
    #[serde(rename = "FAT12")]
    Fat12,
    /// 4085 to 65524 clusters.
    #[serde(rename = "FAT16")]
    Fat16,
    /// More.
    #[serde(rename = "FAT32")]
    Fat32,
    /// exFAT.
    #[serde(rename = "exFAT")]
    ExFat,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fat12 => "FAT12",
            Self::Fat16 => "FAT16",
            Self::Fat32 => "FAT32",
            Self::ExFat => "exFAT",
        })
    }
}
