//! Who may do what.
//!
//! A device without an owner accepts nothing but its claim: the code, or the press of its button. From then on there is one
//! owner with a password, whose browsers have sessions and whose scripts have tokens. The command line on the machine itself
//! may do everything: who can open its socket is root. All that is kept is in one file; a damaged one locks the device.

mod attempts;
mod browser;
mod caller;
mod claim;
mod clock;
mod code;
mod guard;
mod password;
mod peer;
mod random;
mod record;
mod session;
mod sessions;
mod sign_in;
mod token;
mod tokens;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use axum::http::HeaderMap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use attempts::Patience;
pub(crate) use browser::Visitor;
pub(crate) use caller::{Caller, Identity, Local, Owner};
pub(crate) use clock::earliest;
pub use clock::{Clock, SystemClock};
pub(crate) use guard::{authorise, identify, still_permit};
pub use password::Costs;
pub(crate) use peer::Peer;
pub(crate) use record::write_aside;
pub use session::Lifetime;
pub(crate) use session::SessionCookie;

use crate::api::{Problem, ProblemCode};
use attempts::{Gate, Peers};
use random::Hash;
use record::Record;

/// What is kept, in its folder.
const FILE: &str = "access.json";

/// How access is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Costs of hashing a password.
    pub costs: Costs,
    /// How long sessions last.
    pub lifetime: Lifetime,
    /// Wrong claim codes, of anybody.
    pub claim: Patience,
    /// Wrong passwords of one peer.
    pub password: Patience,
    /// Wrong passwords of all peers together. The longest wait is short: it slows down guessing with many addresses, and
    /// must not lock out the owner.
    pub password_of_all: Patience,
    /// How long after a press of the button the device can be claimed without its code.
    pub button: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            costs: Costs::default(),
            lifetime: Lifetime {
                idle: 14 * day,
                longest: 90 * day,
            },
            claim: Patience {
                free: 5,
                first: Duration::from_secs(60),
                longest: Duration::from_secs(3600),
            },
            password: Patience {
                free: 5,
                first: Duration::from_secs(15),
                longest: Duration::from_secs(900),
            },
            password_of_all: Patience {
                free: 20,
                first: Duration::from_secs(1),
                longest: Duration::from_secs(30),
            },
            button: Duration::from_secs(300),
        }
    }
}

/// Whether the device has an owner, or is locked, as the file in a folder has it: for who cannot wait until the page is open.
#[must_use]
pub fn is_claimed(folder: &Path) -> bool {
    match Record::load(&folder.join(FILE)) {
        Ok(record) => record.is_some_and(|record| record.claim_code.is_none()),
        Err(_) => true,
    }
}

/// Access cannot be had at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be used.
    #[error("{}: {source}; the folder must exist and be writable by the daemon", path.display())]
    File {
        /// The file in it.
        path: PathBuf,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// There are no random numbers.
    #[error(transparent)]
    NoRandom(#[from] random::NoRandom),
}

/// Who may do what.
pub struct Access {
    path: PathBuf,
    settings: Settings,
    clock: Arc<dyn Clock>,
    record: RwLock<Record>,
    /// Held while the file is written, so that changes do not overtake each other. Only on threads that may block.
    writer: Mutex<()>,
    waits: Mutex<Waits>,
    turns: password::Turns,
    /// Whether the device has an owner.
    claimed: watch::Sender<bool>,
    /// Ends what hangs on a session or token, such as streams of events.
    ends: Mutex<HashMap<Hash, CancellationToken>>,
}

/// Who has to wait, and until when.
struct Waits {
    claim: Gate,
    password_of_all: Gate,
    password: Peers,
    button_until: Option<Duration>,
}

impl Access {
    /// Reads `access.json` in a folder, or makes it: with the claim code in the file `claim-code` beside it, where whoever
    /// wrote the device's card may have put one, or a new one. With a damaged `access.json` nobody gets in but the
    /// command line on the machine, which can reset it.
    pub fn open(folder: &Path, settings: Settings, clock: Arc<dyn Clock>) -> Result<Arc<Self>, OpenError> {
        let path = folder.join(FILE);
        let record = match Record::load(&path) {
            Ok(Some(record)) => record,
            Ok(None) => {
                let record = Record::first(&folder.join("claim-code"))?;
                record.save(&path).map_err(|source| OpenError::File {
                    path: path.clone(),
                    source,
                })?;
                record
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error,
                    "nobody can sign in: reset the device to the factory's state, or bring the file back");
                Record::locked()
            }
        };
        let elapsed = clock.elapsed();
        let waits = Waits {
            claim: Gate::new(settings.claim, record.claim_failures, elapsed),
            password_of_all: Gate::new(settings.password_of_all, record.password_failures, elapsed),
            password: Peers::new(settings.password),
            button_until: None,
        };
        let claimed = watch::Sender::new(record.claim_code.is_none());
        Ok(Arc::new(Self {
            path,
            settings,
            clock,
            record: RwLock::new(record),
            writer: Mutex::new(()),
            waits: Mutex::new(waits),
            turns: password::Turns::new(),
            claimed,
            ends: Mutex::default(),
        }))
    }

    /// Whether the device has an owner, or is locked.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.record().claim_code.is_none()
    }

    /// The same, to watch.
    #[must_use]
    pub fn claimed(&self) -> watch::Receiver<bool> {
        self.claimed.subscribe()
    }

    /// Finds out who sent these headers. What is wrong with a token is an error; a session that has ended is nobody.
    fn identify(self: &Arc<Self>, headers: &HeaderMap, peer: Peer) -> Result<Option<Identity>, Problem> {
        if peer.is_local() {
            return Ok(Some(Identity::Local));
        }
        match token::brought(headers) {
            token::Brought::Token(hash) => self.token(hash).map(Some),
            token::Brought::Unusable => Err(Problem::new(ProblemCode::SignInNeeded, "this is not a token")
                .remedy("send it as `authorization: Bearer …`")),
            token::Brought::Nothing => {
                let sessions = session::brought(headers, peer);
                Ok(sessions
                    .into_iter()
                    .find(|hash| self.use_session(hash))
                    .map(Identity::Session))
            }
        }
    }

    /// Is cancelled when somebody may come in no longer.
    pub(crate) fn end_of(&self, identity: Identity) -> CancellationToken {
        let hash = match identity {
            Identity::Local => return CancellationToken::new(),
            Identity::Session(hash) | Identity::Token { hash, .. } => hash,
        };
        let end = self.ends().entry(hash).or_default().clone();
        if !self.still(identity) {
            end.cancel();
        }
        end
    }

    /// Whether somebody who came in may still be in.
    pub(crate) fn still(&self, identity: Identity) -> bool {
        let record = self.record();
        match identity {
            Identity::Local => true,
            Identity::Session(hash) => {
                let now = self.clock.now();
                let valid = |session: &record::SessionRecord| session.is_valid(now, self.settings.lifetime);
                record
                    .sessions
                    .iter()
                    .any(|session| session.hash == hash && valid(session))
            }
            Identity::Token { hash, .. } => record.tokens.iter().any(|token| token.hash == hash),
        }
    }

    /// Takes everything from everybody: the device has a new claim code and no owner.
    pub(crate) async fn reset(self: &Arc<Self>) -> Result<(), Problem> {
        let unclaimed = Record::unclaimed().map_err(no_random)?;
        self.blocking(move |access| {
            access.change(|record| {
                *record = unclaimed;
                Ok(())
            })?;
            let mut waits = access.waits();
            waits.claim.succeeded();
            waits.password_of_all.succeeded();
            waits.password = Peers::new(access.settings.password);
            waits.button_until = None;
            Ok(())
        })
        .await
    }

    /// Changes what is kept: on disk first, then here. Blocks.
    fn change<T>(&self, edit: impl FnOnce(&mut Record) -> Result<T, Problem>) -> Result<T, Problem> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = self.record().clone();
        let value = edit(&mut next)?;
        next.save(&self.path).map_err(|error| {
            tracing::error!(path = %self.path.display(), %error, "cannot be written");
            Problem::new(ProblemCode::Internal, "what is kept about access cannot be written")
                .remedy("check that the card is not full or read-only")
        })?;
        *self.record.write().unwrap_or_else(PoisonError::into_inner) = next;
        let now = self.is_claimed();
        self.claimed
            .send_if_modified(|claimed| std::mem::replace(claimed, now) != now);
        self.end_the_ended();
        Ok(value)
    }

    /// Ends what hangs on sessions and tokens that are gone.
    fn end_the_ended(&self) {
        let record = self.record();
        self.ends().retain(|hash, end| {
            let stays = record.sessions.iter().any(|session| session.hash == *hash)
                || record.tokens.iter().any(|token| token.hash == *hash);
            if !stays {
                end.cancel();
            }
            stays
        });
    }

    /// Does something that takes a while, on a thread that may block. It goes on when nobody waits for it any more.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let access = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&access)).await;
        done.unwrap_or_else(|_| Err(Problem::new(ProblemCode::Internal, "the device met a fault of its own")))
    }

    fn record(&self) -> RwLockReadGuard<'_, Record> {
        self.record.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends(&self) -> MutexGuard<'_, HashMap<Hash, CancellationToken>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_random(error: random::NoRandom) -> Problem {
    Problem::new(ProblemCode::Internal, error.to_string())
}
