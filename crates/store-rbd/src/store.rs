//! A pool of images: the management side, whichever client does the work.

use std::{path::Path, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use block::{
    Disk,
    store::{CreateOptions, Finding, ImageInfo, ImageRef, OpenOptions, Progress, Result, Snapshot, Store, StoreError},
};

use crate::{
    access::Access,
    config::{ClientKind, RbdConfig, RbdSecret, check_name, check_size},
    error::RbdError,
    kernel::Kernel,
    librbd::Librbd,
};

/// A pool of RBD images in a Ceph cluster.
pub struct RbdStore {
    config: Arc<RbdConfig>,
    access: Arc<Access>,
    identity: Option<String>,
    run_dir: Option<PathBuf>,
}

impl RbdStore {
    /// The store that `config` and `secret` describe. Reads the files that they name; sends nothing.
    ///
    /// # Errors
    ///
    /// [`Invalid`](StoreError::Invalid) naming the setting or file.
    pub fn new(config: RbdConfig, secret: Option<&RbdSecret>) -> Result<Self> {
        let access = config.access(secret).map_err(|error| error.into_store("rbd"))?;
        choose(config.client).map_err(|error| error.into_store("rbd"))?;
        Ok(Self {
            config: Arc::new(config),
            access: Arc::new(access),
            identity: None,
            run_dir: None,
        })
    }

    /// With an identity that tells this installation from every other: after a crash it gets its disks back at once
    /// instead of when the cluster has noticed that the dead owner is gone.
    ///
    /// The caller keeps it, shows it to nobody, and sees to it that only one process of the installation opens an
    /// image for writing.
    #[must_use]
    pub fn with_identity(mut self, identity: Option<String>) -> Self {
        self.identity = identity;
        self
    }

    /// With a folder for what has to survive the process but not the machine: with it, and an identity, a new process uses
    /// the mappings again that a dead one left in the kernel.
    #[must_use]
    pub fn with_run_dir(mut self, run_dir: &Path) -> Self {
        self.run_dir = Some(run_dir.to_owned());
        self
    }

    /// The names of the cluster's pools, as far as the user may see them.
    ///
    /// # Errors
    ///
    /// Those of connecting.
    pub async fn pools(&self) -> Result<Vec<String>> {
        let pools = self.manager().pools().await;
        pools.map_err(|error| error.into_store("the cluster's pools"))
    }

    /// What manages images.
    fn manager(&self) -> Librbd {
        Librbd::new(self.config.clone(), self.access.clone(), self.identity.clone())
    }

    fn kernel(&self) -> Kernel {
        let (config, access) = (self.config.clone(), self.access.clone());
        Kernel::new(config, access, self.identity.clone(), self.run_dir.clone())
    }

    /// Opens with the kernel's client. Who else has the image only librbd knows.
    async fn open_in_kernel(&self, image: &ImageRef, options: &OpenOptions) -> crate::error::Result<Disk> {
        let (manager, name, take_over) = (self.manager(), image.image.clone(), options.take_over);
        let make_way = move || manager.make_way(&name, take_over);
        self.kernel().open(image, options, make_way).await
    }
}

/// Why this program cannot list pools and images, to choose from; `None` where it can. Images that are named can be opened all
/// the same, with the kernel's client.
#[must_use]
pub fn unavailable() -> Option<String> {
    (!cfg!(feature = "librbd")).then(|| {
        "this program was built without librbd and cannot list pools and images; name them in the configuration file, and \
         the kernel's client opens them"
            .to_owned()
    })
}

/// Which client opens images, and why that one.
fn choose(asked: ClientKind) -> crate::error::Result<(ClientKind, &'static str)> {
    match (asked, cfg!(feature = "librbd")) {
        (ClientKind::Librbd, true) => Ok((ClientKind::Librbd, "as the settings say")),
        (ClientKind::Auto, true) => Ok((ClientKind::Librbd, "since this program was built with it")),
        (ClientKind::Auto, false) => Ok((ClientKind::Kernel, "since this program was built without librbd")),
        (ClientKind::Librbd, false) => Err(RbdError::unsupported(
            "client",
            "librbd",
            "this program was built without it: use client = \"kernel\", or a program that was built with it",
        )),
        (ClientKind::Kernel, _) => Ok((ClientKind::Kernel, "as the settings say")),
    }
}

/// Checks the name of an image or of a snapshot.
fn named(what: &str, name: &str) -> Result<()> {
    check_name(what, name).map_err(|error| error.into_store(name))
}

/// The snapshot that a reference names.
fn checked(image: &ImageRef) -> Result<()> {
    named("image", &image.image)?;
    image
        .snapshot
        .as_ref()
        .map_or(Ok(()), |snapshot| named("snapshot", snapshot))
}

#[async_trait]
impl Store for RbdStore {
    fn describe(&self) -> String {
        let place = match &self.config.namespace {
            Some(namespace) => format!("{}/{namespace}", self.config.pool),
            None => self.config.pool.clone(),
        };
        // The cluster's own name where it is known: addresses of monitors come and go.
        match &self.access.fsid {
            Some(fsid) => format!("Ceph pool {place} of cluster {fsid}"),
            None => format!("Ceph pool {place} at {}", self.access.monitors),
        }
    }

    async fn list(&self) -> Result<Vec<ImageInfo>> {
        let listed = self.manager().list().await;
        listed.map_err(|error| error.into_store(&self.describe()))
    }

    async fn info(&self, image: &ImageRef) -> Result<ImageInfo> {
        checked(image)?;
        let info = match cfg!(feature = "librbd") {
            true => self.manager().info(image).await,
            false => self.kernel().info(image).await,
        };
        info.map_err(|error| error.into_store(&image.to_string()))
    }

    async fn create(&self, image: &str, options: &CreateOptions) -> Result<ImageInfo> {
        named("image", image)?;
        if let Some(format) = options.format.as_deref().filter(|format| *format != "raw") {
            let remedy = "RBD images hold nothing but the blocks: leave the format out";
            return Err(StoreError::unsupported(image, format!("the format {format}"), remedy));
        }
        check_size(image, options.size).map_err(|error| error.into_store(image))?;
        let created = self.manager().create(image, options.size).await;
        created.map_err(|error| error.into_store(image))?;
        self.info(&ImageRef::live(image)).await
    }

    async fn resize(&self, image: &str, size: u64) -> Result<ImageInfo> {
        named("image", image)?;
        check_size(image, size).map_err(|error| error.into_store(image))?;
        let resized = self.manager().resize(image, size).await;
        resized.map_err(|error| error.into_store(image))?;
        self.info(&ImageRef::live(image)).await
    }

    async fn delete(&self, image: &str, with_snapshots: bool) -> Result<()> {
        named("image", image)?;
        let deleted = self.manager().delete(image, with_snapshots).await;
        deleted.map_err(|error| error.into_store(image))
    }

    async fn open(&self, image: &ImageRef, options: &OpenOptions) -> Result<Disk> {
        checked(image)?;
        let object = image.to_string();
        let (client, _) = choose(self.config.client).map_err(|error| error.into_store(&object))?;
        let opened = match client {
            ClientKind::Kernel => self.open_in_kernel(image, options).await,
            _ => self.manager().open(image, options).await,
        };
        opened.map_err(|error| error.into_store(&object))
    }

    async fn snapshots(&self, image: &str) -> Result<Vec<Snapshot>> {
        named("image", image)?;
        let snapshots = self.manager().snapshots(image).await;
        snapshots.map_err(|error| error.into_store(image))
    }

    async fn snapshot(&self, image: &str, label: Option<&str>) -> Result<Snapshot> {
        named("image", image)?;
        label.map_or(Ok(()), |label| named("snapshot", label))?;
        let taken = self.manager().snapshot(image, label).await;
        taken.map_err(|error| error.into_store(image))
    }

    async fn restore(&self, image: &str, snapshot: &str, progress: Progress<'_>) -> Result<()> {
        named("image", image)?;
        named("snapshot", snapshot)?;
        let restored = self.manager().restore(image, snapshot, progress).await;
        restored.map_err(|error| error.into_store(image))
    }

    async fn delete_snapshot(&self, image: &str, snapshot: &str) -> Result<()> {
        named("image", image)?;
        named("snapshot", snapshot)?;
        let deleted = self.manager().delete_snapshot(image, snapshot).await;
        deleted.map_err(|error| error.into_store(image))
    }

    async fn protect(&self, image: &str, snapshot: &str) -> Result<()> {
        named("image", image)?;
        named("snapshot", snapshot)?;
        let done = self.manager().protect(image, snapshot, true).await;
        done.map_err(|error| error.into_store(image))
    }

    async fn unprotect(&self, image: &str, snapshot: &str) -> Result<()> {
        named("image", image)?;
        named("snapshot", snapshot)?;
        let done = self.manager().protect(image, snapshot, false).await;
        done.map_err(|error| error.into_store(image))
    }

    async fn clone_image(&self, image: &str, snapshot: &str, to: &str) -> Result<ImageInfo> {
        named("image", image)?;
        named("snapshot", snapshot)?;
        named("image", to)?;
        let cloned = self.manager().clone_image(image, snapshot, to).await;
        cloned.map_err(|error| error.into_store(to))?;
        self.info(&ImageRef::live(to)).await
    }

    async fn flatten(&self, image: &str, progress: Progress<'_>) -> Result<()> {
        named("image", image)?;
        let flattened = self.manager().flatten(image, progress).await;
        flattened.map_err(|error| error.into_store(image))
    }

    async fn diagnose(&self, image: Option<&str>) -> Vec<Finding> {
        let (client, finding) = match choose(self.config.client) {
            Ok((ClientKind::Kernel, why)) => (
                ClientKind::Kernel,
                Finding::good("client", format!("the kernel's, {why}")),
            ),
            Ok((client, why)) => (client, Finding::good("client", format!("librbd, {why}"))),
            Err(error) => (
                ClientKind::Auto,
                Finding::bad("client", error.to_string(), "correct `client`"),
            ),
        };
        let mut findings = vec![finding];
        if client == ClientKind::Kernel {
            findings.extend(self.kernel().diagnose(image).await);
        }
        findings.extend(self.manager().diagnose(image).await);
        findings
    }
}
