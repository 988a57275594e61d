//! The state, published at a bounded rate while somebody watches and not at all while nobody does.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use web::{api::Live, appliance::Observe};

use super::{Control, live::Builder};
use crate::daemon::Handle;

/// How often counters are passed on.
const COUNTERS: Duration = Duration::from_secs(1);
/// How close changes may follow each other.
const APART: Duration = Duration::from_millis(150);

/// The state and who keeps it.
pub(super) struct State {
    builder: Mutex<Builder>,
    live: watch::Sender<Arc<Live>>,
    name: watch::Sender<Arc<str>>,
    /// Somebody watches.
    wake: Notify,
}

impl State {
    pub(super) fn new(mut builder: Builder) -> Arc<Self> {
        let live = builder.build();
        let name: Arc<str> = live.device.name.as_str().into();
        Arc::new(Self {
            builder: Mutex::new(builder),
            live: watch::Sender::new(Arc::new(live)),
            name: watch::Sender::new(name),
            wake: Notify::new(),
        })
    }

    /// Looks at everything now: whoever changed something is told only when others can see it.
    pub(super) fn refresh(&self) {
        let live = self.builder.lock().unwrap_or_else(PoisonError::into_inner).build();
        self.name.send_if_modified(|name| {
            let differs = **name != *live.device.name;
            if differs {
                *name = live.device.name.as_str().into();
            }
            differs
        });
        self.live.send_if_modified(|current| {
            let differs = **current != live;
            if differs {
                *current = Arc::new(live);
            }
            differs
        });
    }

    /// Keeps the state true while somebody watches, and the name always.
    pub(super) async fn keep(self: Arc<Self>, handle: Handle, stop: CancellationToken) {
        let (mut views, mut changed) = (handle.views(), handle.changed());
        loop {
            let watched = self.live.receiver_count() > 0;
            tokio::select! {
                () = stop.cancelled() => return,
                // The name may be another.
                view = views.changed() => if view.is_err() { return },
                () = self.wake.notified(), if !watched => {}
                _ = changed.changed(), if watched => {}
                () = tokio::time::sleep(COUNTERS), if watched => {}
            }
            let now = Instant::now();
            self.refresh();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(now + APART) => {}
            }
            changed.mark_unchanged();
            self.refresh_if_watched();
        }
    }

    /// What changed while changes were kept apart must not wait for the next one.
    fn refresh_if_watched(&self) {
        if self.live.receiver_count() > 0 {
            self.refresh();
        }
    }
}

impl Observe for Control {
    fn name(&self) -> watch::Receiver<Arc<str>> {
        self.state.name.subscribe()
    }

    fn live(&self) -> watch::Receiver<Arc<Live>> {
        self.state.refresh();
        let receiver = self.state.live.subscribe();
        self.state.wake.notify_one();
        receiver
    }
}
