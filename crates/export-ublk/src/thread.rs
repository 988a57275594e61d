//! Threads for what may block for long.

use std::{io, thread};

use nix::sys::signal::SigSet;
use tokio::sync::oneshot;

use crate::UblkError;

/// Starts a thread that no signal interrupts: the waits of `libublk` take an interruption for the end.
pub(crate) fn spawn<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    // The mask is inherited: set here, no signal can come before the first line of the thread.
    let old = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)?;
    let handle = thread::Builder::new().name(name).spawn(work);
    old.thread_set_mask()?;
    handle
}

/// Runs `work` in a thread of its own and waits for it without blocking the runtime. If the caller goes away, the work
/// goes on.
pub(crate) async fn run<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, UblkError> + Send + 'static,
) -> Result<T, UblkError> {
    let (sender, receiver) = oneshot::channel();
    spawn(name.to_owned(), move || {
        let _ = sender.send(work());
    })
    .map_err(|source| UblkError::Thread { source })?;
    receiver.await.unwrap_or_else(|_| {
        Err(UblkError::Thread {
            source: io::Error::other("it ended in a panic"),
        })
    })
}
