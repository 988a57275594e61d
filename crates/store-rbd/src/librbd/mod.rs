//! The client in user space: librbd.
//!
//! From the bottom up: `sys` declares what C offers, `cluster` connects, `image`, `snapshots`, `locks`, `extents` are safe
//! functions that block, `completion` and `io` are requests that do not, `ownership` makes an image ours, `device` is the
//! disk, and this file manages images, each operation through a connection of its own whose every step ends in time.

mod closing;
mod cluster;
mod completion;
mod device;
mod diagnose;
mod extents;
mod image;
mod io;
mod locks;
mod ownership;
mod progress;
mod snapshots;
mod sys;
mod threads;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use block::{
    Disk,
    store::{Finding, ImageInfo, ImageRef, OpenOptions, Progress, Snapshot},
};
use time::OffsetDateTime;
use tokio::time::timeout;

use crate::{
    access::Access,
    config::RbdConfig,
    error::{RbdError, Result},
    features::Features,
};

use cluster::{Cluster, Pool, Purpose};
use device::{Opened, RbdDisk, Way};
use image::Image;
use ownership::{Claim, Record};
use progress::{Report, with_progress};
use snapshots::Making;
use threads::{Thread, spawn};

/// Images of a pool, managed and opened through librbd.
#[derive(Clone)]
pub(crate) struct Librbd {
    config: Arc<RbdConfig>,
    access: Arc<Access>,
    identity: Option<String>,
}

impl Librbd {
    pub(crate) fn new(config: Arc<RbdConfig>, access: Arc<Access>, identity: Option<String>) -> Self {
        Self {
            config,
            access,
            identity,
        }
    }

    fn connect(&self, purpose: fn(Duration) -> Purpose) -> Result<Arc<Pool>> {
        let cluster = Cluster::connect(&self.access, purpose(self.config.deadline()))?;
        let pool = cluster.pool(&self.config.pool, self.config.namespace.as_deref())?;
        Ok(Arc::new(pool))
    }

    /// Runs something that blocks on a thread, with a connection of its own. Not for what takes long with a large image.
    async fn manage<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self, &Arc<Pool>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let client = self.clone();
        let thread = spawn(move || {
            let pool = client.connect(Purpose::Manage)?;
            work(&client, &pool)
        });
        self.in_time(thread).await
    }

    /// Every step ends in time by itself; this is for the steps of librbd that do not.
    async fn in_time<T>(&self, thread: Thread<T>) -> Result<T> {
        let limit = self.config.deadline() * 4;
        match timeout(limit, thread).await {
            Ok(ended) => ended,
            Err(_) => Err(RbdError::unreachable(
                format!("pool {}", self.place()),
                format!("the cluster did not finish this within {limit:?}; it may do so yet"),
            )),
        }
    }

    /// As [`manage`](Self::manage), telling how far it is.
    async fn manage_slowly<T: Send + 'static>(
        &self,
        progress: Progress<'_>,
        work: impl FnOnce(&Self, &Arc<Pool>, &Report) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let client = self.clone();
        let start = |report: Report| {
            spawn(move || {
                let pool = client.connect(Purpose::Manage)?;
                work(&client, &pool, &report)
            })
        };
        with_progress(progress, start).await
    }

    fn claim(&self, take_over: bool) -> Claim {
        Claim {
            owner: self.config.owner_name(),
            identity: self.identity.clone(),
            take_over,
        }
    }

    fn making(&self) -> Result<Making> {
        Ok(Making {
            features: self.config.features()?.map(|features| features.0),
            order: self.config.object_size.map(|size| u64::from(size.trailing_zeros())),
            data_pool: self.config.data_pool.clone(),
        })
    }

    pub(crate) async fn pools(&self) -> Result<Vec<String>> {
        let client = self.clone();
        let thread = spawn(move || {
            let cluster = Cluster::connect(&client.access, Purpose::Manage(client.config.deadline()))?;
            let mut pools = cluster.pools()?;
            pools.retain(|name| !name.starts_with('.'));
            pools.sort();
            Ok(pools)
        });
        self.in_time(thread).await
    }

    pub(crate) async fn list(&self) -> Result<Vec<ImageInfo>> {
        self.manage(|_, pool| {
            let mut infos = Vec::new();
            for name in pool.images()? {
                match Image::open(pool, &name, None, false).and_then(|image| info(&image, &name, false)) {
                    Ok(info) => infos.push(info),
                    // Deleted meanwhile.
                    Err(RbdError::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            infos.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(infos)
        })
        .await
    }

    pub(crate) async fn info(&self, image: &ImageRef) -> Result<ImageInfo> {
        let image = image.clone();
        self.manage(move |_, pool| {
            let opened = Image::open(pool, &image.image, image.snapshot.as_deref(), false)?;
            info(&opened, &image.image, true)
        })
        .await
    }

    pub(crate) async fn create(&self, image: &str, size: u64) -> Result<()> {
        let name = image.to_owned();
        self.manage(move |client, pool| pool.create(&name, size, &client.making()?))
            .await
    }

    pub(crate) async fn resize(&self, image: &str, size: u64) -> Result<()> {
        let name = image.to_owned();
        self.manage_slowly(&|_, _| {}, move |client, pool, _| {
            let owned = ownership::own(pool, &name, &client.claim(false))?;
            let resized = owned.image.resize(size);
            resized.and(ownership::give_up(&owned.image, owned.generation))
        })
        .await
    }

    pub(crate) async fn delete(&self, image: &str, with_snapshots: bool) -> Result<()> {
        let name = image.to_owned();
        self.manage_slowly(&|_, _| {}, move |_, pool, _| {
            {
                let opened = Image::open(pool, &name, None, with_snapshots)?;
                if let Some(owner) = ownership::describe(&opened)? {
                    return Err(opened.in_use(&owner));
                }
                let snapshots = opened.snapshots()?;
                if !snapshots.is_empty() && !with_snapshots {
                    let detail = format!("has {} snapshots; delete them too (--with-snapshots)", snapshots.len());
                    return Err(RbdError::invalid(opened.name(), detail));
                }
                for snapshot in &snapshots {
                    opened.unprotect(&snapshot.name)?;
                    opened.remove_snapshot(&snapshot.name)?;
                }
                opened.close()?;
            }
            pool.remove(&name)
        })
        .await
    }

    pub(crate) async fn snapshots(&self, image: &str) -> Result<Vec<Snapshot>> {
        let name = image.to_owned();
        self.manage(move |_, pool| {
            let opened = Image::open(pool, &name, None, false)?;
            let mut all = Vec::new();
            for snapshot in opened.snapshots()? {
                let protected = opened.is_protected(&snapshot.name)?;
                all.push(Snapshot {
                    label: protected.then(|| "protected".to_owned()),
                    id: snapshot.name,
                    created: snapshot.created,
                    size: Some(snapshot.size),
                });
            }
            Ok(all)
        })
        .await
    }

    pub(crate) async fn snapshot(&self, image: &str, label: Option<&str>) -> Result<Snapshot> {
        let snapshot = label.map_or_else(name_of_now, str::to_owned);
        let name = image.to_owned();
        self.manage(move |_, pool| {
            let opened = Image::open(pool, &name, None, true)?;
            opened.take_snapshot(&snapshot)?;
            let found = opened.snapshots()?.into_iter().find(|known| known.name == snapshot);
            Ok(Snapshot {
                created: found.as_ref().and_then(|found| found.created),
                size: found.map(|found| found.size),
                id: snapshot,
                label: None,
            })
        })
        .await
    }

    pub(crate) async fn restore(&self, image: &str, snapshot: &str, progress: Progress<'_>) -> Result<()> {
        let (name, snapshot) = (image.to_owned(), snapshot.to_owned());
        self.manage_slowly(progress, move |client, pool, report| {
            let owned = ownership::own(pool, &name, &client.claim(false))?;
            let restored = owned.image.roll_back(&snapshot, report);
            restored.and(ownership::give_up(&owned.image, owned.generation))
        })
        .await
    }

    /// Does something to an image that anybody may do, whoever owns it.
    async fn change(&self, image: &str, work: impl FnOnce(&Image) -> Result<()> + Send + 'static) -> Result<()> {
        let name = image.to_owned();
        self.manage(move |_, pool| {
            let opened = Image::open(pool, &name, None, true)?;
            work(&opened)
        })
        .await
    }

    pub(crate) async fn delete_snapshot(&self, image: &str, snapshot: &str) -> Result<()> {
        let snapshot = snapshot.to_owned();
        self.change(image, move |image| image.remove_snapshot(&snapshot)).await
    }

    pub(crate) async fn protect(&self, image: &str, snapshot: &str, protect: bool) -> Result<()> {
        let snapshot = snapshot.to_owned();
        let work = move |image: &Image| match protect {
            true => image.protect(&snapshot),
            false => image.unprotect(&snapshot),
        };
        self.change(image, work).await
    }

    pub(crate) async fn clone_image(&self, image: &str, snapshot: &str, to: &str) -> Result<()> {
        let (image, snapshot, to) = (image.to_owned(), snapshot.to_owned(), to.to_owned());
        self.manage(move |client, pool| pool.clone_image(&image, &snapshot, &to, &client.making()?))
            .await
    }

    pub(crate) async fn flatten(&self, image: &str, progress: Progress<'_>) -> Result<()> {
        let name = image.to_owned();
        self.manage_slowly(progress, move |_, pool, report| {
            let opened = Image::open(pool, &name, None, true)?;
            opened.flatten(report)
        })
        .await
    }

    /// Sees to it that another client of ours can own the image: blocks.
    pub(crate) fn make_way(&self, image: &str, take_over: bool) -> Result<()> {
        let pool = self.connect(Purpose::Manage)?;
        ownership::make_way(&pool, image, &self.claim(take_over))
    }

    /// Opens an image as a disk, through a connection of its own: whoever is blocklisted loses one disk, not all.
    pub(crate) async fn open(&self, image: &ImageRef, options: &OpenOptions) -> Result<Disk> {
        let (image, options) = (image.clone(), options.clone());
        let name = format!("{}/{image}", self.place());
        // The requests of a disk wait for the cluster for ever. Whether it answers now is found out by one that does not.
        self.is_answered(&image.image, image.snapshot.as_deref()).await?;
        let way = Way {
            client: self.clone(),
            image: image.image.clone(),
            snapshot: image.snapshot.clone(),
        };
        let thread = self.serve(move |client, pool| {
            let opened = match image.snapshot.is_some() || options.read_only {
                true => Opened::Reader(Image::open(pool, &image.image, image.snapshot.as_deref(), false)?),
                false => Opened::Owned(ownership::own(pool, &image.image, &client.claim(options.take_over))?),
            };
            RbdDisk::new(&name, opened, client.config.concurrency)
        });
        // What is opened later than that is dropped, and closed by it.
        let disk = self.in_time(thread).await?;
        Ok(Arc::new(disk.keep(way)))
    }

    /// Whether a new client gets answers about an image, within the deadline.
    async fn is_answered(&self, image: &str, snapshot: Option<&str>) -> Result<()> {
        let (image, snapshot) = (image.to_owned(), snapshot.map(str::to_owned));
        self.manage(move |_, pool| Image::open(pool, &image, snapshot.as_deref(), false)?.size().map(drop))
            .await
    }

    /// Runs something that blocks, for as long as the cluster takes, on a thread with the connection of a disk.
    fn serve<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self, &Arc<Pool>) -> Result<T> + Send + 'static,
    ) -> Thread<T> {
        let client = self.clone();
        spawn(move || work(&client, &client.connect(Purpose::Serve)?))
    }

    /// `pool` or `pool/namespace`.
    fn place(&self) -> String {
        match &self.config.namespace {
            Some(namespace) => format!("{}/{namespace}", self.config.pool),
            None => self.config.pool.clone(),
        }
    }

    pub(crate) async fn diagnose(&self, image: Option<&str>) -> Vec<Finding> {
        diagnose::diagnose(self, image).await
    }
}

/// A name for a snapshot that was given none.
fn name_of_now() -> String {
    let now = OffsetDateTime::now_utc();
    format!(
        "{}-{:02}-{:02}T{:02}-{:02}-{:02}.{:03}Z",
        now.year(),
        u8::from(now.month()),
        now.day(),
        now.hour(),
        now.minute(),
        now.second(),
        now.millisecond()
    )
}

/// What is known of an open image; how much space it takes is asked for only if the cluster knows that by itself.
fn info(image: &Image, name: &str, thorough: bool) -> Result<ImageInfo> {
    let size = image.size()?;
    let features = image.features()?;
    let mut details = BTreeMap::from([
        ("features".to_owned(), features.to_string()),
        ("object size".to_owned(), image.object_size()?.to_string()),
    ]);
    let record = Record::of(image)?;
    if record.generation > 0 {
        details.insert("generation".to_owned(), record.generation.to_string());
    }
    let mut allocated = None;
    if thorough {
        details.insert("id".to_owned(), image.id()?);
        if let Some(parent) = image.parent()? {
            details.insert("parent".to_owned(), parent);
        }
        if let Some(pool) = image.data_pool() {
            details.insert("data pool".to_owned(), format!("number {pool}"));
        }
        if features.contains(Features::EXCLUSIVE_LOCK) {
            let watchers = image.watchers()?;
            details.insert("open by".to_owned(), format!("{} clients", watchers.len()));
        }
        if image.has_fast_diff()? {
            allocated = Some(extents::allocated(image, size)?);
        }
    }
    Ok(ImageInfo {
        name: name.to_owned(),
        size,
        allocated,
        format: "raw".to_owned(),
        owner: ownership::describe(image)?,
        modified: image.modified(),
        details,
    })
}
