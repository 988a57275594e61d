//! The captured output of a process.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use tokio::sync::watch;

/// Lines that are kept; older ones are dropped.
const KEEP: usize = 20_000;

/// Lines of both output streams in the order in which they came.
#[derive(Debug)]
pub(super) struct Log {
    lines: Mutex<Lines>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    dropped: usize,
    open_streams: usize,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            lines: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Log {
    /// Reads a stream to its end in a thread of its own.
    pub(super) fn capture(self: &Arc<Self>, stream: Option<impl Read + Send + 'static>) {
        let Some(stream) = stream else { return };
        self.lock().open_streams += 1;
        let log = Arc::clone(self);
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(n) if n > 0) {
                let text = String::from_utf8_lossy(&line);
                log.push(text.trim_end_matches(['\n', '\r']).to_owned());
                line.clear();
            }
            log.lock().open_streams -= 1;
            log.notify();
        });
    }

    fn push(&self, line: String) {
        let mut lines = self.lock();
        if lines.kept.len() == KEEP {
            lines.kept.pop_front();
            lines.dropped += 1;
        }
        lines.kept.push_back(line);
        drop(lines);
        self.notify();
    }

    fn notify(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Tells of every new line, and of the end.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether the process, and all that inherited its output, have closed it.
    pub(super) fn is_complete(&self) -> bool {
        self.lock().open_streams == 0
    }

    /// The first line from number `next` on that is wanted; moves `next` past all that were looked at.
    pub(super) fn find(&self, next: &mut usize, wanted: &mut impl FnMut(&str) -> bool) -> Option<String> {
        let lines = self.lock();
        let skip = next.saturating_sub(lines.dropped);
        *next = lines.dropped + lines.kept.len();
        lines.kept.iter().skip(skip).find(|line| wanted(line)).cloned()
    }

    pub(super) fn text(&self) -> String {
        self.tail(usize::MAX)
    }

    /// The last `count` lines.
    pub(super) fn tail(&self, count: usize) -> String {
        let lines = self.lock();
        let skip = lines.kept.len().saturating_sub(count);
        lines
            .kept
            .iter()
            .skip(skip)
            .flat_map(|line| [line.as_str(), "\n"])
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
