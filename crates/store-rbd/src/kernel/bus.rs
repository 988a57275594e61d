//! The kernel's side: `/sys/bus/rbd`, by which images are mapped to block devices and unmapped.
//!
//! Source: `Documentation/ABI/testing/sysfs-bus-rbd` and `drivers/block/rbd.c` of Linux.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::entry::Entry;
use crate::{
    error::{RbdError, Result},
    features::Features,
};

/// The longest text that the kernel takes in one piece: a page, with the zero behind it.
const MAX_LINE: usize = 4095;

/// What is loaded where the client is missing: a checksum that small versions of modprobe do not know to be needed, and the
/// client.
const MODULES: [&str; 2] = ["crc32c_generic", "rbd"];

/// The bus of the kernel's rbd client.
#[derive(Debug, Clone)]
pub(super) struct Bus {
    root: PathBuf,
}

impl Bus {
    /// The bus, as it is or can be.
    pub(super) fn new() -> Self {
        Self {
            root: PathBuf::from("/sys/bus/rbd"),
        }
    }

    /// Whether the kernel has the client, loaded.
    pub(super) fn is_there(&self) -> bool {
        self.root.join("add_single_major").exists()
    }

    /// Loads the client if that is needed. Blocks.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](RbdError::Unsupported) with the remedy.
    pub(super) fn load(&self) -> Result<()> {
        if self.is_there() {
            return Ok(());
        }
        let mut said = String::new();
        for module in MODULES {
            let ran = Command::new("modprobe").arg(module).stdin(Stdio::null()).output();
            said = match ran {
                Ok(ran) => String::from_utf8_lossy(&ran.stderr).trim().to_owned(),
                Err(error) => format!("modprobe: {error}"),
            };
        }
        if self.is_there() {
            return Ok(());
        }
        tracing::debug!(said, "modprobe rbd");
        Err(RbdError::unsupported(
            "/sys/bus/rbd",
            "mapping images with this kernel",
            "load the module `rbd` as root (modprobe rbd), or use a kernel built with CONFIG_BLK_DEV_RBD",
        ))
    }

    /// The features of images that this kernel can write to.
    pub(super) fn supported_features(&self) -> Option<Features> {
        let text = fs::read_to_string(self.root.join("supported_features")).ok()?;
        number(&text).map(Features)
    }

    /// Maps an image: `line` is what the kernel wants to be told. Blocks until the image is mapped, which is bounded by
    /// the timeouts in the line.
    ///
    /// # Errors
    ///
    /// The kernel's code.
    pub(super) fn add(&self, line: &str) -> io::Result<()> {
        if line.len() > MAX_LINE {
            return Err(io::Error::from_raw_os_error(libc::E2BIG));
        }
        // `add` and `remove` refuse to work where all devices share a major number, which is the default since Linux 3.14.
        write(&self.root.join("add_single_major"), line)
    }

    /// Unmaps device number `id`, also under those who have it open if `force` is set. Blocks until requests under way
    /// ended.
    ///
    /// # Errors
    ///
    /// The kernel's code: `EBUSY` while somebody has it open.
    pub(super) fn remove(&self, id: u32, force: bool) -> io::Result<()> {
        let line = if force { format!("{id} force") } else { id.to_string() };
        write(&self.root.join("remove_single_major"), &line)
    }

    /// Everything that is mapped on this machine, whoever did it.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let Ok(folder) = fs::read_dir(self.root.join("devices")) else {
            return Vec::new();
        };
        let ids = folder.flatten().filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.parse::<u32>().ok().map(|id| (id, entry.path()))
        });
        let mut entries: Vec<_> = ids.map(|(id, path)| Entry::new(id, path)).collect();
        entries.sort_by_key(Entry::id);
        entries
    }
}

/// Writes a text in one piece, as attributes of sysfs have to be.
pub(super) fn write(attribute: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(attribute)?;
    match file.write(text.as_bytes())? {
        written if written == text.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// A number as sysfs shows it: decimal, or hexadecimal after `0x`.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bus() -> (tempfile::TempDir, Bus) {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus {
            root: folder.path().to_owned(),
        };
        (folder, bus)
    }

    #[test]
    fn numbers_of_both_kinds_are_read() {
        assert_eq!(number("67108864\n"), Some(67_108_864));
        assert_eq!(number("0x000000000000003d\n"), Some(0x3d));
        assert_eq!(number("(none)\n"), None);
    }

    #[test]
    fn only_numbered_devices_are_mappings() {
        let (folder, bus) = bus();
        assert!(!bus.is_there() && bus.entries().is_empty() && bus.supported_features().is_none());
        for name in ["10", "2", "power", "-1"] {
            fs::create_dir_all(folder.path().join("devices").join(name)).unwrap();
        }
        let ids: Vec<_> = bus.entries().iter().map(Entry::id).collect();
        assert_eq!(ids, [2, 10]);
        fs::write(folder.path().join("supported_features"), "0xbf\n").unwrap();
        assert!(bus.supported_features().unwrap().contains(Features::EXCLUSIVE_LOCK));
    }

    #[test]
    fn what_the_kernel_would_cut_off_is_not_sent() {
        let (_folder, bus) = bus();
        let error = bus.add(&"x".repeat(4096)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::E2BIG));
    }
}
