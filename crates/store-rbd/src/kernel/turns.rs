//! One at a time: whoever maps or unmaps an image has it alone in this process.

use std::{
    collections::HashSet,
    sync::{Condvar, Mutex, PoisonError},
};

static BUSY: Mutex<Option<HashSet<String>>> = Mutex::new(None);
static DONE: Condvar = Condvar::new();

/// The right to map or unmap one target, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(String);

impl Turn {
    /// Waits until nobody else in this process maps or unmaps `target`. Blocks.
    pub(super) fn take(target: &str) -> Self {
        // One call on the set at a time: a panic leaves nothing half done.
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        while !busy.get_or_insert_default().insert(target.to_owned()) {
            busy = DONE.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        Self(target.to_owned())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(busy) = busy.as_mut() {
            busy.remove(&self.0);
        }
        drop(busy);
        DONE.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn turns_on_one_target_follow_each_other() {
        let first = Turn::take("turns/a");
        let _other = Turn::take("turns/b");
        let (sender, receiver) = mpsc::channel();
        let waiting = thread::spawn(move || {
            let _second = Turn::take("turns/a");
            sender.send(()).unwrap();
        });
        assert!(receiver.try_recv().is_err());
        drop(first);
        receiver.recv().unwrap();
        waiting.join().unwrap();
    }
}
