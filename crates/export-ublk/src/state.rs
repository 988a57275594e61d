//! What outlives the daemon: which device serves which disk.
//!
//! The kernel itself remembers a 64-bit tag per device (`ublksrv_flags`), set when the device is made: whether a device
//! is ours, and for which disk, needs no file and has no gap in time. The file adds the identity of the content, which
//! must be the same for a recovery, and a lock that dies with the process.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};
use serde::{Deserialize, Serialize};

use crate::UblkError;

/// The first 16 bits of every tag of ours.
const MAGIC: u64 = 0xC10D;

/// A state file is never longer than this.
const MAX_FILE: u64 = 4096;

/// What is remembered of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Number of the device.
    pub(crate) id: u32,
    /// Name of the disk.
    pub(crate) name: String,
    /// Hash of the identity of the content, in hexadecimal.
    pub(crate) identity: String,
    /// The process that last served it.
    pub(crate) pid: u32,
}

/// Reads the text of a state file.
///
/// # Errors
///
/// If it is no JSON, has unknown or missing fields, or a name that no disk can have.
pub(crate) fn parse(text: &[u8]) -> Result<State, String> {
    let state: State = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if check_name(&state.name).is_err() {
        return Err(format!("{:?} is no name of a disk", state.name));
    }
    Ok(state)
}

/// For fuzzing: whether `text` is a state file.
#[doc(hidden)]
#[must_use]
pub fn is_state_file(text: &[u8]) -> bool {
    parse(text).is_ok()
}

/// FNV-1a: stable between versions and architectures, which the hashes of the standard library are not.
fn fnv(parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}

/// The tag that the kernel keeps for the device of the disk `name`.
pub(crate) fn tag(name: &str) -> u64 {
    MAGIC << 48 | fnv(&[name]) >> 16
}

/// Whether a tag is one of ours.
pub(crate) fn is_ours(tag: u64) -> bool {
    tag >> 48 == MAGIC
}

/// The hash that stands for a content in the state file.
pub(crate) fn identity(parts: &[&str]) -> String {
    format!("{:016x}", fnv(parts))
}

/// Whether `name` can name a file and a disk.
pub(crate) fn check_name(name: &str) -> Result<(), UblkError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.bytes().all(allowed) {
        return Err(UblkError::BadName { name: name.to_owned() });
    }
    Ok(())
}

/// The right to serve a disk: held by one process at a time, given up by its end, however it ends.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Claim {
    /// Claims the disk `name`.
    pub(crate) fn new(folder: &Path, name: &str) -> Result<Self, UblkError> {
        check_name(name)?;
        let path = folder.join(format!("{name}.json"));
        let state_error = |path: &Path, source| UblkError::State {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(folder)
            .map_err(|source| state_error(folder, source))?;
        let lock_path = folder.join(format!("{name}.lock"));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&lock_path)
            .map_err(|source| state_error(&lock_path, source))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self { path, _lock: lock }),
            Err((_, Errno::EWOULDBLOCK)) => Err(UblkError::InUse {
                name: name.to_owned(),
                pid: read(&path).map(|state| state.pid as i32),
            }),
            Err((_, error)) => Err(state_error(&lock_path, error.into())),
        }
    }

    /// What was remembered by the one before, if anything that makes sense.
    pub(crate) fn read(&self) -> Option<State> {
        read(&self.path)
    }

    /// Remembers `state`: whole or not at all.
    pub(crate) fn write(&self, state: &State) -> Result<(), UblkError> {
        let new = self.path.with_extension("json.new");
        let written = (|| {
            // What a crash left here is in nobody's use: the claim is ours.
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(&serde_json::to_vec(state)?)?;
            fs::rename(&new, &self.path)
        })();
        written.map_err(|source| UblkError::State {
            path: self.path.clone(),
            source,
        })
    }

    /// Forgets the device: it is gone.
    pub(crate) fn forget(&self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("{}: cannot be removed: {error}", self.path.display());
        }
    }
}

fn read(path: &Path) -> Option<State> {
    let length = fs::metadata(path).ok()?.len();
    if length > MAX_FILE {
        tracing::warn!(
            "{}: {length} bytes are no state file of a ublk device, ignored",
            path.display()
        );
        return None;
    }
    let text = fs::read(path).ok()?;
    parse(&text)
        .inspect_err(|error| tracing::warn!("{}: ignored: {error}", path.display()))
        .ok()
}

/// All disks that are remembered in `folder`.
pub(crate) fn read_all(folder: &Path) -> Vec<State> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter_map(|path| read(&path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> State {
        State {
            id: 3,
            name: "tv".into(),
            identity: identity(&["a", "b"]),
            pid: 7,
        }
    }

    #[test]
    fn names_are_file_names() {
        for good in ["tv", "a.b-c_d", "0", &"x".repeat(64)] {
            check_name(good).unwrap();
        }
        for bad in ["", ".", "..", ".a", "a/b", "a b", "ä", "a\0b", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tags_tell_ours_and_which() {
        assert!(is_ours(tag("tv")));
        assert_ne!(tag("tv"), tag("radio"));
        assert!(!is_ours(0));
        assert!(!is_ours(u64::MAX));
        assert_eq!(tag("tv"), 0xC10D_0000_0000_0000 | (fnv(&["tv"]) >> 16));
    }

    #[test]
    fn hashes_never_change_between_versions() {
        assert_eq!(identity(&["a", "b"]), "ab40d7820d408076");
        assert_ne!(identity(&["a", "b"]), identity(&["ab", ""]));
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let claim = Claim::new(&folder.path().join("deep/er"), "tv").unwrap();
        assert_eq!(claim.read(), None);
        claim.write(&sample()).unwrap();
        claim.write(&State { id: 4, ..sample() }).unwrap();
        assert_eq!(claim.read().unwrap().id, 4);
        assert_eq!(read_all(&folder.path().join("deep/er")).len(), 1);
        claim.forget();
        claim.forget();
        assert_eq!(claim.read(), None);
    }

    #[test]
    fn a_disk_is_claimed_once() {
        let folder = tempfile::tempdir().unwrap();
        let claim = Claim::new(folder.path(), "tv").unwrap();
        claim.write(&sample()).unwrap();
        assert!(matches!(
            Claim::new(folder.path(), "tv"),
            Err(UblkError::InUse { pid: Some(7), .. })
        ));
        let _other = Claim::new(folder.path(), "radio").unwrap();
        drop(claim);
        Claim::new(folder.path(), "tv").unwrap();
    }

    #[test]
    fn nonsense_is_no_state() {
        let good = serde_json::to_vec(&sample()).unwrap();
        assert_eq!(parse(&good).unwrap(), sample());
        for cut in 0..good.len() {
            assert!(parse(&good[..cut]).is_err());
        }
        for bad in [
            r#"{"id":-1,"name":"tv","identity":"","pid":1}"#,
            r#"{"id":4294967296,"name":"tv","identity":"","pid":1}"#,
            r#"{"id":1,"name":"../../etc/passwd","identity":"","pid":1}"#,
            r#"{"id":1,"name":"tv","identity":"","pid":1,"more":1}"#,
            r#"[]"#,
            "\u{0}",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
            assert!(!is_state_file(bad.as_bytes()));
        }
    }

    #[test]
    fn a_huge_or_broken_file_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.json"), vec![b'{'; 100_000]).unwrap();
        fs::write(folder.path().join("b.json"), "{").unwrap();
        assert!(read_all(folder.path()).is_empty());
    }
}
