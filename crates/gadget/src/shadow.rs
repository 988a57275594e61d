//! What we put into each LUN, so that an emptied one can be told apart: by us, or by the host.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The media as we left them. Shared by the owner thread, which changes them, and the watcher.
#[derive(Debug)]
pub(crate) struct Shadow {
    luns: Mutex<Vec<Slot>>,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    medium: Option<PathBuf>,
    /// Counts changes; odd while one is under way.
    generation: u64,
}

impl Shadow {
    pub(crate) fn new(luns: usize) -> Self {
        Self {
            luns: Mutex::new(vec![Slot::default(); luns]),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        // Slots are valid after every statement, so a panic elsewhere does no harm.
        self.luns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What we put there and believe to be there still.
    pub(crate) fn medium(&self, lun: usize) -> Option<PathBuf> {
        self.lock().get(lun).and_then(|slot| slot.medium.clone())
    }

    /// Who else has a medium: LUNs that hold `path`, without `except`.
    pub(crate) fn holder(&self, path: &std::path::Path, except: usize) -> Option<usize> {
        let luns = self.lock();
        luns.iter()
            .enumerate()
            .position(|(index, slot)| index != except && slot.medium.as_deref() == Some(path))
    }

    /// A change of ours begins: until [`end`](Self::end) nothing seen means anything.
    pub(crate) fn begin(&self, lun: usize) {
        if let Some(slot) = self.lock().get_mut(lun) {
            slot.generation += 1;
        }
    }

    /// A change of ours is over, whether it worked or not.
    pub(crate) fn end(&self, lun: usize, medium: Option<PathBuf>) {
        if let Some(slot) = self.lock().get_mut(lun) {
            slot.medium = medium;
            slot.generation += 1;
        }
    }

    /// What to compare a look at the LUN with: taken before the look; `None` if there is nothing to look for.
    pub(crate) fn before(&self, lun: usize) -> Option<u64> {
        self.lock()
            .get(lun)
            .filter(|slot| slot.medium.is_some() && slot.generation % 2 == 0)
            .map(|slot| slot.generation)
    }

    /// The LUN was seen empty: true (once) if it was the host who emptied it.
    pub(crate) fn seen_empty(&self, lun: usize, before: u64) -> bool {
        match self.lock().get_mut(lun) {
            Some(slot) if slot.generation == before => slot.medium.take().is_some(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_eject_is_told_once() {
        let shadow = Shadow::new(1);
        shadow.begin(0);
        shadow.end(0, Some("/disk".into()));
        let before = shadow.before(0).unwrap();
        assert!(shadow.seen_empty(0, before));
        assert!(!shadow.seen_empty(0, before));
        assert_eq!(shadow.before(0), None);
        assert_eq!(shadow.medium(0), None);
    }

    #[test]
    fn our_own_change_is_not_the_hosts() {
        let shadow = Shadow::new(2);
        shadow.begin(0);
        assert_eq!(shadow.before(0), None);
        shadow.end(0, Some("/disk".into()));
        let before = shadow.before(0).unwrap();
        shadow.begin(0);
        assert!(!shadow.seen_empty(0, before), "while it is under way");
        shadow.end(0, Some("/other".into()));
        assert!(!shadow.seen_empty(0, before), "a look from before the change");
        assert_eq!(shadow.holder("/other".as_ref(), 1), Some(0));
        assert_eq!(shadow.holder("/other".as_ref(), 0), None);
    }
}
