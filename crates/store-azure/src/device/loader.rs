//! Fills the extent map of an open disk in the background.

use std::{sync::Arc, time::Duration};

use tracing::{debug, warn};

use super::Inner;
use crate::error::AzureError;

/// Pause before an unreachable service is asked again.
const PAUSE: Duration = Duration::from_secs(5);
/// Pause before one is asked again that answered, but of no use.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// How far the loader is, for those who wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loading {
    /// Everything below is known.
    To(u64),
    /// The service gives no list: what is not known stays unknown until it does.
    Failed,
}

/// Lists the ranges that hold data, from where the map ends to the end of the blob.
///
/// Each answer is merged, not taken over: a write that was sent while the list was made is in the map already.
pub(super) async fn load(inner: Arc<Inner>) {
    let mut marker: Option<String> = None;
    loop {
        let size = inner.blob_length();
        let from = inner.map().known_to();
        if from >= size {
            inner.loading.send_replace(Loading::To(from));
            break;
        }
        match inner.blob.page_ranges(from, size - from, marker.as_deref()).await {
            Ok(list) => {
                let last = list.ranges.last().map_or(from, |&(_, end)| end);
                let to = if list.next.is_some() { last } else { size };
                {
                    let mut map = inner.map();
                    for &(start, end) in &list.ranges {
                        map.mark_data(start.max(from), end.min(size));
                    }
                    map.set_known_to(to.min(inner.blob_length()).max(from));
                }
                inner.loading.send_replace(Loading::To(to));
                // The range of the next request starts where this list ended; a marker belongs to the old range.
                marker = if to > from { None } else { list.next };
                if to <= from && !list.ranges.is_empty() {
                    // Ranges that were not asked for.
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Err(AzureError::Unreachable { .. }) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                warn!(disk = %inner.name, %error, "cannot list which parts hold data; holes are read like data");
                inner.loading.send_replace(Loading::Failed);
                marker = None;
                tokio::time::sleep(LONG_PAUSE).await;
            }
        }
    }
    debug!(disk = %inner.name, "extent map complete");
}
