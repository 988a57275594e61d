//! The pause between two gadgets at one controller.
//!
//! A host that was in the middle of a command when the stick went resets the port first and asks questions later
//! (`usb_stor_invoke_transport`, `drivers/usb/storage/transport.c`). If the next gadget is there by then and describes
//! itself alike, the host takes it for the stick it knew (`usb_reset_and_verify_device`, `drivers/usb/core/hub.c`): it
//! does not ask again how many LUNs there are. The cable therefore stays unplugged for longer than such a reset lasts.

use std::{
    fs,
    path::Path,
    sync::{Mutex, Once, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A port's reset takes up to 200 ms a try (`hub_port_reset`), a hub tells of a change every 256 ms (USB 2.0, 11.12.1), and
/// the hosts that matter are slow: nobody who changes disks minds a second.
const UNPLUGGED: Duration = Duration::from_secs(1);

/// When a gadget let go of a controller last. One for all controllers: there is rarely a second.
static LET_GO: Mutex<Option<Instant>> = Mutex::new(None);

/// To be told as soon as a gadget of this process has let go of its controller.
pub(crate) fn begin() {
    *LET_GO.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}

/// Looks, once, whether a gadget of another process has gone just now: the folder of gadgets changes with each
/// (`simple_unlink`, `fs/libfs.c`). To be called before anything here reads or changes the folder.
pub(crate) fn look(gadgets: &Path) {
    static LOOKED: Once = Once::new();
    LOOKED.call_once(|| {
        if let Some(gone) = just_changed(gadgets).and_then(|ago| Instant::now().checked_sub(ago)) {
            // What this process knows of itself is nearer the truth.
            LET_GO
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert(gone);
        }
    });
}

/// How long ago the folder changed, if that is not its own creation, which gives it one time for all (a start shall not
/// wait because the kernel's module was loaded for it), and if the clock tells anything.
fn just_changed(folder: &Path) -> Option<Duration> {
    let seen = fs::metadata(folder).ok()?;
    let changed = seen.modified().ok()?;
    if seen.accessed().ok()? == changed {
        return None;
    }
    changed.elapsed().ok().filter(|ago| *ago < UNPLUGGED)
}

/// Waits until a host has seen for sure that nothing is plugged in. Blocks; at once if nothing was.
pub(crate) fn end() {
    let let_go = *LET_GO.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(rest) = let_go.and_then(|then| UNPLUGGED.checked_sub(then.elapsed())) {
        tracing::debug!(?rest, "waiting for hosts to see that the stick was gone");
        thread::sleep(rest);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::FileTimes, time::SystemTime};

    use super::*;

    fn folder_of(accessed: Duration, modified: Duration) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let times = FileTimes::new()
            .set_accessed(now - accessed)
            .set_modified(now - modified);
        fs::File::open(folder.path()).unwrap().set_times(times).unwrap();
        folder
    }

    #[test]
    fn a_folder_that_changed_just_now_tells_of_a_gadget_that_went() {
        let (hour, moment) = (Duration::from_secs(3600), Duration::from_millis(1));
        assert!(just_changed(folder_of(hour, moment).path()).is_some_and(|ago| ago >= moment));
    }

    #[test]
    fn one_that_is_new_or_old_or_of_the_future_does_not() {
        let (hour, moment) = (Duration::from_secs(3600), Duration::from_millis(1));
        assert_eq!(just_changed(folder_of(moment, moment).path()), None, "new");
        assert_eq!(
            just_changed(folder_of(moment, hour).path()),
            None,
            "old, and read since"
        );
        assert_eq!(just_changed(Path::new("/nowhere/at/all")), None);
        let folder = tempfile::tempdir().unwrap();
        let times = FileTimes::new().set_modified(SystemTime::now() + hour);
        fs::File::open(folder.path()).unwrap().set_times(times).unwrap();
        assert_eq!(just_changed(folder.path()), None, "a clock that was set back");
    }
}
