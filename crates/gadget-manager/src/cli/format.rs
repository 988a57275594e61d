//! Formatting disks: the options for it, and doing it.

use std::str::FromStr;

use block::store::{ImageRef, OpenOptions, SharedStore, StoreError};
use clap::Args;
use volume::{FileSystem, FormatError, FormatOptions, Formatted, Table};

use super::output::Progress;
use crate::{
    config::{ByteSize, Loaded},
    exit::Failure,
    stack::ImageLock,
};

/// A file system, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice(Option<FileSystem>);

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            _ => text
                .parse()
                .map(Some)
                .map(Self)
                .map_err(|error: String| format!("{error}, and none")),
        }
    }
}

/// Options of `disk create` and `disk format`.
#[derive(Debug, Args)]
pub(super) struct FormatArgs {
    /// File system: fat32 (FAT16 or FAT12 on disks too small for it), exfat or none.
    #[arg(long, value_name = "fat32|exfat|none")]
    filesystem: Option<Choice>,
    /// Partition table around it; mbr if left out.
    #[arg(long, value_name = "mbr|none")]
    table: Option<Table>,
    /// Name of the file system, up to 11 characters.
    #[arg(long)]
    label: Option<String>,
}

impl FormatArgs {
    /// What is to be made, if anything.
    pub(super) fn options(&self, image: &ImageRef) -> Result<Option<FormatOptions>, StoreError> {
        match self.filesystem.and_then(|choice| choice.0) {
            Some(file_system) => Ok(Some(FormatOptions {
                table: self.table.unwrap_or_default(),
                label: self.label.clone(),
                ..FormatOptions::new(file_system)
            })),
            None if self.table.is_some() || self.label.is_some() => Err(StoreError::invalid(
                image.to_string(),
                "--table and --label need a file system: add --filesystem fat32 or exfat",
            )),
            None => Ok(None),
        }
    }
}

/// What [`check`](volume::check) says, as an error of this image.
pub(super) fn check(image: &ImageRef, size: u64, options: &FormatOptions) -> Result<(), StoreError> {
    volume::check(size, options)
        .map(drop)
        .map_err(|error| failed(image, error))
}

/// Formats an image that nobody uses.
pub(super) async fn format(
    loaded: &Loaded,
    store: &SharedStore,
    image: &ImageRef,
    options: &FormatOptions,
    quiet: bool,
) -> Result<Formatted, Failure> {
    let _lock = ImageLock::take_to_change(&loaded.config, store, &image.image)?;
    let disk = store.open(image, &OpenOptions::default()).await?;
    let progress = Progress::start("formatting", quiet);
    let result = volume::format(&*disk, options, &progress.report()).await;
    drop(progress);
    // Ownership is given up in any case; if formatting failed, that is the error to tell.
    let closed = disk.close().await;
    let made = result.map_err(|error| failed(image, error))?;
    closed?;
    Ok(made)
}

fn failed(image: &ImageRef, error: FormatError) -> StoreError {
    match error {
        FormatError::Block(error) => error.into(),
        other => StoreError::invalid(image.to_string(), other.to_string()),
    }
}

/// For people: "FAT32 "FILMS", clusters of 32 KiB, in a partition".
pub(super) fn describe(made: &Formatted) -> String {
    let label = made
        .label
        .as_ref()
        .map(|label| format!(" \"{label}\""))
        .unwrap_or_default();
    let table = match made.table {
        Table::Mbr => "in a partition",
        Table::None => "without a partition table",
    };
    let cluster = ByteSize(u64::from(made.cluster_size));
    format!("{}{label}, clusters of {cluster}, {table}", made.kind)
}
