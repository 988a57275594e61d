//! Entries of the root directory of a new volume.

use bytes::Bytes;
use time::OffsetDateTime;

use super::names::{self, ShortName};
use crate::FormatError;

/// A file for the root directory of a new volume.
#[derive(Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Its name, as hosts show it.
    pub name: String,
    /// What is in it.
    pub content: Bytes,
}

impl NewFile {
    /// A file with a name and a content.
    #[must_use]
    pub fn new(name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        Self {
            name: name.into(),
            content: content.into(),
        }
    }
}

/// Name and size only: a setup page holds the claim code.
impl std::fmt::Debug for NewFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewFile({:?}, {} bytes)", self.name, self.content.len())
    }
}

/// Attribute of the entry that is the label.
pub(super) const ATTRIBUTE_LABEL: u8 = 0x08;
/// Attribute of folders.
pub(super) const ATTRIBUTE_FOLDER: u8 = 0x10;
/// Attribute of files that were changed since a backup: all are, when they are new.
const ATTRIBUTE_ARCHIVE: u8 = 0x20;
/// Attributes of an entry that holds a piece of a long name.
pub(super) const ATTRIBUTE_LONG_NAME: u8 = 0x0f;

/// Date and time as FAT has them: from 1980 on, in steps of two seconds, in no particular time zone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timestamp {
    date: u16,
    time: u16,
}

impl From<OffsetDateTime> for Timestamp {
    fn from(at: OffsetDateTime) -> Self {
        let year = (at.year() - 1980).clamp(0, 127) as u16;
        Self {
            date: year << 9 | u16::from(u8::from(at.month())) << 5 | u16::from(at.day()),
            time: u16::from(at.hour()) << 11 | u16::from(at.minute()) << 5 | u16::from(at.second() / 2),
        }
    }
}

/// Appends the label.
pub(super) fn push_label(directory: &mut Vec<u8>, label: &[u8; 11], time: Timestamp) {
    directory.extend_from_slice(&entry(label, ATTRIBUTE_LABEL, 0, 0, time));
}

/// Appends a file, with its long name if it needs one. `taken` are the short names in use.
pub(super) fn push_file(
    directory: &mut Vec<u8>,
    file: &NewFile,
    first_cluster: u32,
    time: Timestamp,
    taken: &mut Vec<[u8; 11]>,
) -> Result<(), FormatError> {
    let size = u32::try_from(file.content.len()).map_err(|_| FormatError::file(&file.name, "is over 4 GiB"))?;
    names::check(&file.name)?;
    let ShortName { bytes, is_exact } = names::short(&file.name, taken);
    if !is_exact {
        directory.extend(names::long_entries(&file.name, names::checksum(&bytes)).flatten());
    }
    directory.extend_from_slice(&entry(&bytes, ATTRIBUTE_ARCHIVE, first_cluster, size, time));
    taken.push(bytes);
    Ok(())
}

/// One entry (fatgen, "FAT directory structure").
fn entry(name: &[u8; 11], attributes: u8, first_cluster: u32, size: u32, at: Timestamp) -> [u8; super::ENTRY] {
    let mut out = [0; super::ENTRY];
    out[..11].copy_from_slice(name);
    out[11] = attributes;
    out[14..16].copy_from_slice(&at.time.to_le_bytes());
    out[16..18].copy_from_slice(&at.date.to_le_bytes());
    out[18..20].copy_from_slice(&at.date.to_le_bytes());
    out[20..22].copy_from_slice(&((first_cluster >> 16) as u16).to_le_bytes());
    out[22..24].copy_from_slice(&at.time.to_le_bytes());
    out[24..26].copy_from_slice(&at.date.to_le_bytes());
    out[26..28].copy_from_slice(&(first_cluster as u16).to_le_bytes());
    out[28..].copy_from_slice(&size.to_le_bytes());
    out
}
