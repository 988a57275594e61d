//! What becomes of an update that was installed.
//!
//! Two things together say it: what U-Boot counts ([`boot`](crate::boot)), which is all that matters for starting, and a record for
//! people, `kept/update.json`, which systems of all versions read.

use std::{
    fs::{self, File},
    io::{self, Write as _},
};

use semver::Version;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    Error, Result,
    boot::{Slot, State, TRIES, Trial},
    bundle::Description,
    system::System,
};

/// Why a system that was confirmed once is not the one that runs (`image/initramfs/init` has the other one tried then).
const LOST: &str = "the card has lost a part of it";

/// The last update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Its version.
    pub version: Version,
    /// Its channel.
    pub channel: String,
    /// How it stands.
    pub phase: Phase,
    /// Since when.
    pub time: OffsetDateTime,
    /// Why it was rejected, in words, if somebody knew.
    pub reason: Option<String>,
}

/// How an update stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Installed; the next start tries it.
    Ready,
    /// It runs, and has not confirmed itself.
    Trial,
    /// It runs, and works.
    Confirmed,
    /// It did not work; the system before it runs again.
    FellBack,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    version: Version,
    channel: String,
    slot: char,
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<Phase>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Record {
    /// The one that is kept; one that cannot be read is none.
    fn load(system: &System) -> Option<Self> {
        let text = fs::read(system.record()).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn keep(&self, system: &System) -> Result<()> {
        let path = system.record();
        let write = || {
            let new = path.with_extension("json.new");
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(self).map_err(io::Error::other)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(path.parent().unwrap_or(&path))?.sync_all()
        };
        write().map_err(Error::card(&path))
    }

    /// Whether it tells of the running system.
    fn is_of(&self, system: &System) -> bool {
        Slot::of(&self.slot.to_string()) == Some(system.running)
    }

    fn end(mut self, system: &System, outcome: Phase, reason: Option<String>) -> Result<()> {
        self.outcome = Some(outcome);
        self.reason = reason;
        self.time = OffsetDateTime::now_utc();
        self.keep(system)
    }
}

/// How the last update stands, if there was one.
///
/// # Errors
/// [`Error::Card`].
pub fn look(system: &System) -> Result<Option<Update>> {
    let Some(record) = Record::load(system) else {
        return Ok(None);
    };
    let trial = State::read(&system.card())?.and_then(|state| state.trial);
    let phase = match (record.outcome, trial) {
        (Some(outcome), _) => outcome,
        (None, Some(trial)) if trial.slot == system.running => Phase::Trial,
        (None, Some(trial)) if trial.tries == TRIES => Phase::Ready,
        (None, Some(_)) => Phase::FellBack,
        (None, None) if record.is_of(system) => Phase::Confirmed,
        // The plug was pulled before U-Boot was told.
        (None, None) => return Ok(None),
    };
    Ok(Some(Update {
        version: record.version,
        channel: record.channel,
        phase,
        time: record.time,
        reason: record.reason,
    }))
}

/// An update was written to a slot.
pub(crate) fn begun(system: &System, description: &Description, slot: Slot) -> Result<()> {
    let record = Record {
        version: description.version.clone(),
        channel: description.channel.clone(),
        slot: slot.letter(),
        time: OffsetDateTime::now_utc(),
        outcome: None,
        reason: None,
    };
    record.keep(system)
}

/// The running system works: from now on it is the one that starts. `false` if it is not on trial.
///
/// It may be the system before the last update: then it is tried since the card has lost a part of that one, which has fallen back so.
///
/// # Errors
/// [`Error::Busy`], [`Error::Card`].
pub fn confirm(system: &System) -> Result<bool> {
    let _lock = system.lock()?;
    let Some(_) = trial_of(system)? else { return Ok(false) };
    prevail(system)?;
    Ok(true)
}

/// The running system is the one that starts from now on.
fn prevail(system: &System) -> Result<()> {
    settled(system)?;
    // From here on it is, whatever becomes of the record.
    match Record::load(system) {
        Some(record) if record.is_of(system) => record.end(system, Phase::Confirmed, None),
        Some(record) => record.end(system, Phase::FellBack, Some(LOST.to_owned())),
        None => Ok(()),
    }
}

/// The running system does not work: the next start is the one of the other slot. `false` if it is not on trial.
///
/// # Errors
/// [`Error::Busy`], [`Error::Card`].
pub fn reject(system: &System, reason: &str) -> Result<bool> {
    let _lock = system.lock()?;
    let Some((state, trial)) = trial_of(system)? else {
        return Ok(false);
    };
    if let Some(record) = Record::load(system).filter(|record| record.is_of(system)) {
        record.end(system, Phase::FellBack, Some(reason.to_owned()))?;
    }
    let state = State {
        trial: Some(Trial { tries: 0, ..trial }),
        ..state
    };
    state.write(&system.card())?;
    Ok(true)
}

/// At the start of a system that is not on trial: what was tried before it did not work, if anything was. Tells of it once. Where the
/// system that was to be tried runs all the same, it is the one that starts from now on.
///
/// # Errors
/// [`Error::Busy`], [`Error::Card`].
pub fn settle(system: &System) -> Result<Option<Update>> {
    let _lock = system.lock()?;
    let Some(state) = State::read(&system.card())? else {
        return Ok(None);
    };
    let Some(trial) = state.trial else { return Ok(None) };
    if trial.slot == system.running {
        // U-Boot came here because no other slot can be loaded any more. There is nothing to go back to: whoever is asked
        // from now on for changes or for another update must not wait for a trial to end.
        prevail(system)?;
        return Ok(None);
    }
    if trial.tries == TRIES {
        return Ok(None);
    }
    if let Some(record) = Record::load(system).filter(|record| record.outcome.is_none()) {
        record.end(system, Phase::FellBack, None)?;
    }
    settled(system)?;
    look(system)
}

/// The running system is the one that starts, and nothing is on trial.
fn settled(system: &System) -> Result<()> {
    let state = State {
        slot: system.running,
        trial: None,
    };
    state.write(&system.card())
}

/// Whether the running system is being tried.
///
/// # Errors
/// [`Error::Card`].
pub fn is_on_trial(system: &System) -> Result<bool> {
    Ok(trial_of(system)?.is_some())
}

fn trial_of(system: &System) -> Result<Option<(State, Trial)>> {
    let state = State::read(&system.card())?;
    let tried = state.and_then(|state| Some((state, state.trial?)));
    Ok(tried.filter(|(_, trial)| trial.slot == system.running))
}
