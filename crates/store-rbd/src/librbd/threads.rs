//! Threads for calls of librbd. Those block for as long as the cluster does not answer, which may be for ever: so they are not
//! threads of the runtime, which waits for its own when it ends.

use std::{
    pin::Pin,
    task::{Context, Poll},
    thread::Builder,
};

use tokio::sync::oneshot;

use crate::error::{RbdError, Result};

/// What a thread will have found out. Whoever drops this does not end the thread; what it finds then is dropped on it.
pub(super) struct Thread<T>(oneshot::Receiver<Result<T>>);

impl<T> Future for Thread<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = Pin::new(&mut self.0).poll(context);
        ended.map(|ended| ended.unwrap_or_else(|_| Err(RbdError::invalid("librbd", "a thread could not do its work"))))
    }
}

/// Runs something that blocks on a thread of its own.
pub(super) fn spawn<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Thread<T> {
    let (sender, receiver) = oneshot::channel();
    let run = move || drop(sender.send(work()));
    if let Err(error) = Builder::new().name("rbd-call".to_owned()).spawn(run) {
        // The sender is gone with it, which the receiver tells.
        tracing::error!(%error, "no thread for a call of librbd");
    }
    Thread(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_it_returns_arrives_and_its_panic_is_an_error() {
        assert_eq!(spawn(|| Ok(7)).await.unwrap(), 7);
        let failed = spawn(|| -> Result<()> { panic!("on purpose") }).await;
        assert!(matches!(failed, Err(RbdError::Invalid { .. })), "{failed:?}");
    }

    #[test]
    fn a_runtime_ends_although_a_call_does_not() {
        let (release, blocked) = std::sync::mpsc::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let inside = runtime.enter();
        let call = spawn(move || Ok(blocked.recv()));
        drop(inside);
        drop(runtime);
        drop((call, release));
    }
}
