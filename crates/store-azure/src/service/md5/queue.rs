//! The payloads that wait for their sums, and the threads that see to them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{available_parallelism, yield_now},
};

use block::Payload;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::spawn_blocking,
};

use super::{
    digest,
    message::{Digest, Message},
    together::{self, Width},
};

/// Sums payloads in threads of the runtime's, several in each at a time.
///
/// A thread takes all that wait, as many as it has lanes, and takes in who comes later between two steps. So nobody ever waits for
/// others to come, and who comes alone is summed alone. There is one thread while its lanes suffice, and never more than
/// CPUs.
#[derive(Debug)]
pub(super) struct Queue {
    lanes: usize,
    most_threads: usize,
    /// For as many as the threads have lanes, and as many again that wait.
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Job>,
    threads: usize,
}

/// A payload to sum. Holds its place until the sum is sent, or nobody wants it any more.
#[derive(Debug)]
struct Job {
    message: Message,
    done: oneshot::Sender<Digest>,
    _place: OwnedSemaphorePermit,
}

impl AsMut<Message> for Job {
    fn as_mut(&mut self) -> &mut Message {
        &mut self.message
    }
}

impl Queue {
    /// A queue whose threads have so many lanes.
    pub(super) fn new(lanes: usize) -> Arc<Self> {
        let most_threads = available_parallelism().map_or(1, usize::from);
        Arc::new(Self {
            lanes,
            most_threads,
            places: Arc::new(Semaphore::new(most_threads * lanes * 2)),
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                threads: 0,
            }),
        })
    }

    /// The MD5 of a payload. Must be called within a Tokio runtime.
    pub(super) async fn digest(self: &Arc<Self>, data: &Payload) -> Digest {
        let Ok(place) = self.places.clone().acquire_owned().await else {
            return digest(data);
        };
        let (done, sum) = oneshot::channel();
        let job = Job {
            message: Message::new(data.clone()),
            done,
            _place: place,
        };
        if let Some(thread) = self.add(job) {
            spawn_blocking(|| thread.run());
        }
        match sum.await {
            Ok(sum) => sum,
            // The thread ended before its time, which happens only when a runtime ends.
            Err(_) => digest(data),
        }
    }

    /// Adds a job, and says who is to see to it if that is nobody yet.
    fn add(self: &Arc<Self>, job: Job) -> Option<Thread> {
        let mut state = self.state();
        state.waiting.push_back(job);
        let wanted = state.threads == 0 || state.waiting.len() >= self.lanes;
        if !wanted || state.threads == self.most_threads {
            return None;
        }
        state.threads += 1;
        Some(Thread {
            queue: self.clone(),
            counted: true,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the threads that are counted.
#[derive(Debug)]
struct Thread {
    queue: Arc<Queue>,
    counted: bool,
}

impl Thread {
    /// Sums until there is nothing left to sum.
    fn run(mut self) {
        let lanes = self.queue.lanes;
        let mut jobs = Vec::with_capacity(lanes);
        while self.fill(&mut jobs) {
            let width = Width::of(jobs.len());
            together::advance(&mut jobs, width);
            for at in (0..jobs.len()).rev() {
                if jobs[at].message.is_done() {
                    let job = jobs.swap_remove(at);
                    // Nobody may want it any more.
                    let _ = job.done.send(job.message.digest());
                }
            }
            if jobs.len() < lanes {
                // On a busy processor, whoever would bring the next payload may be waiting for this thread to end.
                yield_now();
            }
        }
    }

    /// Drops what nobody waits for and takes what waits into free lanes; whether there is anything to do. If not, this thread
    /// does not count any more: whoever comes next starts another.
    fn fill(&mut self, jobs: &mut Vec<Job>) -> bool {
        jobs.retain(|job| !job.done.is_closed());
        let mut state = self.queue.state();
        while jobs.len() < self.queue.lanes
            && let Some(job) = state.waiting.pop_front()
        {
            if !job.done.is_closed() {
                jobs.push(job);
            }
        }
        if jobs.is_empty() {
            state.threads -= 1;
            self.counted = false;
        }
        self.counted
    }
}

impl Drop for Thread {
    /// If it never ran, because its runtime ended first, nobody must wait for it.
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        let mut state = self.queue.state();
        state.threads -= 1;
        if state.threads == 0 {
            let left = std::mem::take(&mut state.waiting);
            drop(state);
            // They are told, and sum for themselves.
            drop(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{
        FutureExt,
        future::{join_all, maybe_done},
        poll,
    };
    use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};

    use super::*;

    fn random(seed: u64, len: usize) -> Payload {
        let mut data = vec![0; len];
        StdRng::seed_from_u64(seed).fill_bytes(&mut data);
        data.into()
    }

    fn free(queue: &Queue) -> bool {
        queue.places.available_permits() == queue.most_threads * queue.lanes * 2
    }

    async fn until(condition: impl Fn() -> bool) {
        while !condition() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_at_once_get_their_own_sums() {
        for lanes in [1, 4, 8] {
            let queue = Queue::new(lanes);
            let mut numbers = StdRng::seed_from_u64(3);
            let tasks: Vec<_> = (0..60)
                .map(|seed| {
                    let data = random(seed, numbers.random_range(0..20_000));
                    let queue = queue.clone();
                    tokio::spawn(async move { (queue.digest(&data).await, digest(&data)) })
                })
                .collect();
            for task in join_all(tasks).await {
                let (found, expected) = task.expect("a sum");
                assert_eq!(found, expected);
            }
            until(|| free(&queue) && queue.state().threads == 0).await;
        }
    }

    #[tokio::test]
    async fn sums_that_nobody_waits_for_give_their_places_back() {
        let queue = Queue::new(8);
        let long = random(1, 1 << 20);
        for _ in 0..queue.most_threads * 50 {
            let _ = poll!(Box::pin(queue.digest(&long)));
        }
        assert_eq!(queue.digest(&long).await, digest(&long));
        until(|| free(&queue) && queue.state().threads == 0).await;
        assert!(queue.state().waiting.is_empty());
    }

    #[tokio::test]
    async fn threads_and_places_are_bounded() {
        let queue = Queue::new(2);
        let data = random(1, 64 << 10);
        let mut sums: Vec<_> = (0..queue.most_threads * 20)
            .map(|_| Box::pin(maybe_done(queue.digest(&data))))
            .collect();
        for sum in &mut sums {
            // A sum may be there at once: the threads run meanwhile.
            let _ = poll!(sum);
            let state = queue.state();
            assert!(state.threads <= queue.most_threads && state.waiting.len() <= queue.most_threads * queue.lanes * 2);
        }
        let expected = digest(&data);
        for sum in &mut sums {
            sum.as_mut().await;
            assert_eq!(sum.as_mut().take_output(), Some(expected));
        }
    }

    #[test]
    fn a_runtime_that_ends_leaves_nobody_waiting() {
        let queue = Queue::new(8);
        let data = random(1, 100_000);
        let other = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let own = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let handle = other.handle().clone();
        drop(other);
        {
            // No runtime will ever run this thread.
            let _context = handle.enter();
            assert_eq!(queue.digest(&data).now_or_never(), Some(digest(&data)));
        }
        assert_eq!(own.block_on(queue.digest(&data)), digest(&data));
    }
}
