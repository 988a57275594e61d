//! One connection of an open disk. A disk has one after the other: see [`reconnect`](super::reconnect).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    librbd::{
        closing,
        image::{Image, Share},
    },
    state::Turns,
};

/// An image that is open through a connection to the cluster of its own.
pub(super) struct Connection {
    pub(super) image: Share,
    /// Our address, as the lock of the image has it; none of a reader.
    pub(super) address: Option<String>,
    pub(super) turns: Turns,
    /// For the keeper, which must not wait behind requests.
    pub(super) keeping: Arc<Semaphore>,
    /// Held by whoever learns or changes the size.
    pub(super) sizing: Arc<Mutex<()>>,
    given_up: AtomicBool,
    ended: CancellationToken,
}

impl Connection {
    pub(super) fn new(image: Image, address: Option<String>, concurrency: usize) -> Arc<Self> {
        Arc::new(Self {
            image: Share::new(image),
            address,
            turns: Turns::new(concurrency),
            keeping: Arc::new(Semaphore::new(1)),
            sizing: Arc::default(),
            given_up: AtomicBool::new(false),
            ended: CancellationToken::new(),
        })
    }

    /// From now on its errors mean nothing: the cluster is told to refuse it, and another one takes its place.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    /// Lets go of requests under way, which librbd may keep for ever.
    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    /// The same, and closes the image if that can be.
    pub(super) fn abandon(&self) {
        self.end();
        // What librbd still has ends by that, and nothing of it lives on when the process ends.
        let image = self.image.clone();
        closing::spawn(move || drop(image.close()));
    }

    /// Waits until the disk is lost or closed, or has another connection.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}
