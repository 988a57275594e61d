//! Updates of the whole system.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Report, Result};
use crate::api::FetchUpdate;

/// A file as it arrives. An error means that no more comes; without one, the end of the channel is the end of the file. It counts only
/// when that was reached: behind the last byte there may still be an error, if who sends it may not do so any more.
pub type Arriving = mpsc::Receiver<Result<Bytes>>;

/// Updates of the whole system. Devices that cannot be updated say so ([`Unsupported`](crate::api::ProblemCode::Unsupported)), and have
/// no `updates` in their state.
#[async_trait]
pub trait Updates: Send + Sync + 'static {
    /// Installs a bundle beside the running system. Dropped halfway, the running system stays the one that starts.
    async fn install_update(&self, bundle: Arriving, allow_older: bool, report: Report<'_>) -> Result<()>;

    /// The same from an address.
    async fn fetch_update(&self, from: FetchUpdate, report: Report<'_>) -> Result<()>;

    /// Restarts the device, so that it tries an update that is ready.
    async fn try_update(&self) -> Result<()>;
}
