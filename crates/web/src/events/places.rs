//! How many may listen.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    access::Identity,
    api::{Problem, ProblemCode},
};

/// How many streams there may be in all, and of one session or token. A browser with several tabs has several.
const ALL: usize = 24;
const OF_ONE: usize = 8;

/// The places, taken and free.
#[derive(Default)]
pub(super) struct Places(Mutex<HashMap<Identity, usize>>);

/// A place, free again when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    identity: Identity,
}

impl Places {
    /// Takes a place.
    pub(super) fn take(self: &Arc<Self>, identity: Identity) -> Result<Place, Problem> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |detail: &str| {
            let remedy = "close other pages of this device, then try again";
            Problem::new(ProblemCode::TooMany, detail)
                .remedy(remedy)
                .retry_after(10)
        };
        if taken.values().sum::<usize>() >= ALL {
            return Err(full("too many listen already"));
        }
        let own = taken.entry(identity).or_default();
        if *own >= OF_ONE {
            return Err(full("this session listens too many times already"));
        }
        *own += 1;
        Ok(Place {
            places: self.clone(),
            identity,
        })
    }

    /// Whether nobody listens.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.identity) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.identity);
            }
        }
    }
}
