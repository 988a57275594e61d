//! Who else uses an image.

use std::{
    fs,
    os::{linux::fs::MetadataExt, unix::fs::FileTypeExt},
    path::{Path, PathBuf},
};

/// A name for whoever holds a lock on that file or block device, if it can be found out.
///
/// Locks of open file descriptions tell no process id (`/proc/locks` has -1), so the descriptors of all processes are
/// searched for the one that has the lock (`lock:` in `/proc/PID/fdinfo/FD`, proc(5)).
pub(crate) fn holder(metadata: &fs::Metadata) -> Option<String> {
    let is_block = metadata.file_type().is_block_device();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let name = process.file_name();
        let Some(pid) = name
            .to_str()
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        else {
            continue;
        };
        // Processes of others cannot be looked into without rights; those that just ended neither.
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        for descriptor in descriptors.flatten() {
            let same = fs::metadata(descriptor.path()).is_ok_and(|other| match is_block {
                true => other.file_type().is_block_device() && other.st_rdev() == metadata.st_rdev(),
                false => (other.st_dev(), other.st_ino()) == (metadata.st_dev(), metadata.st_ino()),
            });
            let info = process.path().join("fdinfo").join(descriptor.file_name());
            let locked =
                || fs::read_to_string(&info).is_ok_and(|info| info.lines().any(|line| line.starts_with("lock:")));
            if same && locked() {
                return Some(describe(pid, &process.path()));
            }
        }
    }
    None
}

fn describe(pid: &str, process: &Path) -> String {
    if pid == std::process::id().to_string() {
        return format!("this process ({pid})");
    }
    match fs::read_to_string(process.join("comm")) {
        Ok(name) => format!("process {pid} ({})", name.trim_end()),
        Err(_) => format!("process {pid}"),
    }
}

/// The loop device that shows this file, if there is one: it ignores locks.
pub(crate) fn loop_device(path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    fs::read_dir("/sys/block").ok()?.flatten().find_map(|entry| {
        let backing = fs::read_to_string(entry.path().join("loop/backing_file")).ok()?;
        (Path::new(backing.trim_end_matches('\n')) == path).then(|| Path::new("/dev").join(entry.file_name()))
    })
}
