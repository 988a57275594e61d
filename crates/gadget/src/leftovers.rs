//! Whose a gadget in configfs is, and removing those of processes that died.
//!
//! A running process holds an advisory lock (flock(2)) on the folder of each of its gadgets; the kernel drops it with
//! the process, however that ends. A gadget with our prefix and nobody's lock is a leftover.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::fcntl::{Flock, FlockArg, OFlag};

use crate::{Environment, GadgetError, attribute, pause};

/// What the names of our gadgets in configfs begin with. Others are never touched.
pub const NAME_PREFIX: &str = "cloud-stick-";

/// Ownership of a folder in configfs; given back when dropped.
pub(crate) type Lock = Flock<File>;

/// Removes the gadgets of processes that died, and no others. Returns their names in configfs.
///
/// Spares the gadgets of these names ([`GadgetConfig::name`](crate::GadgetConfig::name)), which are to be
/// [adopted](crate::MassStorageGadget::adopt).
///
/// # Errors
///
/// When configfs cannot be read, or a leftover cannot be removed.
pub async fn clean_leftovers(spared: &[&str]) -> Result<Vec<String>, GadgetError> {
    let environment = Environment::default();
    let patience = environment.patience;
    let spared: Vec<_> = spared.iter().map(|name| format!("{NAME_PREFIX}{name}")).collect();
    crate::gadget::in_thread("removing leftover gadgets", patience, move || {
        if !environment.gadgets().is_dir() {
            return Ok(Vec::new());
        }
        pause::look(&environment.gadgets());
        let _guard = serialize(&environment)?;
        clean(&environment, |name| {
            name.starts_with(NAME_PREFIX) && !spared.iter().any(|spared| spared == name)
        })
    })
    .await
}

/// Keeps other processes from creating and cleaning gadgets meanwhile.
pub(crate) fn serialize(environment: &Environment) -> Result<Lock, GadgetError> {
    let folder = environment.gadgets();
    let until = Instant::now() + environment.patience;
    loop {
        match try_lock(&folder)? {
            Some(lock) => return Ok(lock),
            None if Instant::now() >= until => {
                return Err(GadgetError::Stalled {
                    what: "another process's creation of a gadget".to_owned(),
                    seconds: environment.patience.as_secs(),
                });
            }
            None => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Locks a folder; `None` if somebody else has it.
pub(crate) fn try_lock(folder: &Path) -> Result<Option<Lock>, GadgetError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_DIRECTORY.bits())
        .open(folder)
        .map_err(|source| GadgetError::attribute("open", folder, source))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(GadgetError::attribute("lock", folder, errno.into())),
    }
}

/// Removes the leftovers whose name suits, under [`serialize`]'s lock. Goes on after a failure and returns the first.
pub(crate) fn clean(environment: &Environment, suits: impl Fn(&str) -> bool) -> Result<Vec<String>, GadgetError> {
    let folder = environment.gadgets();
    let entries = fs::read_dir(&folder).map_err(|source| GadgetError::attribute("read", &folder, source))?;
    let mut removed = Vec::new();
    let mut failed = None;
    for name in entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
    {
        if !suits(&name) {
            continue;
        }
        let path = folder.join(&name);
        match try_lock(&path).and_then(|lock| lock.map(|lock| remove(&path, lock)).transpose()) {
            Ok(Some(())) => {
                tracing::info!(gadget = name, "removed a gadget left over by a process that died");
                removed.push(name);
            }
            Ok(None) => tracing::debug!(gadget = name, "gadget belongs to a running process"),
            Err(error) => {
                tracing::warn!(gadget = name, %error, "cannot remove a leftover gadget");
                failed.get_or_insert(error);
            }
        }
    }
    failed.map_or(Ok(removed), Err)
}

/// Removes one gadget through the `usb-gadget` crate, which knows the order.
fn remove(path: &Path, _lock: Lock) -> Result<(), GadgetError> {
    let failed = |source: io::Error| GadgetError::attribute("remove", path, source);
    let bound = attribute::get(&path.join("UDC")).is_ok_and(|udc| !udc.is_empty());
    let removed = usb_gadget::registered()
        .map_err(failed)?
        .into_iter()
        .find(|gadget| gadget.path() == path)
        .map_or(Ok(()), usb_gadget::RegGadget::remove)
        .map_err(failed);
    if bound {
        pause::begin();
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_says_that_the_owner_lives() {
        let dir = tempfile::tempdir().unwrap();
        let lock = try_lock(dir.path()).unwrap().unwrap();
        assert!(try_lock(dir.path()).unwrap().is_none());
        drop(lock);
        assert!(try_lock(dir.path()).unwrap().is_some());
    }

    #[test]
    fn what_is_locked_or_has_another_name_stays() {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment {
            configfs: dir.path().to_owned(),
            ..Environment::default()
        };
        let live = environment.gadgets().join("cloud-stick-live");
        fs::create_dir_all(&live).unwrap();
        fs::create_dir_all(environment.gadgets().join("somebody-elses")).unwrap();
        let _lock = try_lock(&live).unwrap().unwrap();
        assert!(
            clean(&environment, |name| name.starts_with(NAME_PREFIX))
                .unwrap()
                .is_empty()
        );
        assert!(live.is_dir());
        assert!(environment.gadgets().join("somebody-elses").is_dir());
    }

    #[test]
    fn creation_waits_its_turn_but_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment {
            configfs: dir.path().to_owned(),
            patience: Duration::ZERO,
            ..Environment::default()
        };
        fs::create_dir_all(environment.gadgets()).unwrap();
        let first = serialize(&environment).unwrap();
        assert!(matches!(serialize(&environment), Err(GadgetError::Stalled { .. })));
        drop(first);
        assert!(serialize(&environment).is_ok());
    }
}
