//! Stores, before and after they are configured.

use async_trait::async_trait;

use super::{Report, Result};
use crate::api::{Applied, NewPlace, Place, Probe, ProbeRequest, StoreSettings, StoreType};

/// Stores.
#[async_trait]
pub trait Stores: Send + Sync + 'static {
    /// The kinds of stores there are, with their forms. A new one shows up on the page by being in here.
    fn types(&self) -> Vec<StoreType>;

    /// Tests settings without keeping them: reachability, clock, rights; lists places where that is allowed. What is wrong
    /// with the store is in the answer; an error means that the settings themselves cannot be.
    async fn probe(&self, request: ProbeRequest, report: Report<'_>) -> Result<Probe>;

    /// Makes a container, pool or folder.
    async fn make_place(&self, place: NewPlace) -> Result<Place>;

    /// Keeps the settings of a store, new or not, and puts them in force. A secret field that is left out keeps its
    /// secret, unless the way changed.
    async fn set_store(&self, name: &str, settings: StoreSettings) -> Result<Applied>;

    /// Forgets a store that no disk lives in, with its secrets. What is in it stays.
    async fn forget_store(&self, name: &str) -> Result<Applied>;
}
