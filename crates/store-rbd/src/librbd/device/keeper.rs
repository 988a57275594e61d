//! Looks after an open disk: whether it is still ours, whether the cluster answers, whether its size changed.

use std::{
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::{info, warn};

use super::{Connection, Inner, Way, reconnect};
use crate::{
    error::{RbdError, Result},
    librbd::{image::Image, ownership::Record},
};

/// How often the lock is looked at: a disk that nobody uses learns within this time that it was taken over. One that is
/// used learns by the next request.
const PERIOD: Duration = Duration::from_secs(5);
/// Without an answer for so long the cluster counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs until the disk is closed, lost or dropped.
pub(super) async fn keep(disk: Weak<Inner>, way: Way) {
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
        let connection = disk.connection();
        if resized {
            patiently(&disk, &way, look_at_size(&disk, &connection)).await;
        } else {
            patiently(&disk, &way, look_at_lock(&disk, &connection)).await;
        }
    }
}

/// Waits for an answer of the cluster, however long; meanwhile the status tells that there is none. If only this connection
/// gets none, the disk has another one afterwards.
async fn patiently(disk: &Arc<Inner>, way: &Way, question: impl Future<Output = ()>) {
    let (mut question, since) = (Box::pin(question), SystemTime::now());
    if timeout(PATIENCE, &mut question).await.is_ok() {
        return;
    }
    disk.state.unanswered(since, PATIENCE);
    tokio::select! {
        () = question => info!(disk = %disk.state.name, "the cluster answers again"),
        () = reconnect::only_others_are_answered(disk, way) => reconnect::reconnect(disk, way).await,
    }
    disk.state.monitor.answered();
}

async fn look_at_lock(disk: &Arc<Inner>, connection: &Arc<Connection>) {
    let Ok(slot) = connection.keeping.clone().acquire_owned().await else {
        return;
    };
    let address = connection.address.clone();
    let lost = || RbdError::Fenced {
        object: String::new(),
        detail: "somebody else has the lock of the image now; open it again to go on".to_owned(),
    };
    let ask = move |image: &Image| -> Result<()> {
        match address {
            // A reader asks for anything, to know whether the cluster answers.
            None => Record::of(image).map(drop),
            Some(address) if image.is_locked_by_us(&address)? => Ok(()),
            Some(_) => Err(lost()),
        }
    };
    // A fence is remembered on the way.
    let looked = disk
        .blocking(connection, "looking at the lock", (None, slot), ask)
        .await;
    if let Err(error) = looked {
        warn!(disk = %disk.state.name, %error, "looking at the lock");
    }
}

async fn look_at_size(disk: &Arc<Inner>, connection: &Arc<Connection>) {
    // Not while it is being resized by ourselves, which tells the size itself.
    let _sizing = connection.sizing.lock().await;
    let Ok(slot) = connection.keeping.clone().acquire_owned().await else {
        return;
    };
    let ask = |image: &Image| image.size();
    match disk
        .blocking(connection, "asking for the size", (None, slot), ask)
        .await
    {
        Ok(size) => disk.state.notice_size(size),
        Err(error) => warn!(disk = %disk.state.name, %error, "asking for the size"),
    }
}
