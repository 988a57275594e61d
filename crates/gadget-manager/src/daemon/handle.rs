//! The daemon from elsewhere: what it runs, and what it can be asked for.

use std::sync::Arc;

use block::store::StoreError;
use tokio::sync::{mpsc, oneshot, watch};

use super::{Daemon, Place, disk, servers, usb};
use crate::config::Loaded;

/// Requests that may wait while the daemon is busy with another one.
const QUEUE: usize = 16;

/// What the daemon can be asked for.
pub(super) enum Command {
    /// Put a configuration in force.
    Apply(Arc<Loaded>, Stick, oneshot::Sender<Result<Applied, ApplyError>>),
    /// Close a disk and open it again, by taking its image over.
    TakeOver(String, oneshot::Sender<()>),
    /// Close a disk and keep it closed.
    Suspend(String, oneshot::Sender<()>),
    /// Open it again.
    Resume(String),
    /// Show the setup stick, or no longer.
    Setup(Option<(Place, usb::Slot)>, oneshot::Sender<()>),
}

/// What becomes of a stick that cannot follow a configuration as it is plugged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stick {
    /// The host sees it leave and return.
    Replug,
    /// It stays as it is for now, with the disks that are still there: it is not known yet whether the configuration works.
    Keep,
}

/// What putting a configuration in force did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Whether the host saw the stick leave and return.
    pub replugged: bool,
    /// Whether the stick was kept as it is, and is to follow.
    pub kept: bool,
}

/// Why a configuration cannot be put in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApplyError {
    /// It needs a restart.
    #[error("a new `{0}` needs a restart of the daemon")]
    NeedsRestart(&'static str),
    /// The daemon ends.
    #[error("the daemon is stopping")]
    Stopping,
}

/// What runs.
pub(crate) struct View {
    /// The configuration in force.
    pub loaded: Arc<Loaded>,
    /// The disks that run, in the order of their names.
    pub disks: Vec<(String, watch::Receiver<disk::State>)>,
    /// The NBD servers.
    pub servers: Vec<servers::Look>,
    /// The stick, if one is configured.
    pub usb: Option<usb::Remote>,
}

impl View {
    /// The state of a disk, if it runs.
    pub(crate) fn disk(&self, name: &str) -> Option<&watch::Receiver<disk::State>> {
        let found = self.disks.iter().find(|(known, _)| known == name);
        found.map(|(_, state)| state)
    }
}

/// A way to the daemon. Clones are the same.
#[derive(Clone)]
pub(crate) struct Handle {
    commands: mpsc::Sender<Command>,
    view: watch::Receiver<Arc<View>>,
    changed: watch::Receiver<()>,
}

/// The daemon's ends of a [`Handle`].
pub(super) struct Ends {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) view: watch::Sender<Arc<View>>,
}

/// A way to a daemon.
pub(super) fn channel(daemon: &Daemon) -> (Handle, Ends) {
    let (sender, commands) = mpsc::channel(QUEUE);
    let (view_sender, view) = watch::channel(Arc::new(daemon.view()));
    let handle = Handle {
        commands: sender,
        view,
        changed: daemon.changed.subscribe(),
    };
    let ends = Ends {
        commands,
        view: view_sender,
    };
    (handle, ends)
}

/// A disk that is kept closed as long as this exists.
pub(crate) struct Suspended {
    handle: Handle,
    disk: String,
}

impl Drop for Suspended {
    fn drop(&mut self) {
        let (commands, disk) = (self.handle.commands.clone(), std::mem::take(&mut self.disk));
        tokio::spawn(async move {
            // A daemon that ends opens no disks.
            let _ = commands.send(Command::Resume(disk)).await;
        });
    }
}

impl Handle {
    /// What runs now.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// The same, to watch.
    pub(crate) fn views(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// Marked as changed whenever anything but counters changed.
    pub(crate) fn changed(&self) -> watch::Receiver<()> {
        self.changed.clone()
    }

    /// Puts a configuration in force. Returns once everything that has to end has ended and everything new is started.
    pub(crate) async fn apply(&self, loaded: Arc<Loaded>, stick: Stick) -> Result<Applied, ApplyError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Apply(loaded, stick, reply);
        self.commands.send(command).await.map_err(|_| ApplyError::Stopping)?;
        answer.await.unwrap_or(Err(ApplyError::Stopping))
    }

    /// Takes the image of a disk from its owner, and waits until that is so or is known to fail.
    pub(crate) async fn take_over(&self, disk: &str) -> Result<(), StoreError> {
        self.tell(|reply| Command::TakeOver(disk.to_owned(), reply)).await;
        let view = self.view();
        let Some(state) = view.disk(disk) else {
            return Err(StoreError::not_found(format!("disk \"{disk}\""), "list the disks"));
        };
        let mut state = state.clone();
        let settled = state
            .wait_for(|state| state.stack.is_some() || state.failure.is_some())
            .await;
        match settled.as_deref() {
            Ok(state) => state.failure.clone().map_or(Ok(()), Err),
            Err(_) => Err(StoreError::invalid(format!("disk \"{disk}\""), "was closed meanwhile")),
        }
    }

    /// Closes a disk, flushed, and keeps it closed until what this returns is dropped. The host sees its medium leave.
    pub(crate) async fn suspend(&self, disk: &str) -> Suspended {
        let suspended = Suspended {
            handle: self.clone(),
            disk: disk.to_owned(),
        };
        self.tell(|reply| Command::Suspend(disk.to_owned(), reply)).await;
        suspended
    }

    /// Shows the setup stick, or no longer.
    pub(crate) async fn show_setup(&self, setup: Option<(Place, usb::Slot)>) {
        self.tell(|reply| Command::Setup(setup, reply)).await;
    }

    async fn tell(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(command(reply)).await.is_ok() {
            // No answer: the daemon ends.
            let _ = answer.await;
        }
    }
}

impl Daemon {
    /// What runs now.
    pub(super) fn view(&self) -> View {
        View {
            loaded: self.loaded.clone(),
            disks: self
                .disks
                .iter()
                .map(|(name, runner)| (name.clone(), runner.state()))
                .collect(),
            servers: self.servers.iter().map(servers::Runner::look).collect(),
            usb: self.usb.as_ref().map(usb::Runner::remote),
        }
    }

    /// Carries out a request; `tell` passes on what runs then, before the answer is sent.
    pub(super) async fn obey(&mut self, command: Command, tell: impl Fn(&Self)) {
        // Whoever asked may be gone; what was asked for is done all the same.
        match command {
            Command::Apply(loaded, stick, reply) => {
                let result = self.put_in_force(loaded, stick).await;
                tell(self);
                let _ = reply.send(result);
            }
            Command::TakeOver(disk, reply) => {
                self.restart(&disk, true).await;
                tell(self);
                let _ = reply.send(());
            }
            Command::Suspend(disk, reply) => {
                *self.suspended.entry(disk.clone()).or_default() += 1;
                self.restart(&disk, false).await;
                tell(self);
                let _ = reply.send(());
            }
            Command::Setup(setup, reply) => {
                self.show_setup(setup).await;
                tell(self);
                let _ = reply.send(());
            }
            Command::Resume(disk) => {
                if let Some(count) = self.suspended.get_mut(&disk) {
                    *count -= 1;
                    if *count == 0 {
                        self.suspended.remove(&disk);
                        self.restart(&disk, false).await;
                    }
                }
                tell(self);
            }
        }
    }
}
