//! Looks after an open disk: whether it is still ours, whether the cluster answers, whether its size changed.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use block::BlockError;
use tokio::{
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tracing::{info, warn};

use super::Inner;

/// How often the size is looked at, which the kernel is told by the cluster when it changes.
const PERIOD: Duration = Duration::from_secs(1);
/// Every so many periods the cluster is asked: a disk that nobody uses learns within this time that it was taken over. One
/// that is used learns by the next request.
const ASKING: u32 = 5;
/// Without an answer for so long the cluster counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs until the disk is closed, lost or dropped.
pub(super) async fn keep(disk: Weak<Inner>) {
    let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0;
    loop {
        ticks.tick().await;
        let Some(disk) = disk.upgrade() else { return };
        if disk.state.usable().is_err() {
            return;
        }
        turn = (turn + 1) % ASKING;
        if turn == 0 {
            ask(&disk).await;
        }
        disk.look_at_size();
    }
}

/// Waits for an answer of the cluster, however long; meanwhile the status tells that there is none.
async fn ask(disk: &Arc<Inner>) {
    let since = SystemTime::now();
    let entry = disk.entry.clone();
    let mut question = spawn_blocking(move || entry.refresh());
    let answer = match timeout(PATIENCE, &mut question).await {
        Ok(answer) => answer,
        Err(_) => {
            disk.state.unanswered(since, PATIENCE);
            question.await
        }
    };
    match answer {
        Ok(Ok(())) => {
            if disk.state.monitor.answered() {
                info!(disk = %disk.state.name, "the cluster answers again");
            }
            let mapping = disk.mapping.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(mapping) = mapping.as_ref() {
                mapping.seen();
            }
        }
        Ok(Err(error)) => match disk.told("asking for the size", &error) {
            error @ BlockError::Unreachable { .. } => disk.state.monitor.silent(since, error),
            // Told already.
            BlockError::Fenced { .. } => {}
            error => warn!(disk = %disk.state.name, %error, "asking for the size"),
        },
        Err(error) => warn!(disk = %disk.state.name, %error, "asking for the size"),
    }
}
