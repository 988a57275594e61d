//! What is new in a state.

use crate::{
    api::{Event, Live, State},
    tasks::Tasks,
};

/// The events that lead from one state to the next.
pub(super) fn between(before: &Live, after: &Live) -> Vec<Event> {
    let mut events = Vec::new();
    if before.configuration != after.configuration {
        events.push(Event::Configuration {
            version: after.configuration,
        });
    }
    if before.device != after.device {
        events.push(Event::Device(after.device.clone()));
    }
    if before.usb != after.usb {
        events.push(Event::Usb(after.usb.clone()));
    }
    if before.disks != after.disks {
        events.push(Event::Disks(after.disks.clone()));
    }
    if before.stores != after.stores {
        events.push(Event::Stores(after.stores.clone()));
    }
    if before.network != after.network {
        events.push(Event::Network(after.network.clone()));
    }
    events
}

/// Everything, as it goes over the wire.
pub(crate) fn state(live: &Live, tasks: &Tasks) -> State {
    State {
        live: live.clone(),
        tasks: tasks.list(),
    }
}
