//! The management side of a store: images and their snapshots, as the command line and the page see them.

mod error;
mod secret;

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use async_trait::async_trait;
use serde::Serialize;
use time::OffsetDateTime;

pub use error::StoreError;
pub use secret::Secret;

use crate::Disk;

/// The result of a management operation.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Told about the progress of something slow: bytes (or other units) done, and how many there are in all.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// Which image of a store, and which state of it: `image` or `image@snapshot`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct ImageRef {
    /// Name of the image within the store.
    pub image: String,
    /// A snapshot of it; without one the image itself.
    pub snapshot: Option<String>,
}

impl ImageRef {
    /// The image itself.
    #[must_use]
    pub fn live(image: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            snapshot: None,
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.snapshot {
            Some(snapshot) => write!(f, "{}@{snapshot}", self.image),
            None => f.write_str(&self.image),
        }
    }
}

impl FromStr for ImageRef {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self> {
        let (image, snapshot) = match text.split_once('@') {
            Some((image, snapshot)) => (image, Some(snapshot)),
            None => (text, None),
        };
        if image.is_empty() || snapshot.is_some_and(str::is_empty) {
            return Err(StoreError::invalid(
                text,
                "a disk is named \"image\" or \"image@snapshot\"",
            ));
        }
        Ok(Self {
            image: image.to_owned(),
            snapshot: snapshot.map(str::to_owned),
        })
    }
}

/// What an image is to be when it is made.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    /// Usable size in bytes, a multiple of 512.
    pub size: u64,
    /// Container format around the blocks; `None` for raw. A store refuses those it does not know.
    pub format: Option<String>,
}

/// How an image is to be opened.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Open without ownership; modifying operations fail.
    pub read_only: bool,
    /// Take the image from its present owner, who is fenced by it.
    pub take_over: bool,
}

/// What is known of an image.
#[derive(Debug, Clone, Serialize)]
pub struct ImageInfo {
    /// Name within the store.
    pub name: String,
    /// Usable size in bytes.
    pub size: u64,
    /// Bytes that take space, where the store tells.
    pub allocated: Option<u64>,
    /// Container format around the blocks, such as `raw` or `vhd`.
    pub format: String,
    /// Who owns it now, where somebody does: whatever the store knows of them.
    pub owner: Option<String>,
    /// Last change.
    #[serde(with = "time::serde::rfc3339::option")]
    pub modified: Option<OffsetDateTime>,
    /// More, in the store's own terms (`etag`, `generation`, `features`), for people.
    pub details: BTreeMap<String, String>,
}

/// A snapshot of an image.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// What [`ImageRef::snapshot`] calls it.
    pub id: String,
    /// A name its owner gave it.
    pub label: Option<String>,
    /// When it was taken.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created: Option<OffsetDateTime>,
    /// Size in bytes.
    pub size: Option<u64>,
}

/// How a check of a store went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, but somebody should look at it.
    Warning,
    /// Does not work.
    Bad,
}

/// One thing that was checked, with what to do about it.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was checked, in a few words.
    pub check: String,
    /// How it went.
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// What to do, if there is something to do.
    pub remedy: Option<String>,
}

impl Finding {
    /// A check that went well.
    #[must_use]
    pub fn good(check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            verdict: Verdict::Good,
            detail: detail.into(),
            remedy: None,
        }
    }

    /// Something to look at.
    #[must_use]
    pub fn warning(check: impl Into<String>, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            verdict: Verdict::Warning,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// Something that does not work.
    #[must_use]
    pub fn bad(check: impl Into<String>, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            verdict: Verdict::Bad,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }
}

/// A place where images live: an Azure container, a Ceph pool, a folder.
///
/// Operations that a store cannot do fail with [`Unsupported`](StoreError::Unsupported). All may be dropped at any
/// time; [`create`](Self::create) and [`restore`](Self::restore) may then leave a partial image, which is named in
/// their errors too.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What messages call the store: kind and place, without secrets.
    fn describe(&self) -> String;

    /// All images, sorted by name.
    async fn list(&self) -> Result<Vec<ImageInfo>>;

    /// What is known of one image or snapshot.
    async fn info(&self, image: &ImageRef) -> Result<ImageInfo>;

    /// Makes a new image that reads as zeroes. Never touches one that exists.
    async fn create(&self, image: &str, options: &CreateOptions) -> Result<ImageInfo>;

    /// Changes the size of an image that nobody else owns.
    async fn resize(&self, image: &str, size: u64) -> Result<ImageInfo>;

    /// Deletes an image that nobody owns, with its snapshots if told so.
    async fn delete(&self, image: &str, with_snapshots: bool) -> Result<()>;

    /// Opens an image, with ownership unless read-only. A snapshot is always read-only.
    async fn open(&self, image: &ImageRef, options: &OpenOptions) -> Result<Disk>;

    /// The snapshots of an image, oldest first.
    async fn snapshots(&self, image: &str) -> Result<Vec<Snapshot>>;

    /// Takes a snapshot. Allowed while somebody owns the image: it holds what the store holds at that moment.
    async fn snapshot(&self, image: &str, label: Option<&str>) -> Result<Snapshot>;

    /// Puts an image that nobody owns back to the content of one of its snapshots.
    async fn restore(&self, image: &str, snapshot: &str, progress: Progress<'_>) -> Result<()>;

    /// Deletes one snapshot.
    async fn delete_snapshot(&self, image: &str, snapshot: &str) -> Result<()>;

    /// Keeps a snapshot from being deleted, which some stores demand before it is cloned. Idempotent.
    async fn protect(&self, image: &str, snapshot: &str) -> Result<()> {
        Err(self.cannot(&format!("{image}@{snapshot}"), "protecting snapshots"))
    }

    /// Ends the [protection](Self::protect) of a snapshot that has no clones. Idempotent.
    async fn unprotect(&self, image: &str, snapshot: &str) -> Result<()> {
        Err(self.cannot(&format!("{image}@{snapshot}"), "protecting snapshots"))
    }

    /// Makes a new image that begins as one of its snapshots and shares what it does not change. Never touches one that
    /// exists.
    async fn clone_image(&self, image: &str, snapshot: &str, to: &str) -> Result<ImageInfo> {
        Err(self.cannot(&format!("{image}@{snapshot}"), &format!("cloning it to {to}")))
    }

    /// Copies to a clone all that it shares with the snapshot it was made from, so that it stands alone.
    async fn flatten(&self, image: &str, _progress: Progress<'_>) -> Result<()> {
        Err(self.cannot(image, "flattening"))
    }

    /// The error for an operation that this kind of store does not have.
    fn cannot(&self, object: &str, operation: &str) -> StoreError {
        StoreError::unsupported(object, operation, format!("{} has no such thing", self.describe()))
    }

    /// Checks reachability, clock, rights and state on behalf of `image`, changing nothing that matters. Never fails:
    /// what is wrong is a finding.
    async fn diagnose(&self, image: Option<&str>) -> Vec<Finding>;
}

/// A shared store.
pub type SharedStore = Arc<dyn Store>;
