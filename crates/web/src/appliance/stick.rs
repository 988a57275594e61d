//! Disks, and the stick they are in.

use async_trait::async_trait;

use super::Result;
use crate::api::{Applied, DiskChange, IdentityChange, LunSettings, NewDisk};

/// Disks, and the stick they are in.
#[async_trait]
pub trait Stick: Send + Sync + 'static {
    /// Serves another image.
    async fn add_disk(&self, disk: NewDisk) -> Result<Applied>;

    /// Changes how a disk is served.
    async fn change_disk(&self, name: &str, change: DiskChange) -> Result<Applied>;

    /// Serves a disk no longer. Its image stays.
    async fn remove_disk(&self, name: &str) -> Result<Applied>;

    /// Takes the image of a disk from its present owner.
    async fn take_over(&self, name: &str) -> Result<()>;

    /// Changes how the stick introduces itself; the host sees it pulled and plugged in again.
    async fn set_identity(&self, change: IdentityChange) -> Result<Applied>;

    /// Changes what is in which unit. A different number or kind of units needs a new enumeration.
    async fn set_luns(&self, luns: Vec<LunSettings>) -> Result<Applied>;

    /// Shows the host a small stick with the device's address and claim code, on which files for its set-up can be dropped,
    /// instead of the disks; or the disks again.
    async fn show_setup_stick(&self, shown: bool) -> Result<()>;

    /// Puts the disk of a unit back in, after an eject of the host or of [`eject`](Self::eject).
    async fn insert(&self, lun: usize) -> Result<()>;

    /// Takes the medium out of a unit once everything is written. A host that has locked it refuses that unless
    /// `force` is set.
    async fn eject(&self, lun: usize, force: bool) -> Result<()>;
}
