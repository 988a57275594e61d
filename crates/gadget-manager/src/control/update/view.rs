//! What the page sees of the system and of its last update.

use update::{Error, outcome, system::System};
use web::api;

/// The system, if it can be updated. What is wrong with it is in the log, once.
pub(in crate::control) fn view() -> Option<api::Updates> {
    look().unwrap_or_else(|error| {
        static TOLD: std::sync::Once = std::sync::Once::new();
        TOLD.call_once(|| tracing::error!("updates are not possible: {error}"));
        None
    })
}

fn look() -> Result<Option<api::Updates>, Error> {
    let Some(system) = System::open(&super::folder())? else {
        return Ok(None);
    };
    let last = outcome::look(&system)?.map(|last| api::Update {
        version: last.version.to_string(),
        channel: last.channel,
        phase: match last.phase {
            outcome::Phase::Ready => api::UpdatePhase::Ready,
            outcome::Phase::Trial => api::UpdatePhase::Trial,
            outcome::Phase::Confirmed => api::UpdatePhase::Confirmed,
            outcome::Phase::FellBack => api::UpdatePhase::FellBack,
        },
        time: last.time,
        reason: last.reason,
    });
    Ok(Some(api::Updates {
        accepts: system.keys()?.channels().map(str::to_owned).collect(),
        version: system.version.to_string(),
        channel: system.channel,
        slot: system.running.letter().to_string(),
        last,
    }))
}
