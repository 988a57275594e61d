//! The task that turns changes into frames.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};
use tokio_util::sync::CancellationToken;

use super::{
    changes,
    frame::Frame,
    places::{Place, Places},
};
use crate::{
    access::Identity,
    api::{Event, Live, Problem},
    appliance::Appliance,
    tasks::{Change, Tasks},
};

/// How many frames a stream may be behind before it is given everything anew.
const BEHIND: usize = 64;

/// Where streams of events come from. Clones are the same.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

struct Inner {
    appliance: Arc<dyn Appliance>,
    tasks: Tasks,
    places: Arc<Places>,
    frames: broadcast::Sender<Frame>,
    /// Stops the task of those who listen now; nothing while nobody does.
    running: Mutex<Option<CancellationToken>>,
    stop: CancellationToken,
}

/// Somebody who listens.
pub(super) struct Listener {
    pub(super) frames: broadcast::Receiver<Frame>,
    pub(super) stop: CancellationToken,
    /// Before the hub in this list: it has to be free when the hub looks.
    place: Option<Place>,
    hub: Hub,
}

impl Hub {
    pub(crate) fn new(appliance: Arc<dyn Appliance>, tasks: Tasks) -> Self {
        Self(Arc::new(Inner {
            appliance,
            tasks,
            places: Arc::default(),
            frames: broadcast::channel(BEHIND).0,
            running: Mutex::default(),
            stop: CancellationToken::new(),
        }))
    }

    /// Ends all streams.
    pub(crate) fn stop(&self) {
        self.0.stop.cancel();
    }

    /// Listens from now on.
    pub(super) fn listen(&self, identity: Identity) -> Result<Listener, Problem> {
        let place = self.0.places.take(identity)?;
        let listener = Listener {
            frames: self.0.frames.subscribe(),
            stop: self.0.stop.clone(),
            place: Some(place),
            hub: self.clone(),
        };
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_none() {
            let stop = self.0.stop.child_token();
            // From here on, not from when the task first runs: the listener may have been told the state by then.
            let mut live = self.0.appliance.live();
            let before = live.borrow_and_update().clone();
            tokio::spawn(compare(
                live,
                before,
                self.0.tasks.changes(),
                self.0.tasks.clone(),
                self.0.frames.clone(),
                stop.clone(),
            ));
            *running = Some(stop);
        }
        Ok(listener)
    }

    fn left(&self) {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.places.is_empty()
            && let Some(stop) = running.take()
        {
            stop.cancel();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.place = None;
        self.hub.left();
    }
}

/// Sends what changes until it is stopped.
async fn compare(
    mut live: watch::Receiver<Arc<Live>>,
    mut before: Arc<Live>,
    mut changes: broadcast::Receiver<Change>,
    tasks: Tasks,
    frames: broadcast::Sender<Frame>,
    stop: CancellationToken,
) {
    let send = |event: &Event| {
        // Whoever listened has just left.
        let _ = frames.send(Frame::new(event));
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = live.changed() => {
                if changed.is_err() {
                    return;
                }
                let after = live.borrow_and_update().clone();
                changes::between(&before, &after).iter().for_each(send);
                before = after;
            }
            change = changes.recv() => match change {
                Ok(Change::Task(task)) => send(&Event::Task(*task)),
                Ok(Change::Gone(id)) => send(&Event::TaskGone { id }),
                Err(RecvError::Lagged(_)) => {
                    send(&Event::State(Box::new(changes::state(&before, &tasks))));
                }
                Err(RecvError::Closed) => return,
            },
        }
    }
}
