//! A device that lives in memory. Its images are real ones, in a folder.

mod images;
mod live;
mod operations;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use store_file::FileStore;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, broadcast, watch};
use web::{
    api::*,
    appliance::{LogFollower, Logs, Observe, Result},
};

/// The device.
pub(crate) struct Fake {
    images: FileStore,
    live: watch::Sender<Arc<Live>>,
    name: watch::Sender<Arc<str>>,
    log: Mutex<Vec<Arc<LogLine>>>,
    follow: broadcast::Sender<Arc<LogLine>>,
    /// How often each store's settings were put in force.
    pub(crate) applied: AtomicUsize,
    /// How many probes have begun, and how many of them were dropped before their end.
    pub(crate) probes: AtomicUsize,
    pub(crate) dropped: AtomicUsize,
    /// What was told to wait takes a permit before it is done; how many do.
    pub(crate) gate: Semaphore,
    pub(crate) waiting: AtomicUsize,
    /// Changes something when the state is looked at once more than so often.
    pub(crate) surprise: Mutex<Option<usize>>,
    /// Everything secret that arrived.
    pub(crate) secrets: Mutex<Vec<String>>,
}

impl Fake {
    pub(crate) fn new(folder: PathBuf) -> Arc<Self> {
        std::fs::create_dir_all(&folder).unwrap();
        Arc::new(Self {
            images: FileStore::new(folder),
            live: watch::Sender::new(Arc::new(live::first())),
            name: watch::Sender::new("my-stick".into()),
            log: Mutex::default(),
            follow: broadcast::channel(64).0,
            applied: AtomicUsize::new(0),
            probes: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
            surprise: Mutex::default(),
            secrets: Mutex::default(),
        })
    }

    /// How many watch the state.
    pub(crate) fn watchers(&self) -> usize {
        self.live.receiver_count()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Live)) {
        self.live.send_modify(|live| change(Arc::make_mut(live)));
    }

    pub(crate) fn write_log(&self, text: &str) {
        let mut log = self.log.lock().unwrap();
        let line = Arc::new(LogLine {
            number: log.len() as u64,
            time: OffsetDateTime::now_utc(),
            level: LogLevel::Info,
            target: "test".to_owned(),
            text: text.to_owned(),
        });
        log.push(line.clone());
        let _ = self.follow.send(line);
    }

    fn apply(&self) -> Applied {
        self.applied.fetch_add(1, Ordering::SeqCst);
        self.change(|live| live.configuration += 1);
        Applied {
            version: self.live.borrow().configuration,
            replugged: false,
            warnings: Vec::new(),
        }
    }

    /// Applies once the test lets it.
    async fn apply_later(&self) -> Applied {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        self.apply()
    }

    fn keep(&self, secret: Option<&Secret>) {
        self.secrets
            .lock()
            .unwrap()
            .extend(secret.map(|secret| secret.expose().to_owned()));
    }

    fn keep_values(&self, settings: &StoreSettings) {
        for value in settings.values.values() {
            if let FormValue::Text(text) = value {
                self.keep(Some(text));
            }
        }
    }

    fn only(&self, store: &str) -> Result<()> {
        if store == "card" {
            return Ok(());
        }
        Err(Problem::new(ProblemCode::NotFound, format!("there is no store \"{store}\"")).about(store))
    }

    fn disk(&self, name: &str) -> Result<usize> {
        let live = self.live.borrow();
        let found = live.disks.iter().position(|disk| disk.name == name);
        found.ok_or_else(|| Problem::new(ProblemCode::NotFound, format!("there is no disk \"{name}\"")))
    }
}

impl Observe for Fake {
    fn name(&self) -> watch::Receiver<Arc<str>> {
        self.name.subscribe()
    }

    fn live(&self) -> watch::Receiver<Arc<Live>> {
        let mut surprise = self.surprise.lock().unwrap();
        match *surprise {
            Some(0) => {
                *surprise = None;
                self.change(|live| live.disks[0].read_only = true);
            }
            Some(looks) => *surprise = Some(looks - 1),
            None => {}
        }
        self.live.subscribe()
    }
}

impl Logs for Fake {
    fn recent(&self, from: u64) -> Vec<Arc<LogLine>> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| line.number >= from).cloned().collect()
    }

    fn follow(&self) -> LogFollower {
        self.follow.subscribe()
    }
}
