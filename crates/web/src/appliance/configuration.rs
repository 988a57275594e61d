//! The configuration as a whole.

use async_trait::async_trait;
use bytes::Bytes;

use super::{Report, Result};
use crate::api::{Applied, Backup, Finding, Restore, Version};

/// A back-up as a file.
#[derive(Debug, Clone)]
pub struct BackupFile {
    /// Name to offer.
    pub name: String,
    /// Media type.
    pub media_type: &'static str,
    /// Content. Without a passphrase there are no secrets in it.
    pub content: Bytes,
}

/// The configuration as a whole.
#[async_trait]
pub trait Configuration: Send + Sync + 'static {
    /// Gives the device a name.
    async fn rename(&self, name: &str) -> Result<Applied>;

    /// Versions that can be gone back to, the youngest first.
    async fn versions(&self) -> Result<Vec<Version>>;

    /// Puts an earlier version in force again, as a new version.
    async fn go_back(&self, version: u64) -> Result<Applied>;

    /// Makes a back-up.
    async fn backup(&self, backup: Backup) -> Result<BackupFile>;

    /// Puts a back-up in force. Checked as strictly as any foreign file; secrets it does not hold stay as they are where the
    /// store is the same.
    async fn restore(&self, restore: Restore) -> Result<Applied>;

    /// Checks everything: kernel, controller, cable, clock, stores.
    async fn doctor(&self, report: Report<'_>) -> Result<Vec<Finding>>;

    /// Removes configuration, secrets, identity and ownership of the device, and starts anew. What is in the stores
    /// stays. A device that wipes is to overwrite all of it at its next start, from the first moment of this on.
    async fn factory_reset(&self) -> Result<()>;

    /// After that, when nobody owns the device any more: restarts a device that wipes. Of others nothing is wanted.
    async fn restart_to_wipe(&self) -> Result<()>;
}
