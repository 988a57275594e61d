//! Noticing what the other side does: state of the controller, and media that the host ejects.
//!
//! Two threads, since the second may have to wait for the kernel while a disk stalls: the state of the cable must still
//! be told then.

use std::{
    fs::File,
    io::Read,
    os::fd::AsFd,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::eventfd::{EfdFlags, EventFd},
};
use tokio::sync::broadcast;

use crate::{DeviceState, Environment, GadgetEvent, Speed, UdcState, attribute, shadow::Shadow, udc};

/// Our data line. `state` alone does not do: the core leaves it as it was when a gadget lets go of the line or of the
/// controller (`gadget_unbind_driver`, `udc/core.c`), so it may still say "configured" from before.
#[derive(Debug)]
enum Line {
    /// Not pulled up: whatever the attribute says is old.
    Down,
    /// Pulled up; old until the kernel has notified on this file, which was read before.
    Raising(File),
    /// The attribute is right.
    Up,
}

/// What is watched, shared by the handle, the owner and the watching thread.
#[derive(Debug)]
pub(crate) struct Watched {
    environment: Environment,
    /// Name of the gadget in configfs.
    gadget: String,
    udc: Mutex<String>,
    line: Mutex<Line>,
    wake: EventFd,
    stop: AtomicBool,
}

impl Watched {
    pub(crate) fn new(environment: Environment, gadget: String) -> std::io::Result<Self> {
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self {
            environment,
            gadget,
            udc: Mutex::default(),
            line: Mutex::new(Line::Down),
            wake,
            stop: AtomicBool::new(false),
        })
    }

    pub(crate) fn udc(&self) -> String {
        self.udc.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_udc(&self, name: &str) {
        name.clone_into(&mut self.udc.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake();
    }

    /// Has the state looked at now.
    pub(crate) fn wake(&self) {
        // Fails only when 2^64 wakes are pending; then the thread is awake anyway.
        let _ = self.wake.write(1);
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Each assignment is whole, so a panic elsewhere does no harm.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called before the line is pulled up.
    pub(crate) fn raise(&self) {
        let armed = File::open(self.folder().join("state")).and_then(|mut file| {
            file.read_to_end(&mut Vec::new())?;
            Ok(file)
        });
        *self.line() = armed.map_or(Line::Up, Line::Raising);
        self.wake();
    }

    /// To be called when the line is known to be up, as in a gadget taken over.
    pub(crate) fn is_up(&self) {
        *self.line() = Line::Up;
        self.wake();
    }

    /// To be called when the line has been let go.
    pub(crate) fn lower(&self) {
        *self.line() = Line::Down;
        self.wake();
    }

    /// Whether the attribute can be believed; if not yet, the file on which the kernel will notify.
    fn settle(&self) -> Result<(), Option<File>> {
        let mut line = self.line();
        match &*line {
            Line::Up => Ok(()),
            Line::Down => Err(None),
            Line::Raising(file) => {
                let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLPRI)];
                let polled = poll(&mut fds, PollTimeout::ZERO);
                let notified = fds[0]
                    .revents()
                    .is_some_and(|events| events.contains(PollFlags::POLLPRI));
                if polled.is_ok() && !notified {
                    return Err(file.try_clone().ok());
                }
                *line = Line::Up;
                Ok(())
            }
        }
    }

    /// The state as it is now. What the controller does for another gadget, or did before, is not ours.
    pub(crate) fn state(&self) -> UdcState {
        let settled = self.settle().is_ok();
        let udc = self.udc();
        let folder = self.folder();
        let bound = attribute::read(&folder.join("function")).is_ok_and(|owner| owner == self.gadget);
        let (state, speed) = match udc::state_of(&folder) {
            DeviceState::Absent => (DeviceState::Absent, Speed::Unknown),
            state if bound && settled => (state, udc::speed_of(&folder)),
            _ => (DeviceState::NotAttached, Speed::Unknown),
        };
        UdcState {
            udc,
            bound,
            state,
            speed,
        }
    }

    fn folder(&self) -> PathBuf {
        self.environment.udc_class().join(self.udc())
    }
}

/// Tells every change of the state until stopped.
///
/// The kernel notifies on `state` (`sysfs_notify` in `usb_gadget_state_work`, `udc/core.c`), which poll(2) shows as
/// `POLLPRI`. Not every driver reports every state, and a vanished controller does not notify: hence the timeouts.
pub(crate) fn watch_state(watched: Arc<Watched>, events: broadcast::Sender<GadgetEvent>) -> std::io::Result<()> {
    thread::Builder::new().name("gadget-state".into()).spawn(move || {
        let mut last = (DeviceState::NotAttached, Speed::Unknown);
        while !watched.stop.load(Ordering::Acquire) {
            let attribute = match watched.settle() {
                Ok(()) => File::open(watched.folder().join("state")).ok().inspect(|mut file| {
                    // poll(2) reports changes since this read.
                    let _ = file.read_to_end(&mut Vec::new());
                }),
                Err(armed) => armed,
            };
            let state = watched.state();
            let now = (state.state, state.speed);
            if now != last {
                last = now;
                tracing::info!(state = %now.0, speed = %now.1, "USB state changed");
                let _ = events.send(GadgetEvent::StateChanged {
                    state: now.0,
                    speed: now.1,
                });
            }
            let mut fds = vec![PollFd::new(watched.wake.as_fd(), PollFlags::POLLIN)];
            fds.extend(
                attribute
                    .as_ref()
                    .map(|file| PollFd::new(file.as_fd(), PollFlags::POLLPRI)),
            );
            let timeout: u16 = if attribute.is_some() { 5000 } else { 1000 };
            if poll(&mut fds, PollTimeout::from(timeout)).is_err() {
                // Interrupted, or out of memory: neither lasts, and neither may become a busy loop.
                thread::sleep(Duration::from_millis(100));
            }
            let _ = watched.wake.read();
        }
    })?;
    Ok(())
}

/// Tells every eject by the host until the other end of `stop` is dropped.
///
/// The kernel empties `lun.N/file` on START STOP UNIT with LOEJ (`do_start_stop`, `f_mass_storage.c`) and tells nobody.
pub(crate) fn watch_luns(
    function: PathBuf,
    shadow: Arc<Shadow>,
    luns: usize,
    every: Duration,
    events: broadcast::Sender<GadgetEvent>,
    stop: mpsc::Receiver<()>,
) -> std::io::Result<()> {
    thread::Builder::new().name("gadget-luns".into()).spawn(move || {
        while stop.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout) {
            for lun in 0..luns {
                let Some(before) = shadow.before(lun) else { continue };
                let seen = attribute::read(&function.join(format!("lun.{lun}/file")));
                if seen.is_ok_and(|medium| medium.is_empty()) && shadow.seen_empty(lun, before) {
                    tracing::info!(lun, "the host has ejected the medium");
                    let _ = events.send(GadgetEvent::HostEjected { lun });
                }
            }
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::udc::tests::add_udc;

    #[tokio::test]
    async fn state_is_told_when_it_changes_and_only_while_it_is_ours() {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment {
            sysfs: dir.path().to_owned(),
            ..Environment::default()
        };
        add_udc(&environment, "a.usb", "cloud-stick-0");
        let watched = Arc::new(Watched::new(environment.clone(), "cloud-stick-0".into()).unwrap());
        watched.set_udc("a.usb");
        assert_eq!(
            watched.state().state,
            DeviceState::NotAttached,
            "old news before the line is up"
        );
        watched.is_up();
        let (sender, mut events) = broadcast::channel(16);
        watch_state(watched.clone(), sender).unwrap();
        let configured = GadgetEvent::StateChanged {
            state: DeviceState::Configured,
            speed: Speed::High,
        };
        assert_eq!(events.recv().await.unwrap(), configured);

        fs::write(environment.udc_class().join("a.usb/function"), "other\n").unwrap();
        watched.wake();
        let gone = GadgetEvent::StateChanged {
            state: DeviceState::NotAttached,
            speed: Speed::Unknown,
        };
        assert_eq!(events.recv().await.unwrap(), gone);
        assert!(!watched.state().bound);

        fs::remove_dir_all(environment.udc_class()).unwrap();
        watched.wake();
        let absent = GadgetEvent::StateChanged {
            state: DeviceState::Absent,
            speed: Speed::Unknown,
        };
        assert_eq!(events.recv().await.unwrap(), absent);
        watched.stop();
        assert!(matches!(events.recv().await, Err(broadcast::error::RecvError::Closed)));
    }

    #[tokio::test]
    async fn an_eject_by_the_host_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        for lun in 0..2 {
            fs::create_dir(dir.path().join(format!("lun.{lun}"))).unwrap();
            fs::write(dir.path().join(format!("lun.{lun}/file")), "/disk\n").unwrap();
        }
        let shadow = Arc::new(Shadow::new(2));
        shadow.end(1, Some("/disk".into()));
        shadow.begin(1);
        shadow.end(1, Some("/disk".into()));
        shadow.begin(1);
        let (sender, mut events) = broadcast::channel(16);
        let (stop, stopped) = mpsc::channel();
        watch_luns(
            dir.path().to_owned(),
            shadow,
            2,
            Duration::from_millis(1),
            sender,
            stopped,
        )
        .unwrap();
        fs::write(dir.path().join("lun.1/file"), "").unwrap();
        assert_eq!(events.recv().await.unwrap(), GadgetEvent::HostEjected { lun: 1 });
        drop(stop);
        assert!(matches!(events.recv().await, Err(broadcast::error::RecvError::Closed)));
    }
}
