//! The list of tasks.

use std::{
    collections::BTreeMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt as _;
use time::OffsetDateTime;
use tokio::{sync::broadcast, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Reporter, Work};
use crate::api::{Problem, ProblemCode, Progress, Task, TaskResult, TaskStarted, TaskState, Unit};

/// How many tasks may run at once: each may hold buffers and connections.
const RUNNING: usize = 16;
/// How many ended tasks are remembered.
const ENDED: usize = 50;
/// How often progress is passed on.
const PROGRESS: Duration = Duration::from_millis(250);
/// How many changes may wait for a listener before it has to look at the whole list.
const CHANGES: usize = 64;

/// A change of the list.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A task is new or changed.
    Task(Box<Task>),
    /// A task was forgotten.
    Gone(u64),
}

/// The list of tasks. Clones share it.
#[derive(Clone)]
pub(crate) struct Tasks {
    list: Arc<Mutex<List>>,
    changes: broadcast::Sender<Change>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

#[derive(Default)]
struct List {
    last: u64,
    entries: BTreeMap<u64, Entry>,
}

struct Entry {
    task: Task,
    cancel: CancellationToken,
    /// When progress was last passed on.
    told: Option<Instant>,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self {
            list: Arc::default(),
            changes: broadcast::channel(CHANGES).0,
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Starts a task.
    ///
    /// # Errors
    /// [`TooMany`](ProblemCode::TooMany) if sixteen are running.
    pub(crate) fn start<F>(&self, work: Work, begin: impl FnOnce(Reporter) -> F) -> Result<TaskStarted, Problem>
    where
        F: Future<Output = Result<TaskResult, Problem>> + Send + 'static,
    {
        let (id, cancel) = self.enter(work)?;
        let tasks = self.clone();
        let reporter: Reporter = Arc::new(move |done, total, unit| tasks.progress(id, done, total, unit));
        // A panic may come as early as in the call that makes the future.
        let begun = std::panic::catch_unwind(AssertUnwindSafe(|| begin(reporter)));
        let tasks = self.clone();
        self.tracker.spawn(async move {
            let state = match begun {
                Ok(future) => run(future, &cancel).await,
                Err(_) => panicked(),
            };
            tasks.end(id, state);
        });
        Ok(TaskStarted { task: id })
    }

    fn enter(&self, work: Work) -> Result<(u64, CancellationToken), Problem> {
        let mut list = self.lock();
        let running = list.entries.values().filter(|entry| entry.is_running()).count();
        if running >= RUNNING {
            let mut problem = Problem::new(ProblemCode::TooMany, format!("{running} tasks are running"))
                .remedy("wait for one to end, or cancel one");
            problem.retry_after = Some(5);
            return Err(problem);
        }
        list.last += 1;
        let id = list.last;
        let task = Task {
            id,
            kind: work.kind,
            object: work.object,
            started: OffsetDateTime::now_utc(),
            ended: None,
            progress: None,
            can_cancel: work.can_cancel,
            state: TaskState::Running,
        };
        let cancel = if work.can_cancel {
            self.stop.child_token()
        } else {
            CancellationToken::new()
        };
        self.tell(Change::Task(Box::new(task.clone())));
        let entry = Entry {
            task,
            cancel: cancel.clone(),
            told: None,
        };
        list.entries.insert(id, entry);
        Ok((id, cancel))
    }

    fn progress(&self, id: u64, done: u64, total: u64, unit: Unit) {
        let mut list = self.lock();
        let Some(entry) = list.entries.get_mut(&id).filter(|entry| entry.is_running()) else {
            return;
        };
        entry.task.progress = Some(Progress { done, total, unit });
        let now = Instant::now();
        if entry.told.is_some_and(|told| now.duration_since(told) < PROGRESS) && done < total {
            return;
        }
        entry.told = Some(now);
        self.tell(Change::Task(Box::new(entry.task.clone())));
    }

    fn end(&self, id: u64, state: TaskState) {
        let mut list = self.lock();
        if let Some(entry) = list.entries.get_mut(&id) {
            entry.task.state = state;
            entry.task.ended = Some(OffsetDateTime::now_utc());
            entry.task.can_cancel = false;
            self.tell(Change::Task(Box::new(entry.task.clone())));
        }
        let ended = list.entries.iter().filter(|(_, entry)| !entry.is_running());
        let ended: Vec<u64> = ended.map(|(id, _)| *id).collect();
        let surplus = ended.len().saturating_sub(ENDED);
        for id in &ended[..surplus] {
            list.entries.remove(id);
            self.tell(Change::Gone(*id));
        }
    }

    /// All tasks, the youngest first.
    pub(crate) fn list(&self) -> Vec<Task> {
        self.lock()
            .entries
            .values()
            .rev()
            .map(|entry| entry.task.clone())
            .collect()
    }

    /// One task.
    pub(crate) fn get(&self, id: u64) -> Option<Task> {
        self.lock().entries.get(&id).map(|entry| entry.task.clone())
    }

    /// Tells a task to end early.
    pub(crate) fn cancel(&self, id: u64) -> Result<(), Problem> {
        let list = self.lock();
        let entry = list.entries.get(&id).ok_or_else(|| not_found(id))?;
        if !entry.is_running() {
            return Err(Problem::new(ProblemCode::Conflict, format!("task {id} has ended")));
        }
        if !entry.task.can_cancel {
            let problem = Problem::new(ProblemCode::Conflict, format!("task {id} cannot be cancelled"));
            return Err(problem.remedy("wait until it ends"));
        }
        entry.cancel.cancel();
        Ok(())
    }

    /// Forgets an ended task.
    pub(crate) fn dismiss(&self, id: u64) -> Result<(), Problem> {
        let mut list = self.lock();
        let entry = list.entries.get(&id).ok_or_else(|| not_found(id))?;
        if entry.is_running() {
            let problem = Problem::new(ProblemCode::Conflict, format!("task {id} is running"));
            return Err(problem.remedy("cancel it, or wait until it ends"));
        }
        list.entries.remove(&id);
        self.tell(Change::Gone(id));
        Ok(())
    }

    /// Cancels what is running and waits for its end.
    ///
    /// # Errors
    /// [`Conflict`](ProblemCode::Conflict) if something cannot be cancelled; nothing was cancelled then.
    pub(crate) async fn end_all(&self) -> Result<(), Problem> {
        let mut changes = self.changes();
        let cancelled: Vec<u64> = {
            let list = self.lock();
            let running = || list.entries.iter().filter(|(_, entry)| entry.is_running());
            if let Some((id, _)) = running().find(|(_, entry)| !entry.task.can_cancel) {
                let problem = Problem::new(ProblemCode::Conflict, format!("task {id} is running"));
                return Err(problem.remedy("wait until it ends: it cannot be cancelled"));
            }
            running().for_each(|(_, entry)| entry.cancel.cancel());
            running().map(|(id, _)| *id).collect()
        };
        let is_running = |id: &u64| self.lock().entries.get(id).is_some_and(Entry::is_running);
        while cancelled.iter().any(is_running) {
            // Whatever it is: the list has it, too.
            let _ = changes.recv().await;
        }
        Ok(())
    }

    /// Forgets all tasks, for a new owner. What can be cancelled is; nobody will see what comes of the rest.
    pub(crate) fn forget_all(&self) {
        for (id, entry) in std::mem::take(&mut self.lock().entries) {
            if entry.task.can_cancel {
                entry.cancel.cancel();
            }
            self.tell(Change::Gone(id));
        }
    }

    /// What changes from now on.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Cancels what can be cancelled, and waits for all tasks to end.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn tell(&self, change: Change) {
        // Nobody listens: nobody needs to know.
        let _ = self.changes.send(change);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, List> {
        // Nothing that holds this lock panics halfway through a change.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_running(&self) -> bool {
        matches!(self.task.state, TaskState::Running)
    }
}

async fn run(future: impl Future<Output = Result<TaskResult, Problem>>, cancel: &CancellationToken) -> TaskState {
    let mut future = Box::pin(AssertUnwindSafe(future).catch_unwind());
    tokio::select! {
        // A task that is done when it is cancelled is done.
        biased;
        ended = &mut future => match ended {
            Ok(Ok(result)) => TaskState::Succeeded { result },
            Ok(Err(problem)) => TaskState::Failed { problem },
            Err(_) => panicked(),
        },
        () = cancel.cancelled() => TaskState::Cancelled,
    }
}

fn panicked() -> TaskState {
    let problem = Problem::new(ProblemCode::Internal, "the task met a fault of the device's own")
        .remedy("look at the log; if it happens again, restart the device");
    TaskState::Failed { problem }
}

fn not_found(id: u64) -> Problem {
    Problem::new(ProblemCode::NotFound, format!("there is no task {id}"))
}
