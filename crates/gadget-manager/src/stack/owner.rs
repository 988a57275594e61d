//! Who this installation is, towards stores that know owners.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use tracing::warn;

/// The identity of this installation: random, made once, kept in `state_dir`, and mixed with the hardware's serial
/// number so that a copied SD card is somebody else. Not a secret towards the store, but whoever knows it can act as
/// this owner there, so only its owner reads the file.
///
/// Without a writable `state_dir`, or on hardware without a number, the identity is that of this process: a restart then waits for the old ownership to
/// expire.
pub(crate) fn identity(state_dir: &Path) -> Option<String> {
    match read_or_make(&state_dir.join("owner-id")) {
        Ok(id) => {
            let hardware = gadget::hardware_serial();
            if hardware.is_none() {
                warn!("this machine has no serial number of its own; after a crash disks stay owned for a minute");
            }
            hardware.map(|hardware| format!("{id}-{}", hardware.serial))
        }
        Err(error) => {
            warn!(
                "{}: no identity can be kept there ({error}); after a crash disks stay owned for a minute",
                state_dir.display()
            );
            None
        }
    }
}

fn read_or_make(path: &Path) -> io::Result<String> {
    let read = |file: File| {
        let mut id = String::new();
        file.take(128).read_to_string(&mut id)?;
        let id = id.trim().to_owned();
        if id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()) {
            Ok(id)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "owner-id is damaged; delete it",
            ))
        }
    };
    match File::open(path) {
        Ok(file) => return read(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let random = ring::rand::generate::<[u8; 16]>(&ring::rand::SystemRandom::new())
        .map_err(|_| io::Error::other("the system has no random numbers"))?;
    let id: String = random.expose().iter().map(|byte| format!("{byte:02x}")).collect();
    // Written aside and renamed: a power cut leaves the whole file or none.
    let partial = path.with_file_name(format!("owner-id.{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(id.as_bytes())?;
    file.sync_all()?;
    match std::fs::hard_link(&partial, path) {
        // Another process was first: its identity counts.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            let _ = std::fs::remove_file(&partial);
            return Err(error);
        }
        _ => {}
    }
    let _ = std::fs::remove_file(&partial);
    // Whoever owns a disk by a name that a power cut takes waits a minute for it.
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    read(File::open(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/owner-id");
        let id = read_or_make(&path).unwrap();
        assert_eq!(read_or_make(&path).unwrap(), id);
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "nothing is left behind"
        );
    }

    #[test]
    fn a_damaged_identity_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("owner-id"), "../../etc").unwrap();
        assert!(read_or_make(&folder.path().join("owner-id")).is_err());
    }
}
