//! Threads that close images. The process does not end under them: librbd's own clearing up at the end of a process, which
//! does not wait for anybody, would meet an image that is just being closed, and abort.

use std::{
    sync::{Condvar, Mutex, Once, PoisonError},
    time::Duration,
};

/// How long the end of the process waits for them.
const PATIENCE: Duration = Duration::from_secs(10);

static UNDER_WAY: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();
static REGISTERED: Once = Once::new();

/// Runs something that closes an image on a thread of its own.
pub(super) fn spawn(work: impl FnOnce() + Send + 'static) {
    REGISTERED.call_once(|| {
        // SAFETY: a function without arguments; it is called before the libraries clear up, which registered earlier.
        unsafe { libc::atexit(wait) };
    });
    count(|number| number + 1);
    let thread = std::thread::Builder::new().name("rbd-close".to_owned());
    let run = move || {
        work();
        count(|number| number - 1);
    };
    if thread.spawn(run).is_err() {
        count(|number| number - 1);
        tracing::error!("no thread to close an image with");
    }
}

fn count(change: impl FnOnce(usize) -> usize) {
    let mut number = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    *number = change(*number);
    ENDED.notify_all();
}

extern "C" fn wait() {
    let number = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    drop(ENDED.wait_timeout_while(number, PATIENCE, |number| *number > 0));
}
