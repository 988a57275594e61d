//! Looks after an open disk: whether it is still ours, whether the cluster answers, whether its size changed.

use std::{
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::{info, warn};

use super::{Inner, Mode};
use crate::{
    error::{RbdError, Result},
    librbd::image::Image,
};

/// How often the lock is looked at: a disk that nobody uses learns within this time that it was taken over. One that is
/// used learns by the next request.
const PERIOD: Duration = Duration::from_secs(5);
/// Without an answer for so long the cluster counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs until the disk is closed, lost or dropped.
pub(super) async fn keep(disk: Weak<Inner>) {
    let Some(changed) = disk.upgrade().map(|disk| disk.changed.clone()) else {
        return;
    };
    let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let resized = tokio::select! {
            () = changed.notified() => true,
            _ = ticks.tick() => false,
        };
        let Some(disk) = disk.upgrade() else { return };
        if disk.state.usable().is_err() {
            return;
        }
        if resized {
            look_at_size(&disk).await;
        } else {
            look_at_lock(&disk).await;
        }
    }
}

/// Waits for an answer of the cluster, however long; meanwhile the status tells that there is none.
async fn patiently<T>(disk: &Arc<Inner>, question: impl Future<Output = T>) -> T {
    let (mut question, since) = (Box::pin(question), SystemTime::now());
    if let Ok(answer) = timeout(PATIENCE, &mut question).await {
        return answer;
    }
    disk.state.unanswered(since, PATIENCE);
    let answer = question.await;
    info!(disk = %disk.state.name, "the cluster answers again");
    disk.state.monitor.answered();
    answer
}

async fn look_at_lock(disk: &Arc<Inner>) {
    let Mode::Owner { address, .. } = &disk.mode else {
        return;
    };
    let Ok(slot) = disk.keeping.clone().acquire_owned().await else {
        return;
    };
    let address = address.clone();
    let lost = || RbdError::Fenced {
        object: String::new(),
        detail: "somebody else has the lock of the image now; open it again to go on".to_owned(),
    };
    let ask = move |image: &Image| -> Result<()> {
        match image.is_locked_by_us(&address)? {
            true => Ok(()),
            false => Err(lost()),
        }
    };
    // A fence is remembered on the way.
    if let Err(error) = patiently(disk, disk.blocking("looking at the lock", (None, slot), ask)).await {
        warn!(disk = %disk.state.name, %error, "looking at the lock");
    }
}

async fn look_at_size(disk: &Arc<Inner>) {
    // Not while it is being resized by ourselves, which tells the size itself.
    let _sizing = disk.sizing.lock().await;
    let Ok(slot) = disk.keeping.clone().acquire_owned().await else {
        return;
    };
    let ask = |image: &Image| image.size();
    match patiently(disk, disk.blocking("asking for the size", (None, slot), ask)).await {
        Ok(size) => disk.state.notice_size(size),
        Err(error) => warn!(disk = %disk.state.name, %error, "asking for the size"),
    }
}
