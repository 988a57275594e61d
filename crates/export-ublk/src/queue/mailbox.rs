//! How other threads reach the thread of a queue: one bit per request that wants to be looked at, and one wake-up for
//! as many as there are.

use std::{
    io,
    os::fd::{AsRawFd, RawFd},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Wake, Waker},
};

use nix::sys::eventfd::{EfdFlags, EventFd};

const BITS: u16 = 32;

/// The mailbox of one queue.
///
/// Nothing here allocates, blocks or grows: a request is woken by setting its bit. The eventfd is written only if the
/// thread of the queue sleeps, so a burst of completions costs one system call.
#[derive(Debug)]
pub(crate) struct Mailbox {
    woken: Box<[AtomicU32]>,
    asleep: AtomicBool,
    detach: AtomicBool,
    event: EventFd,
}

impl Mailbox {
    /// The mailbox of a queue with `depth` requests.
    pub(crate) fn new(depth: u16) -> io::Result<Self> {
        let words = usize::from(depth.div_ceil(BITS));
        Ok(Self {
            woken: (0..words).map(|_| AtomicU32::new(0)).collect(),
            asleep: AtomicBool::new(false),
            detach: AtomicBool::new(false),
            event: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
        })
    }

    /// Asks the queue to finish what it has begun, begin nothing more, and end.
    pub(crate) fn detach(&self) {
        self.detach.store(true, Ordering::SeqCst);
        self.ring();
    }

    pub(super) fn is_detaching(&self) -> bool {
        self.detach.load(Ordering::SeqCst)
    }

    /// The file that becomes readable when a sleeping queue is wanted.
    pub(super) fn event(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    fn wake(&self, tag: u16) {
        self.woken[usize::from(tag / BITS)].fetch_or(1 << (tag % BITS), Ordering::SeqCst);
        self.ring();
    }

    fn ring(&self) {
        // Whoever finds it asleep wakes it; everybody else may rely on that one. The write fails only when the counter
        // is full, and then the file is readable anyway.
        if self.asleep.swap(false, Ordering::SeqCst) {
            let _ = self.event.write(1);
        }
    }

    /// Says that the queue is about to sleep; false if there is something to do first. `detaching` is what the queue
    /// last learned from [`is_detaching`](Self::is_detaching).
    pub(super) fn sleep(&self, detaching: bool) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        // Looked at after the flag was set: a waker either sees the flag, or its bit is seen here.
        let idle = self.is_detaching() == detaching && self.woken.iter().all(|word| word.load(Ordering::SeqCst) == 0);
        if !idle {
            self.asleep.store(false, Ordering::SeqCst);
        }
        idle
    }

    /// Says that the queue is awake.
    pub(super) fn awake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Takes all bits and calls `each` for every request among them.
    pub(super) fn take(&self, mut each: impl FnMut(u16)) {
        for (index, word) in self.woken.iter().enumerate() {
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut bits = word.swap(0, Ordering::SeqCst);
            while bits != 0 {
                let bit = bits.trailing_zeros() as u16;
                bits &= bits - 1;
                each(index as u16 * BITS + bit);
            }
        }
    }
}

struct Tag {
    mailbox: Arc<Mailbox>,
    tag: u16,
}

impl Wake for Tag {
    fn wake(self: Arc<Self>) {
        self.mailbox.wake(self.tag);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.mailbox.wake(self.tag);
    }
}

/// The waker of every request of a queue, made once.
pub(super) fn wakers(mailbox: &Arc<Mailbox>, depth: u16) -> Vec<Waker> {
    (0..depth)
        .map(|tag| {
            Waker::from(Arc::new(Tag {
                mailbox: mailbox.clone(),
                tag,
            }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn written(mailbox: &Mailbox) -> u64 {
        mailbox.event.read().unwrap_or(0)
    }

    fn taken(mailbox: &Mailbox) -> Vec<u16> {
        let mut tags = Vec::new();
        mailbox.take(|tag| tags.push(tag));
        tags
    }

    #[test]
    fn a_burst_costs_one_wake_up_and_none_while_awake() {
        let mailbox = Arc::new(Mailbox::new(100).unwrap());
        let wakers = wakers(&mailbox, 100);
        wakers[3].wake_by_ref();
        assert_eq!(written(&mailbox), 0);
        assert!(!mailbox.sleep(false), "something to do first");
        assert_eq!(taken(&mailbox), [3]);
        assert!(mailbox.sleep(false));
        for tag in [99, 0, 31, 32, 64, 0] {
            wakers[tag].wake_by_ref();
        }
        assert_eq!(written(&mailbox), 1);
        assert_eq!(taken(&mailbox), [0, 31, 32, 64, 99]);
        assert!(taken(&mailbox).is_empty());
    }

    #[test]
    fn a_detach_wakes_a_sleeper() {
        let mailbox = Mailbox::new(1).unwrap();
        assert!(mailbox.sleep(false));
        mailbox.detach();
        assert!(mailbox.is_detaching());
        assert_eq!(written(&mailbox), 1);
        assert!(!mailbox.sleep(false), "the detach was not seen yet");
        assert!(mailbox.sleep(true), "requests may still be waited for");
    }

    #[test]
    fn no_wake_up_is_lost_between_threads() {
        const DEPTH: u16 = 40;
        const ROUNDS: usize = 2000;
        let mailbox = Arc::new(Mailbox::new(DEPTH).unwrap());
        let wakers = wakers(&mailbox, DEPTH);
        let (sender, receiver) = std::sync::mpsc::sync_channel::<u16>(1);
        let waking = thread::spawn(move || {
            for tag in receiver {
                wakers[usize::from(tag)].wake_by_ref();
            }
        });
        for round in 0..ROUNDS {
            let tag = round as u16 % DEPTH;
            sender.send(tag).unwrap();
            let mut seen = Vec::new();
            while seen.is_empty() {
                if mailbox.sleep(false) {
                    let mut poll = libc::pollfd {
                        fd: mailbox.event(),
                        events: libc::POLLIN,
                        revents: 0,
                    };
                    // SAFETY: one valid pollfd.
                    let ready = unsafe { libc::poll(&mut poll, 1, 10_000) };
                    assert_eq!(ready, 1, "round {round}: the wake-up was lost");
                    written(&mailbox);
                    mailbox.awake();
                }
                seen = taken(&mailbox);
            }
            assert_eq!(seen, [tag]);
        }
        drop(sender);
        waking.join().unwrap();
    }
}
