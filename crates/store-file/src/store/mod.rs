//! A folder of images.

mod copy;
mod diagnose;
mod names;

use std::{
    collections::BTreeMap,
    fs::{self, Metadata},
    os::linux::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use block::{
    BlockError, Disk,
    store::{CreateOptions, Finding, ImageInfo, ImageRef, OpenOptions, Progress, Result, Snapshot, Store, StoreError},
};
use time::OffsetDateTime;
use tokio::task::spawn_blocking;

use crate::{FileDevice, image, lock};

use copy::{Cancel, Copy, Existing};
use names::SnapshotName;

/// The images of one folder: each regular file in it is one, under its own name.
///
/// Snapshots are files beside it, named `image@time` or `image@time+label`. They are clones that share all blocks with
/// their image where the file system can do that (btrfs, XFS, bcachefs), else sparse copies, for which nobody may be
/// writing to the image. Files whose names start with a dot are left alone.
#[derive(Debug, Clone)]
pub struct FileStore {
    folder: PathBuf,
}

impl FileStore {
    /// The folder need not exist yet; [`diagnose`](Store::diagnose) tells whether it can be used.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn image(&self, name: &str) -> Result<PathBuf> {
        names::check_image(name)?;
        Ok(self.folder.join(name))
    }

    /// The file of an image or of one of its snapshots.
    async fn path(&self, image: &ImageRef) -> Result<PathBuf> {
        let path = self.image(&image.image)?;
        let Some(id) = image.snapshot.clone() else {
            return Ok(path);
        };
        let (folder, image) = (self.folder.clone(), image.clone());
        blocking(&self.folder, move || {
            let found = snapshot_names(&folder, &image.image)?
                .into_iter()
                .find(|name| name.id == id);
            found
                .map(|name| folder.join(name.file_name()))
                .ok_or_else(|| no_snapshot(&image))
        })
        .await
    }
}

/// Runs what waits for the disk on a thread for it.
async fn blocking<T: Send + 'static>(folder: &Path, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(BlockError::io(&folder.display().to_string(), error.to_string()).into()),
    }
}

fn no_snapshot(image: &ImageRef) -> StoreError {
    StoreError::not_found(
        image.to_string(),
        format!("list the snapshots of {} for those there are", image.image),
    )
}

/// The names in a folder.
fn entries(folder: &Path) -> Result<Vec<String>> {
    let name = folder.display().to_string();
    let list = || {
        fs::read_dir(folder)?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<std::io::Result<Vec<_>>>()
    };
    let names = list().map_err(|error| image::failed(&name, "cannot list it", &error))?;
    // A name that is not UTF-8 cannot be given on any command line here; such files are not ours.
    Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

/// The snapshots of an image, oldest first.
fn snapshot_names(folder: &Path, image: &str) -> Result<Vec<SnapshotName>> {
    let mut names: Vec<_> = entries(folder)?
        .iter()
        .filter_map(|name| SnapshotName::parse(name))
        .filter(|name| name.image == image)
        .collect();
    names.sort();
    Ok(names)
}

fn image_info(name: &str, path: &Path) -> Result<ImageInfo> {
    let metadata = fs::metadata(path).map_err(|error| image::failed(name, "cannot look at it", &error))?;
    if !metadata.is_file() {
        return Err(StoreError::invalid(name, "is no regular file"));
    }
    let mut details = BTreeMap::new();
    details.insert("path".to_owned(), path.display().to_string());
    if let Some(device) = lock::loop_device(path) {
        details.insert("loop_device".to_owned(), device.display().to_string());
    }
    Ok(ImageInfo {
        name: name.to_owned(),
        size: metadata.len(),
        // st_blocks has units of 512 bytes whatever the file system (stat(2)).
        allocated: Some(metadata.st_blocks() * 512),
        format: "raw".to_owned(),
        owner: lock::holder(&metadata),
        modified: metadata.modified().ok().map(OffsetDateTime::from),
        details,
    })
}

/// Opens an image to change it as a whole; nobody else may have it.
fn claim(path: &Path) -> Result<image::Image> {
    let claimed = image::open(path, &OpenOptions::default())?;
    if claimed.read_only {
        return Err(BlockError::read_only(&path.display().to_string()).into());
    }
    Ok(claimed)
}

fn remove(path: &Path) -> Result<()> {
    let name = path.display().to_string();
    fs::remove_file(path)
        .and_then(|()| image::sync_folder(path))
        .map_err(|error| image::failed(&name, "cannot delete it", &error))
}

fn snapshot_of(folder: &Path, name: &SnapshotName) -> Snapshot {
    let metadata = fs::metadata(folder.join(name.file_name())).ok();
    Snapshot {
        id: name.id.clone(),
        label: name.label.clone(),
        created: names::time_of(&name.id),
        size: metadata.as_ref().map(Metadata::len),
    }
}

#[async_trait]
impl Store for FileStore {
    fn describe(&self) -> String {
        format!("folder {}", self.folder.display())
    }

    async fn list(&self) -> Result<Vec<ImageInfo>> {
        let folder = self.folder.clone();
        blocking(&self.folder, move || {
            let mut names = entries(&folder)?;
            names.retain(|name| names::check_image(name).is_ok());
            names.sort();
            // A file may vanish meanwhile, and folders are none of ours.
            Ok(names
                .iter()
                .filter_map(|name| image_info(name, &folder.join(name)).ok())
                .collect())
        })
        .await
    }

    async fn info(&self, image: &ImageRef) -> Result<ImageInfo> {
        let (path, name) = (self.path(image).await?, image.to_string());
        blocking(&self.folder, move || image_info(&name, &path)).await
    }

    async fn create(&self, image: &str, options: &CreateOptions) -> Result<ImageInfo> {
        let (path, name, options) = (self.image(image)?, image.to_owned(), options.clone());
        blocking(&self.folder, move || {
            image::create(&path, &options)?;
            image_info(&name, &path)
        })
        .await
    }

    async fn resize(&self, image: &str, size: u64) -> Result<ImageInfo> {
        let (path, name) = (self.image(image)?, image.to_owned());
        blocking(&self.folder, move || {
            let claimed = claim(&path)?;
            image::check_size(&name, size)?;
            let resized = claimed.file.set_len(size).and_then(|()| claimed.file.sync_all());
            resized.map_err(|error| image::failed(&name, &format!("cannot resize to {size} bytes"), &error))?;
            drop(claimed);
            image_info(&name, &path)
        })
        .await
    }

    async fn delete(&self, image: &str, with_snapshots: bool) -> Result<()> {
        let (path, name, folder) = (self.image(image)?, image.to_owned(), self.folder.clone());
        blocking(&self.folder, move || {
            let _claimed = claim(&path)?;
            let snapshots = snapshot_names(&folder, &name)?;
            if !with_snapshots && !snapshots.is_empty() {
                let detail = format!(
                    "has {} snapshots; delete them first, or together with it",
                    snapshots.len()
                );
                return Err(StoreError::invalid(name, detail));
            }
            for snapshot in snapshots {
                remove(&folder.join(snapshot.file_name()))?;
            }
            remove(&path)
        })
        .await
    }

    async fn open(&self, image: &ImageRef, options: &OpenOptions) -> Result<Disk> {
        let path = self.path(image).await?;
        let options = OpenOptions {
            read_only: options.read_only || image.snapshot.is_some(),
            ..options.clone()
        };
        Ok(Arc::new(FileDevice::open(path, &options).await?))
    }

    async fn snapshots(&self, image: &str) -> Result<Vec<Snapshot>> {
        let (path, name, folder) = (self.image(image)?, image.to_owned(), self.folder.clone());
        blocking(&self.folder, move || {
            let names = snapshot_names(&folder, &name)?;
            if names.is_empty() {
                // Of an image that never was there are none either, but that is another answer.
                image_info(&name, &path)?;
            }
            Ok(names.iter().map(|name| snapshot_of(&folder, name)).collect())
        })
        .await
    }

    async fn snapshot(&self, image: &str, label: Option<&str>) -> Result<Snapshot> {
        let path = self.image(image)?;
        let name = SnapshotName::now(image, label)?;
        let folder = self.folder.clone();
        let cancel = Cancel::default();
        let _stop = cancel.guard();
        blocking(&self.folder, move || {
            let copy = Copy {
                source: &path,
                target: &folder.join(name.file_name()),
                existing: Existing::Keep,
                cancel: &cancel,
                progress: &|_, _| {},
            };
            copy.run()?;
            Ok(snapshot_of(&folder, &name))
        })
        .await
    }

    async fn restore(&self, image: &str, snapshot: &str, progress: Progress<'_>) -> Result<()> {
        let target = self.image(image)?;
        let reference = ImageRef {
            image: image.to_owned(),
            snapshot: Some(snapshot.to_owned()),
        };
        let source = self.path(&reference).await?;
        let cancel = Cancel::default();
        let _stop = cancel.guard();
        let (told, mut steps) = tokio::sync::watch::channel((0, 0));
        let work = blocking(&self.folder, move || {
            let _claimed = claim(&target)?;
            let copy = Copy {
                source: &source,
                target: &target,
                existing: Existing::Replace,
                cancel: &cancel,
                progress: &|done, all| {
                    told.send_replace((done, all));
                },
            };
            copy.run()
        });
        tokio::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => return result,
                Ok(()) = steps.changed() => {
                    let (done, all) = *steps.borrow_and_update();
                    progress(done, all);
                }
            }
        }
    }

    async fn delete_snapshot(&self, image: &str, snapshot: &str) -> Result<()> {
        let reference = ImageRef {
            image: image.to_owned(),
            snapshot: Some(snapshot.to_owned()),
        };
        let path = self.path(&reference).await?;
        blocking(&self.folder, move || {
            let metadata = fs::metadata(&path);
            if let Some(owner) = metadata.ok().as_ref().and_then(lock::holder) {
                return Err(StoreError::in_use(reference.to_string(), owner, "close it there first"));
            }
            remove(&path)
        })
        .await
    }

    async fn diagnose(&self, image: Option<&str>) -> Vec<Finding> {
        let (folder, image) = (self.folder.clone(), image.map(str::to_owned));
        let checked = spawn_blocking(move || diagnose::folder(&folder, image.as_deref())).await;
        checked.unwrap_or_else(|error| vec![Finding::bad("folder", error.to_string(), "try again")])
    }
}
