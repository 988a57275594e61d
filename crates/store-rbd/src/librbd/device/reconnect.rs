//! Another connection, for a disk whose own gets no answers any more while the cluster answers others.
//!
//! A client whose key was refused once, by a monitor that it had to connect to anew, gives up for good: librados 16 does not
//! ask again when the key is accepted later. So when the cluster is silent, others of ours ask it now and then. What they are
//! told makes better words for the status than silence; and if they are answered, and the disk still is not, it goes on through a
//! new connection, with the old one fenced, as the owner that it was: with the same generation, and only if nobody had the
//! image in between.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tracing::{info, warn};

use super::{Inner, Opened};
use crate::{
    error::{RbdError, Result},
    librbd::{Librbd, image::Image, ownership},
};

/// Between two questions of others.
const PERIOD: Duration = Duration::from_secs(10);
/// How long a connection has to find its way back by itself once others are answered. librados waits up to 15 s between two
/// attempts (`ms_max_backoff`).
const GRACE: Duration = Duration::from_secs(20);

/// The way to the image of a disk.
pub(crate) struct Way {
    pub(crate) client: Librbd,
    pub(crate) image: String,
    pub(crate) snapshot: Option<String>,
}

/// Waits until the cluster answers others, and has for a while.
pub(super) async fn only_others_are_answered(disk: &Arc<Inner>, way: &Way) {
    loop {
        match way.client.is_answered(&way.image, way.snapshot.as_deref()).await {
            Ok(()) if disk.caches => {
                let error = RbdError::unreachable(
                    disk.state.name.clone(),
                    "the cluster answers others, but not this disk, which has a cache in librbd (`rbd_cache` in the settings of \
                     the image or pool) and would lose it with another connection; stop using the disk and open it again",
                );
                explain(disk, error);
            }
            Ok(()) => return sleep(GRACE).await,
            Err(error) => explain(disk, error),
        }
        sleep(PERIOD).await;
    }
}

fn explain(disk: &Inner, error: RbdError) {
    let error = error.into_block(&disk.state.name);
    if disk.state.monitor.silent_because(error.clone()) {
        warn!(disk = %disk.state.name, %error, "why the cluster does not answer");
    }
}

/// Gives the disk another connection, or finds that it is lost.
pub(super) async fn reconnect(disk: &Arc<Inner>, way: &Way) {
    let before = disk.connection();
    warn!(disk = %disk.state.name, "the cluster answers others but not this disk: connecting it anew");
    before.give_up();
    loop {
        let address = before.address.clone();
        let owner = disk.generation.zip(address);
        match way.open(owner).await.and_then(|opened| disk.take(opened, way)) {
            Ok(()) => return info!(disk = %disk.state.name, "connected anew"),
            Err(error @ RbdError::Fenced { .. }) => {
                let error = error.into_block(&disk.state.name);
                disk.state.remember(&error);
                return before.abandon();
            }
            Err(error) => explain(disk, error),
        }
        sleep(PERIOD).await;
        if disk.state.usable().is_err() {
            return;
        }
    }
}

impl Way {
    /// Opens the image, as the owner with this generation and address, or for reading. Waits for the cluster for as long as
    /// it takes.
    async fn open(&self, owner: Option<(u64, String)>) -> Result<Opened> {
        let (image, snapshot) = (self.image.clone(), self.snapshot.clone());
        let work = move |client: &Librbd, pool: &_| match owner {
            Some((generation, address)) => {
                let owned = ownership::go_on(pool, &image, &client.claim(false), generation, &address)?;
                Ok(Opened::Owned(owned))
            }
            None => Image::open(pool, &image, snapshot.as_deref(), false).map(Opened::Reader),
        };
        self.client.serve(work).await
    }
}

impl Inner {
    /// Goes on with an image that was opened again.
    fn take(&self, opened: Opened, way: &Way) -> Result<()> {
        let size = opened.image().size()?;
        if self.generation.is_some() {
            opened.image().watch(self.changed.clone())?;
        }
        self.go_on_through(opened.into_connection(way.client.config.concurrency));
        self.state.notice_size(size);
        Ok(())
    }
}
