//! From librbd's callbacks to futures.

use std::ffi::{c_int, c_void};

use tokio::sync::oneshot;

use super::sys;

/// What an operation under way needs: it lives until librbd is done with it, not only as long as somebody waits.
struct Context<K> {
    keep: K,
    done: oneshot::Sender<(K, Answer)>,
}

/// What librbd returned: not negative, or the code of the error as a positive number.
pub(super) type Answer = Result<usize, i32>;

/// An operation that librbd was asked for.
pub(super) enum Operation<K> {
    Begun(oneshot::Receiver<(K, Answer)>),
    Refused(K, i32),
}

impl<K> Operation<K> {
    /// Waits for its end: the kept things and the answer.
    pub(super) async fn ended(self) -> (Option<K>, Answer) {
        match self {
            Self::Refused(keep, code) => (Some(keep), Err(code)),
            Self::Begun(answer) => match answer.await {
                Ok((keep, answer)) => (Some(keep), answer),
                // The callback always answers.
                Err(_) => (None, Err(libc::EIO)),
            },
        }
    }
}

/// Starts an operation of librbd and returns what becomes of it.
///
/// `start` gets the completion to hand over and returns what librbd's call returned. What librbd works on must be in `keep`,
/// at an address that does not change when `keep` is moved (on the heap). The kept things come back with the answer. If
/// the future is dropped, the operation goes on, and they are dropped by librbd's thread when it ended. No thread waits
/// meanwhile.
pub(super) fn submit<K: Send + 'static>(keep: K, start: impl FnOnce(sys::rbd_completion_t) -> c_int) -> Operation<K> {
    let (done, answer) = oneshot::channel();
    let context = Box::into_raw(Box::new(Context { keep, done }));
    let mut completion = std::ptr::null_mut();
    // SAFETY: `context` is valid until `finished::<K>` takes it back, which is called once for this completion.
    let created = unsafe { sys::rbd_aio_create_completion(context.cast(), finished::<K>, &raw mut completion) };
    let code = if created < 0 { created } else { start(completion) };
    let refused = (code < 0).then(|| {
        if created >= 0 {
            // SAFETY: an operation that was refused does not call back, so that the completion is still ours.
            unsafe { sys::rbd_aio_release(completion) };
        }
        // SAFETY: as above; it came from `Box::into_raw`.
        unsafe { Box::from_raw(context) }
    });
    match refused {
        Some(context) => Operation::Refused(context.keep, -code),
        None => Operation::Begun(answer),
    }
}

/// Called by a thread of librbd when an operation has ended.
extern "C" fn finished<K: Send>(completion: sys::rbd_completion_t, argument: *mut c_void) {
    // SAFETY: the completion is valid within its callback; releasing it there is allowed (librbd holds a reference of its
    // own until the callback returns).
    let code = unsafe {
        let code = sys::rbd_aio_get_return_value(completion);
        sys::rbd_aio_release(completion);
        code
    };
    // SAFETY: this is the pointer that `submit::<K>` made, and this callback is called once.
    let context = unsafe { Box::from_raw(argument.cast::<Context<K>>()) };
    let Context { keep, done } = *context;
    let answer = usize::try_from(code).map_err(|_| i32::try_from(code.saturating_neg()).unwrap_or(libc::EIO));
    // Nobody may be waiting any more.
    let _ = done.send((keep, answer));
}
