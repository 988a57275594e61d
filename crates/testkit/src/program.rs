//! Finding the external programs that a test needs.

use std::{
    env,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Programs and the Debian package that brings each.
const PACKAGES: &[(&str, &str)] = &[
    ("blkid", "util-linux"),
    ("fio", "fio"),
    ("fsck.vfat", "dosfstools"),
    ("mcopy", "mtools"),
    ("mdir", "mtools"),
    ("mkfs.vfat", "dosfstools"),
    ("nbdcopy", "libnbd-bin"),
    ("nbdinfo", "libnbd-bin"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("openssl", "openssl"),
    ("qemu-img", "qemu-utils"),
    ("qemu-io", "qemu-utils"),
    ("qemu-nbd", "qemu-utils"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("sfdisk", "fdisk"),
];

/// Folders that hold system programs and are missing from the PATH of some users.
const SYSTEM_FOLDERS: &[&str] = &["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The full path of a program.
///
/// # Panics
///
/// If it is not installed: a test must fail, not skip, and say which package is missing.
#[must_use]
pub fn locate(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| {
        let package = PACKAGES.iter().find(|(program, _)| *program == name);
        let remedy = match package {
            Some((_, package)) => format!("run `apt-get install {package}`, or scripts/install-dependencies"),
            None => "run scripts/install-dependencies".to_owned(),
        };
        panic!("this test needs the program \"{name}\", which is not installed; {remedy}")
    })
}

/// The full path of a program, if it is installed.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_every_system_is_found() {
        assert!(locate("sh").is_absolute());
        assert_eq!(find("no-such-program-anywhere"), None);
    }

    #[test]
    #[should_panic(expected = "scripts/install-dependencies")]
    fn a_missing_program_names_the_remedy() {
        let _ = locate("no-such-program-anywhere");
    }

    #[test]
    fn packages_are_sorted_and_unique() {
        assert!(PACKAGES.is_sorted_by(|a, b| a.0 < b.0));
    }
}
