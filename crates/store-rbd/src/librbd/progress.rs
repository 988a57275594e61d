//! The progress of something slow, from a blocking thread to whoever waits for it.

use std::ffi::{c_int, c_void};

use block::store::Progress;
use tokio::sync::watch;

use super::{sys, threads::Thread};
use crate::error::Result;

/// Done and all, as librbd counts (objects or bytes).
type Done = (u64, u64);

/// Where librbd reports to.
pub(super) struct Report(watch::Sender<Done>);

impl Report {
    /// For what nobody waits for.
    pub(super) fn nobody() -> Self {
        Self(watch::Sender::new((0, 0)))
    }

    /// What a call of librbd wants; valid as long as the report.
    pub(super) fn for_c(&self) -> (sys::librbd_progress_fn_t, *mut c_void) {
        (reported, (&raw const self.0).cast_mut().cast())
    }
}

extern "C" fn reported(done: u64, all: u64, argument: *mut c_void) -> c_int {
    // SAFETY: the sender given out by `for_c`, which lives through the call that this is called by.
    let sender = unsafe { &*argument.cast::<watch::Sender<Done>>() };
    sender.send_replace((done, all));
    0
}

/// Runs `work` on a thread and passes its progress on.
pub(super) async fn with_progress<T: Send + 'static>(
    progress: Progress<'_>,
    start: impl FnOnce(Report) -> Thread<T>,
) -> Result<T> {
    let (sender, mut done) = watch::channel((0, 0));
    let mut thread = start(Report(sender));
    loop {
        tokio::select! {
            ended = &mut thread => {
                // librbd reports what it begins with, not what it has finished.
                let (_, all) = *done.borrow();
                if all > 0 && ended.is_ok() {
                    progress(all, all);
                }
                return ended;
            }
            Ok(()) = done.changed() => {
                let (done, all) = *done.borrow_and_update();
                progress(done, all);
            }
        }
    }
}
