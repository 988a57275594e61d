//! In the place of librbd in a build without it: says so.

use std::sync::Arc;

use block::{
    Disk,
    store::{Finding, ImageInfo, ImageRef, OpenOptions, Progress, Snapshot},
};

use crate::{
    access::Access,
    config::RbdConfig,
    error::{RbdError, Result},
};

/// Nothing.
#[derive(Clone)]
pub(crate) struct Librbd;

/// What people are told.
const ABSENT: &str =
    "this program was built without librbd; use one that was built with it, or Ceph's own `rbd` command elsewhere";

fn absent<T>(object: &str, operation: &str) -> Result<T> {
    Err(RbdError::unsupported(object, operation, ABSENT))
}

impl Librbd {
    pub(crate) fn new(_config: Arc<RbdConfig>, _access: Arc<Access>, _identity: Option<String>) -> Self {
        Self
    }

    pub(crate) async fn pools(&self) -> Result<Vec<String>> {
        absent("the cluster", "listing pools")
    }

    pub(crate) async fn list(&self) -> Result<Vec<ImageInfo>> {
        absent("the pool", "listing images")
    }

    pub(crate) async fn info(&self, image: &ImageRef) -> Result<ImageInfo> {
        absent(&image.image, "looking at images")
    }

    pub(crate) async fn create(&self, image: &str, _size: u64) -> Result<()> {
        absent(image, "making images")
    }

    pub(crate) async fn resize(&self, image: &str, _size: u64) -> Result<()> {
        absent(image, "resizing")
    }

    pub(crate) async fn delete(&self, image: &str, _with_snapshots: bool) -> Result<()> {
        absent(image, "deleting")
    }

    pub(crate) async fn snapshots(&self, image: &str) -> Result<Vec<Snapshot>> {
        absent(image, "listing snapshots")
    }

    pub(crate) async fn snapshot(&self, image: &str, _label: Option<&str>) -> Result<Snapshot> {
        absent(image, "taking snapshots")
    }

    pub(crate) async fn restore(&self, image: &str, _snapshot: &str, _progress: Progress<'_>) -> Result<()> {
        absent(image, "rolling back")
    }

    pub(crate) async fn delete_snapshot(&self, image: &str, _snapshot: &str) -> Result<()> {
        absent(image, "deleting snapshots")
    }

    pub(crate) async fn protect(&self, image: &str, _snapshot: &str, _protect: bool) -> Result<()> {
        absent(image, "protecting snapshots")
    }

    pub(crate) async fn clone_image(&self, image: &str, _snapshot: &str, _to: &str) -> Result<()> {
        absent(image, "cloning")
    }

    pub(crate) async fn flatten(&self, image: &str, _progress: Progress<'_>) -> Result<()> {
        absent(image, "flattening")
    }

    /// Nobody can be asked to: the kernel respects who keeps the lock.
    pub(crate) fn make_way(&self, image: &str, take_over: bool) -> Result<()> {
        match take_over {
            false => Ok(()),
            true => Err(RbdError::unsupported(
                image,
                "taking an image over",
                "this program was built without librbd; fence its owner from a machine with Ceph's tools (`rbd lock ls IMAGE` \
                 and `ceph osd blocklist add ADDRESS`), then open it without taking over",
            )),
        }
    }

    pub(crate) async fn open(&self, image: &ImageRef, _options: &OpenOptions) -> Result<Disk> {
        absent(&image.image, "opening with librbd")
    }

    pub(crate) async fn diagnose(&self, _image: Option<&str>) -> Vec<Finding> {
        let remedy = "nothing has to be done: `rbd` on a machine with Ceph's tools does that";
        vec![Finding::warning(
            "libraries",
            "this program was built without librbd: it opens images and cannot list, make, resize or clone them",
            remedy,
        )]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RbdConfig, store::RbdStore};

    #[test]
    fn a_store_that_needs_librbd_says_in_one_sentence_that_it_is_not_there() {
        let mut config = RbdConfig::new("rbd");
        config.client = crate::ClientKind::Librbd;
        config.monitors = vec!["127.0.0.1".to_owned()];
        config.conf = None;
        let key = crate::RbdSecret::Key(crate::Secret::new("AQABAgMEBQYHCBAAAQEBAQEBAQEBAQEBAQEBAQ=="));
        let error = RbdStore::new(config, Some(&key)).err().map(|error| error.to_string());
        assert!(
            error
                .as_ref()
                .is_some_and(|error| error.contains("was built without it")),
            "{error:?}"
        );
        let listed = absent::<()>("the pool", "listing images").map_err(|error| error.to_string());
        assert!(listed.is_err_and(|error| error.contains("built without librbd") && error.lines().count() == 1));
    }
}
