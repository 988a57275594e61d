//! The last lines of the log, in memory, for the page.
//!
//! Nothing that is logged should hold a secret. This copy goes further than the others: it is shown in a browser and sent to
//! people who help. So whatever is known to be a secret is struck out here once more.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use time::OffsetDateTime;
use tokio::sync::broadcast;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};
use web::api::{LogLevel, LogLine};
use zeroize::Zeroizing;

/// How many lines are kept.
const LINES: usize = 1000;
/// How many bytes of text they may have in all.
const BYTES: usize = 256 << 10;
/// The longest line that is kept whole, in bytes.
const LONGEST: usize = 4 << 10;
/// How many lines a follower may be behind.
const BEHIND: usize = 256;
/// Texts shorter than this are not struck out: they would be found everywhere.
const SHORTEST_SECRET: usize = 6;

/// The last lines of the log. Clones are the same.
#[derive(Clone)]
pub(crate) struct Recent(Arc<Inner>);

struct Inner {
    lines: Mutex<Lines>,
    secrets: Mutex<Vec<Zeroizing<String>>>,
    follow: broadcast::Sender<Arc<LogLine>>,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<Arc<LogLine>>,
    bytes: usize,
    next: u64,
}

impl Default for Recent {
    fn default() -> Self {
        Self(Arc::new(Inner {
            lines: Mutex::default(),
            secrets: Mutex::default(),
            follow: broadcast::channel(BEHIND).0,
        }))
    }
}

impl Recent {
    /// The lines from number `from` on, oldest first.
    pub(crate) fn from(&self, from: u64) -> Vec<Arc<LogLine>> {
        let lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.kept.iter().filter(|line| line.number >= from).cloned().collect()
    }

    /// What is written from now on.
    pub(crate) fn follow(&self) -> broadcast::Receiver<Arc<LogLine>> {
        self.0.follow.subscribe()
    }

    /// What is to be struck out from now on, beside what was before: a secret that was replaced may still be in use
    /// somewhere else.
    pub(crate) fn hide(&self, secrets: impl IntoIterator<Item = Zeroizing<String>>) {
        let mut known = self.0.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets {
            if secret.len() >= SHORTEST_SECRET && !known.contains(&secret) {
                known.push(secret);
            }
        }
        // Longer ones first: a part of one may be another.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    fn add(&self, level: LogLevel, target: &str, text: String) {
        let text = self.strike_out(text);
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = Arc::new(LogLine {
            number: lines.next,
            time: OffsetDateTime::now_utc(),
            level,
            target: target.to_owned(),
            text,
        });
        lines.next += 1;
        lines.bytes += line.text.len();
        lines.kept.push_back(line.clone());
        while lines.kept.len() > LINES || lines.bytes > BYTES {
            let Some(oldest) = lines.kept.pop_front() else { break };
            lines.bytes -= oldest.text.len();
        }
        // In the order of their numbers, hence under the lock; nobody may be listening.
        let _ = self.0.follow.send(line);
    }

    fn strike_out(&self, mut text: String) -> String {
        let secrets = self.0.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets.iter() {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "…");
            }
        }
        text
    }
}

impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            Level::DEBUG => LogLevel::Debug,
            Level::TRACE => LogLevel::Trace,
        };
        let mut text = Text::default();
        event.record(&mut text);
        let mut line = text.message + &text.fields;
        if line.len() > LONGEST {
            line.truncate(line.floor_char_boundary(LONGEST));
            line.push('…');
        }
        self.add(level, metadata.target(), line);
    }
}

/// A line as people read it: the message, then what belongs to it.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_lines_are_kept() {
        let recent = Recent::default();
        for number in 0..LINES + 5 {
            recent.add(LogLevel::Info, "test", format!("line {number}"));
        }
        let kept = recent.from(0);
        assert_eq!((kept.len(), kept[0].number), (LINES, 5));
        assert_eq!(recent.from(LINES as u64).len(), 5);
        recent.add(LogLevel::Info, "test", "x".repeat(BYTES));
        assert_eq!(recent.from(0).len(), 1, "one line that is as long as all may be");
    }

    #[test]
    fn followers_get_every_line_in_order() {
        let recent = Recent::default();
        let mut follower = recent.follow();
        for number in 0..10 {
            recent.add(LogLevel::Warn, "test", number.to_string());
        }
        for number in 0..10 {
            assert_eq!(follower.try_recv().unwrap().number, number);
        }
    }

    #[test]
    fn secrets_are_struck_out() {
        let recent = Recent::default();
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        recent.hide([secret("planted"), secret("planted-and-longer"), secret("abc")]);
        recent.add(
            LogLevel::Info,
            "test",
            "key=planted-and-longer, planted, abc".to_owned(),
        );
        assert_eq!(recent.from(0)[0].text, "key=…, …, abc");
    }

    #[test]
    fn lines_have_message_and_fields() {
        use tracing_subscriber::layer::SubscriberExt as _;
        let recent = Recent::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(recent.clone()), || {
            tracing::warn!(disk = "films", size = 7, "is {}", "slow");
        });
        let line = &recent.from(0)[0];
        assert_eq!(
            (line.text.as_str(), line.level),
            ("is slow disk=films size=7", LogLevel::Warn)
        );
    }
}
