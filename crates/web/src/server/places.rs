//! How many may be connected.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use super::Limits;
use crate::access::Peer;

/// Places for connections.
pub(super) struct Places {
    limits: Limits,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    refusals: usize,
    of: HashMap<Option<IpAddr>, usize>,
}

/// A place, free again when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    kind: Kind,
}

enum Kind {
    Served(Option<IpAddr>),
    Refused,
}

impl Places {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            taken: Mutex::default(),
        })
    }

    /// A place for a connection, or one to refuse it; nothing if both are taken.
    pub(super) fn take(self: &Arc<Self>, peer: Peer) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let group = peer.group();
        let own = taken.of.get(&group).copied().unwrap_or_default();
        let kind = if taken.all < self.limits.connections && own < self.limits.connections_of_one {
            taken.all += 1;
            taken.of.insert(group, own + 1);
            Kind::Served(group)
        } else if taken.refusals < self.limits.refusals {
            taken.refusals += 1;
            Kind::Refused
        } else {
            return None;
        };
        Some(Place {
            places: self.clone(),
            kind,
        })
    }
}

impl Place {
    /// Whether it is one to refuse the connection.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.kind, Kind::Refused)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match self.kind {
            Kind::Refused => taken.refusals -= 1,
            Kind::Served(group) => {
                taken.all -= 1;
                if let Some(own) = taken.of.get_mut(&group) {
                    *own -= 1;
                    if *own == 0 {
                        taken.of.remove(&group);
                    }
                }
            }
        }
    }
}
