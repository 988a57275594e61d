//! One mapped image, as sysfs shows it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::bus::{number, write};
use crate::features::Features;

/// What stands for the image itself where a snapshot could be (`RBD_SNAP_HEAD_NAME`).
pub(super) const HEAD: &str = "-";

/// A mapped image: `/sys/bus/rbd/devices/ID` and `/dev/rbdID`.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    id: u32,
    attributes: PathBuf,
}

impl Entry {
    pub(super) fn new(id: u32, attributes: PathBuf) -> Self {
        Self { id, attributes }
    }

    /// The number of the device.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// The block device.
    pub(super) fn node(&self) -> PathBuf {
        Path::new("/dev").join(format!("rbd{}", self.id))
    }

    fn text(&self, attribute: &str) -> Option<String> {
        let text = fs::read_to_string(self.attributes.join(attribute)).ok()?;
        Some(text.trim_end_matches('\n').to_owned())
    }

    /// The very line by which it was mapped. Only root can read it; it names a key, and holds none if we wrote it.
    pub(super) fn line(&self) -> Option<String> {
        self.text("config_info")
    }

    /// Size in bytes.
    pub(super) fn size(&self) -> Option<u64> {
        self.text("size").and_then(|text| number(&text))
    }

    /// The features of the image.
    pub(super) fn features(&self) -> Option<Features> {
        self.text("features").and_then(|text| number(&text)).map(Features)
    }

    /// Which cluster the image is in.
    pub(super) fn fsid(&self) -> Option<String> {
        self.text("cluster_fsid")
    }

    /// How the cluster knows the image, whatever it is called.
    pub(super) fn image_id(&self) -> Option<String> {
        self.text("image_id")
    }

    /// The address under which the cluster knows, and can fence, this mapping.
    pub(super) fn address(&self) -> Option<String> {
        self.text("client_addr")
    }

    /// `pool/image` or `pool/namespace/image`, with `@snapshot` if it is one.
    pub(super) fn target(&self) -> Option<String> {
        let mut target = self.text("pool")?;
        if let Some(namespace) = self.text("pool_ns").filter(|namespace| !namespace.is_empty()) {
            target = format!("{target}/{namespace}");
        }
        target = format!("{target}/{}", self.text("name")?);
        match self.text("current_snap") {
            Some(snapshot) if snapshot != HEAD => Some(format!("{target}@{snapshot}")),
            _ => Some(target),
        }
    }

    /// Whether it is the image itself, not a snapshot of it.
    fn is_head(&self) -> bool {
        self.text("current_snap").as_deref() == Some(HEAD)
    }

    /// Has the kernel ask the cluster for the image's header: for its size, and to learn whether the cluster still listens
    /// to us, which the errors of requests do not tell (the block layer makes most of them `EIO`). Blocks.
    ///
    /// # Errors
    ///
    /// The cluster's code, `ESHUTDOWN` for a client that is blocklisted.
    pub(super) fn refresh(&self) -> io::Result<()> {
        // The kernel stops with a BUG when a snapshot is to be refreshed (`rbd_dev_refresh`).
        if !self.is_head() {
            return Ok(());
        }
        write(&self.attributes.join("refresh"), "1")
    }

    /// A limit of the block device's queue (`Documentation/ABI/stable/sysfs-block`).
    pub(super) fn queue_limit(&self, name: &str) -> Option<u64> {
        let path = format!("/sys/block/rbd{}/queue/{name}", self.id);
        fs::read_to_string(path).ok().and_then(|text| number(&text))
    }

    /// Whether the kernel promises nothing for a completed write before a flush.
    pub(super) fn has_volatile_cache(&self) -> bool {
        let path = format!("/sys/block/rbd{}/queue/write_cache", self.id);
        fs::read_to_string(path).is_ok_and(|text| text.trim() == "write back")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(attributes: &[(&str, &str)]) -> (tempfile::TempDir, Entry) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in attributes {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let entry = Entry::new(3, folder.path().to_owned());
        (folder, entry)
    }

    #[test]
    fn attributes_are_read() {
        let (_folder, entry) = entry(&[
            ("pool", "sticks\n"),
            ("pool_ns", "\n"),
            ("name", "films\n"),
            ("current_snap", "-\n"),
            ("size", "1073741824\n"),
            ("features", "0x000000000000003d\n"),
        ]);
        assert_eq!(entry.target().unwrap(), "sticks/films");
        assert_eq!(entry.size(), Some(1 << 30));
        assert_eq!(entry.features(), Some(Features::DEFAULT));
        assert_eq!(entry.node(), Path::new("/dev/rbd3"));
        assert_eq!(entry.fsid(), None);
    }

    #[test]
    fn a_snapshot_is_never_refreshed() {
        let (folder, entry) = entry(&[
            ("pool", "sticks\n"),
            ("pool_ns", "family\n"),
            ("name", "films\n"),
            ("current_snap", "may\n"),
            ("refresh", ""),
        ]);
        assert_eq!(entry.target().unwrap(), "sticks/family/films@may");
        entry.refresh().unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("refresh")).unwrap(), "");
        fs::write(folder.path().join("current_snap"), "-\n").unwrap();
        entry.refresh().unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("refresh")).unwrap(), "1");
    }
}
