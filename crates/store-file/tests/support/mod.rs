//! File systems and block devices of a test's own; they need root.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// Runs a program that must be there and must succeed; what it printed.
pub(crate) fn run(program: &str, package: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("cannot run {program}, of the Debian package {package}: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?} failed (this test needs root): {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A small file system in memory, unmounted when dropped.
pub(crate) struct Tmpfs(TempDir);

impl Tmpfs {
    pub(crate) fn new(size: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let options = format!("size={size}");
        let path = folder.path().to_str().unwrap();
        run("mount", "mount", &["-t", "tmpfs", "-o", &options, "tmpfs", path]);
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// A file system of another kind on a loop device, unmounted when dropped.
pub(crate) struct FileSystem {
    folder: TempDir,
    _device: LoopDevice,
}

impl FileSystem {
    /// Made by `mkfs` of `package`.
    pub(crate) fn new(mkfs: &str, package: &str, size: u64) -> Self {
        let (device, folder) = (LoopDevice::new(size), TempDir::new().unwrap());
        let (path, point) = (device.path().to_str().unwrap(), folder.path().to_str().unwrap());
        run(mkfs, package, &[path]);
        run("mount", "mount", &[path, point]);
        Self {
            folder,
            _device: device,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

/// A block device over a file, detached when dropped.
pub(crate) struct LoopDevice {
    path: PathBuf,
    _folder: TempDir,
}

impl LoopDevice {
    pub(crate) fn new(size: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("loop");
        File::create(&file).unwrap().set_len(size).unwrap();
        Self::over(&file, &[], folder)
    }

    pub(crate) fn with_options(size: u64, options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("loop");
        File::create(&file).unwrap().set_len(size).unwrap();
        Self::over(&file, options, folder)
    }

    pub(crate) fn over(file: &Path, options: &[&str], folder: TempDir) -> Self {
        let mut arguments = vec!["--show", "--find"];
        arguments.extend(options);
        arguments.push(file.to_str().unwrap());
        let path = PathBuf::from(run("losetup", "mount", &arguments).trim());
        Self { path, _folder: folder }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("-d").arg(&self.path).status();
    }
}
