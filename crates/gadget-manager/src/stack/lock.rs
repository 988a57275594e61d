//! One user of an image on this machine.
//!
//! A store's own ownership (a lease, a lock) belongs to the installation, so that a restarted daemon gets its disks
//! back at once. Between the processes of one installation this lock decides.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
};

use block::store::{SharedStore, StoreError};
use nix::fcntl::{Flock, FlockArg};

use crate::{config::Config, daemon::lineage};

/// Held as long as this process may change the image. The file stays; the lock ends with the process at the latest.
#[derive(Debug)]
pub(crate) struct ImageLock {
    _file: Flock<File>,
}

impl ImageLock {
    /// Takes the lock for something else than the daemon's serving, which is about to change the image: whatever a killed
    /// daemon's kernel device holds of it is out of date from now on.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub(crate) fn take_to_change(config: &Config, store: &SharedStore, image: &str) -> Result<Self, StoreError> {
        let lock = Self::take(config, store, image)?;
        lineage::end(&config.run_dir, &format!("{}/{image}", store.describe()));
        Ok(lock)
    }

    /// Takes the lock on `image` of `store`.
    ///
    /// # Errors
    ///
    /// [`InUse`](StoreError::InUse) with the other process's number; or what is wrong with the folder of locks.
    pub(crate) fn take(config: &Config, store: &SharedStore, image: &str) -> Result<Self, StoreError> {
        // Beside the identity that stores know this installation by (`owner.rs`): whoever shares that shares the locks. Where
        // none can be kept each process is an owner of its own.
        let folder = [&config.state_dir, &config.run_dir]
            .map(|folder| folder.join("locks"))
            .into_iter()
            .find(|folder| std::fs::create_dir_all(folder).is_ok())
            .unwrap_or_else(|| config.run_dir.join("locks"));
        let path = folder.join(name(&store.describe(), image));
        let fail = |what: &str, error: std::io::Error| {
            let detail = format!("{what}: {error}; is `state_dir` writable for this user?");
            StoreError::invalid(path.display().to_string(), detail)
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| fail("cannot open the lock", error))?;
        let mut holder = String::new();
        // Who had it is only told to people: it may be missing.
        let _ = (&mut file).take(64).read_to_string(&mut holder);
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                let _ = file
                    .set_len(0)
                    .and_then(|()| file.rewind())
                    .and_then(|()| write!(file, "{}", std::process::id()));
                Ok(Self { _file: file })
            }
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(StoreError::in_use(
                format!("{}/{image}", store.describe()),
                format!("process {} of this machine", holder.trim()),
                "stop it, or let it do this",
            )),
            Err((_, error)) => Err(fail("cannot take the lock", error.into())),
        }
    }
}

/// Names of images may have any characters and any length: the file is called by their hash.
fn name(store: &str, image: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{store}\n{image}").as_bytes());
    digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
