//! Images in configured stores.

use async_trait::async_trait;

use super::{Report, Result};
use crate::api::{Image, NewImage, NewSnapshot, Resize, Snapshot};

/// Images and their snapshots.
#[async_trait]
pub trait Images: Send + Sync + 'static {
    /// All images of a store, sorted by name.
    async fn images(&self, store: &str) -> Result<Vec<Image>>;

    /// What is known of one image.
    async fn image(&self, store: &str, image: &str) -> Result<Image>;

    /// Makes an image and formats it. Dropped or failed halfway, it deletes what it made.
    async fn create_image(&self, store: &str, image: NewImage, report: Report<'_>) -> Result<Image>;

    /// Changes the size of an image, also of one that is served: the host then sees a new medium.
    async fn resize_image(&self, store: &str, image: &str, size: Resize, report: Report<'_>) -> Result<Image>;

    /// Deletes an image that no disk is configured for, with its snapshots.
    async fn delete_image(&self, store: &str, image: &str, report: Report<'_>) -> Result<()>;

    /// Its snapshots, oldest first.
    async fn snapshots(&self, store: &str, image: &str) -> Result<Vec<Snapshot>>;

    /// Takes a snapshot. Of an image that is served, what the host has written so far is written out first.
    async fn take_snapshot(&self, store: &str, image: &str, new: NewSnapshot, report: Report<'_>) -> Result<Snapshot>;

    /// Puts an image back to a snapshot. One that is served is taken out of the stick meanwhile.
    async fn restore_snapshot(&self, store: &str, image: &str, snapshot: &str, report: Report<'_>) -> Result<()>;

    /// Deletes a snapshot that no disk is configured for.
    async fn delete_snapshot(&self, store: &str, image: &str, snapshot: &str) -> Result<()>;
}
