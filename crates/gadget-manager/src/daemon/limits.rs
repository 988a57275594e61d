//! Keeps little dirty data in the kernel's page cache in front of a slow store, and writes out what is there.

use std::{fs, io, path::Path};

use tracing::debug;

/// Limits the dirty page cache of the block device at `path` to about `bytes` (`Documentation/ABI/testing/
/// sysfs-class-bdi`: `strict_limit`, `max_bytes`, since Linux 6.2; older kernels keep their default).
///
/// `f_mass_storage` acknowledges writes from the page cache. What lies there when the host asks for a flush must reach
/// the store within the host's patience.
pub(crate) fn limit_dirty_pages(path: &Path, bytes: u64) {
    let Some(name) = path.file_name() else { return };
    let bdi = Path::new("/sys/class/block").join(name).join("bdi");
    for (attribute, value) in [("strict_limit", "1".to_owned()), ("max_bytes", bytes.to_string())] {
        if let Err(error) = fs::write(bdi.join(attribute), value) {
            debug!("{}/{attribute}: {error}; the kernel's default stays", bdi.display());
        }
    }
}

/// Writes the dirty pages of the block device at `path` to it and flushes it. Blocks.
pub(crate) fn write_out(path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().read(true).write(true).open(path)?.sync_all()
}
