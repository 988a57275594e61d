//! Images in sparse files, and other people's tools to look at them.
#![allow(dead_code, reason = "each test file uses its part")]
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use block::{BlockDevice, ExtentKind, WriteFlags};
use store_file::FileDevice;
use tempfile::TempDir;
use time::macros::datetime;
use volume::{FileSystem, FormatError, FormatOptions, Formatted, Table};

pub(crate) const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const GIB: u64 = 1 << 30;
pub(crate) const TIB: u64 = 1 << 40;

/// Options with everything said, so that two runs make the same bytes.
pub(crate) fn options(file_system: FileSystem, table: Table, label: Option<&str>) -> FormatOptions {
    FormatOptions {
        table,
        label: label.map(str::to_owned),
        serial: Some(0x1234_abcd),
        created: Some(datetime!(2026-11-22 10:20:30 UTC)),
        ..FormatOptions::new(file_system)
    }
}

/// A disk in a sparse file.
pub(crate) struct Image {
    folder: TempDir,
    pub(crate) disk: FileDevice,
}

impl Image {
    pub(crate) async fn new(size: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = FileDevice::create(folder.path().join("disk.img"), size).await.unwrap();
        Self { folder, disk }
    }

    pub(crate) async fn formatted(size: u64, options: &FormatOptions) -> (Self, Formatted) {
        let image = Self::new(size).await;
        let made = image.format(options).await.unwrap();
        (image, made)
    }

    pub(crate) async fn format(&self, options: &FormatOptions) -> Result<Formatted, FormatError> {
        volume::format(&self.disk, options, &|_, _| ()).await
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("disk.img")
    }

    /// The volume alone, for tools that know no partitions: a sparse copy from `start` on.
    pub(crate) async fn volume(&self, start: u64) -> PathBuf {
        let path = self.folder.path().join("volume.img");
        let _ = std::fs::remove_file(&path);
        let size = self.disk.properties().size - start;
        let copy = FileDevice::create(path.clone(), size).await.unwrap();
        let mut at = start;
        while at < start + size {
            for extent in self.disk.extents(at, start + size - at).await.unwrap() {
                at = extent.end();
                let mut from = extent.offset;
                while extent.kind == ExtentKind::Data && from < at {
                    let length = (at - from).min(16 * MIB);
                    let data = self.disk.read(from, length as u32).await.unwrap();
                    copy.write(from - start, data, WriteFlags::default()).await.unwrap();
                    from += length;
                }
            }
        }
        copy.close().await.unwrap();
        path
    }
}

/// Runs a tool that must be there.
pub(crate) fn tool(package: &str, program: &str, arguments: &[&str]) -> Output {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; install the Debian package {package}"))
}

/// Its output, of a run that must go well.
pub(crate) fn text_of(package: &str, program: &str, arguments: &[&str]) -> String {
    let output = tool(package, program, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {text}{errors}");
    text + &errors
}

/// The value after `key` in the output of a dump tool.
pub(crate) fn field(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(key));
    line.unwrap_or_else(|| panic!("no {key} in {text}")).trim().to_owned()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
