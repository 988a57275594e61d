//! A small stick in memory.

use std::{fmt, sync::Arc};

use block::{BlockDevice, Disk, MAX_REQUEST, MemoryDevice, Properties};

use crate::{FatVolume, FileSystem, FormatError, FormatOptions, MIB, NewFile, ReadError, Table, format::plan};

/// Bytes of the stick. Holds far more than what is meant to be on it, and is FAT16 with clusters of 1 KiB, which the
/// plainest of readers know; FAT12 is not known to all, and FAT32 needs 33 MiB.
const SIZE: u64 = 8 * MIB;

/// What may be read from a stick, at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Files in its root directory.
    pub files: usize,
    /// Bytes of one file.
    pub file_size: u32,
    /// Bytes of all files together.
    pub total_size: u64,
}

impl Default for Limits {
    /// Enough for configurations and keys, and for what hosts leave behind by themselves: 64 files of 256 KiB, 1 MiB
    /// in all.
    fn default() -> Self {
        Self {
            files: 64,
            file_size: 256 << 10,
            total_size: MIB,
        }
    }
}

/// A file that the host left on the stick.
#[derive(Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Its name.
    pub name: String,
    /// Bytes that it has, or claims to have.
    pub size: u32,
    /// What is in it, or why that cannot be said.
    pub content: Result<Vec<u8>, ReadError>,
}

/// Without the content, which may be a key.
impl fmt::Debug for FoundFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = self.content.as_ref().err();
        f.debug_struct("FoundFile")
            .field("name", &self.name)
            .field("size", &self.size)
            .field("problem", &problem)
            .finish_non_exhaustive()
    }
}

/// A stick in memory that was made from files and that its host may write to.
///
/// It has a partition table and 8 MiB, of which only what is written takes memory. Each [`disk`](Self::disk) may be given
/// to a front end. To show other files, make another one and swap the medium: a host does not expect a file system to
/// change under its hands.
pub struct MemoryVolume {
    device: Arc<MemoryDevice>,
    files: Vec<NewFile>,
}

/// Names only.
impl fmt::Debug for MemoryVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryVolume")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl MemoryVolume {
    /// Makes a stick with these files in its root directory. The device calls itself `name`.
    ///
    /// # Errors
    ///
    /// [`FormatError::File`] for a name that FAT cannot have, and if they do not fit; [`FormatError::Label`].
    pub async fn new(name: &str, label: &str, files: Vec<NewFile>) -> Result<Self, FormatError> {
        let options = FormatOptions {
            table: Table::Mbr,
            label: Some(label.to_owned()),
            ..FormatOptions::new(FileSystem::Fat)
        };
        Self::with_options(name, &options, files).await
    }

    /// As [`new`](Self::new), with a say in serial number, date and table. The file system must be FAT.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub async fn with_options(name: &str, options: &FormatOptions, files: Vec<NewFile>) -> Result<Self, FormatError> {
        let device = MemoryDevice::with_properties(name, Properties::new(SIZE))?;
        plan(SIZE, options, &files)?.apply(&device, &|_, _| ()).await?;
        Ok(Self {
            device: Arc::new(device),
            files,
        })
    }

    /// The stick for a front end.
    #[must_use]
    pub fn disk(&self) -> Disk {
        self.device.clone()
    }

    /// The files that the host added or changed. What hosts leave for themselves is not among them: folders, and files
    /// whose names start with a dot.
    ///
    /// To be called after the host has ejected the stick; before, it may not have written everything.
    ///
    /// # Errors
    ///
    /// [`ReadError`], if the host left no file system that can be read, or more files than allowed. What is wrong with one
    /// file is told with that file.
    pub async fn dropped_files(&self, limits: &Limits) -> Result<Vec<FoundFile>, ReadError> {
        let mut found = read_files(&*self.device, limits).await?;
        found.retain(|file| {
            let is_ours = |ours: &NewFile| {
                ours.name == file.name && file.content.as_deref().is_ok_and(|content| *content == *ours.content)
            };
            !file.name.starts_with('.') && !self.files.iter().any(is_ours)
        });
        Ok(found)
    }
}

/// Reads the files in the root directory of a small disk with a FAT file system (at most 32 MiB).
async fn read_files(disk: &dyn BlockDevice, limits: &Limits) -> Result<Vec<FoundFile>, ReadError> {
    let size = disk.properties().size;
    let length = u32::try_from(size).ok().filter(|length| *length <= MAX_REQUEST);
    let length = length.ok_or(ReadError::TooLarge {
        what: "the disk",
        limit: u64::from(MAX_REQUEST),
    })?;
    let image = disk.read(0, length).await?.into_bytes();
    read_image(&image, limits)
}

/// Reads the files in the root directory of an image.
fn read_image(image: &[u8], limits: &Limits) -> Result<Vec<FoundFile>, ReadError> {
    let volume = FatVolume::open(image)?;
    let mut left = limits.total_size;
    let mut found = Vec::new();
    for file in volume.files(limits.files)? {
        let content = if u64::from(file.size()) > left && file.size() <= limits.file_size {
            Err(ReadError::TooLarge {
                what: "all files together",
                limit: limits.total_size,
            })
        } else {
            volume.read(&file, limits.file_size)
        };
        left -= content.as_ref().map_or(0, |content| content.len() as u64);
        found.push(FoundFile {
            name: file.name().to_owned(),
            size: file.size(),
            content,
        });
    }
    Ok(found)
}
