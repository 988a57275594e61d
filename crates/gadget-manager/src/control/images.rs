//! Images in configured stores.

use async_trait::async_trait;
use block::store::{CreateOptions, ImageInfo, ImageRef, OpenOptions, SharedStore, StoreError};
use volume::{FileSystem, FormatError, FormatOptions, Table};
use web::{
    api::{Filesystem, Image, NewImage, NewSnapshot, PartitionTable, Problem, ProblemCode, Resize, Snapshot, Unit},
    appliance::{Images, Report, Result},
};

use super::{Control, problem};
use crate::{
    config::Loaded,
    daemon::{Suspended, limits},
    stack::{self, ImageLock},
};

/// How long writing out what the host has written may take before a snapshot.
const WRITE_OUT: std::time::Duration = std::time::Duration::from_secs(60);

/// An image that was made and is not finished: deleted unless it is.
struct Unfinished {
    store: Option<SharedStore>,
    image: String,
}

impl Unfinished {
    fn keep(mut self) {
        self.store = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(store) = self.store.take() else { return };
        let image = std::mem::take(&mut self.image);
        // A task that is cancelled is dropped; what it began has to be undone all the same.
        tokio::spawn(async move {
            if let Err(error) = store.delete(&image, false).await {
                tracing::warn!(image, "was begun and cannot be deleted: {error}");
            }
        });
    }
}

fn of_store(error: StoreError) -> Problem {
    problem::of_store(&error)
}

/// The file system that was asked for.
fn format_options(filesystem: &Filesystem) -> Option<FormatOptions> {
    let (file_system, label, table) = match filesystem {
        Filesystem::None => return None,
        Filesystem::Fat { label, table } => (FileSystem::Fat, label, table),
        Filesystem::Exfat { label, table } => (FileSystem::ExFat, label, table),
    };
    Some(FormatOptions {
        table: match table {
            PartitionTable::Mbr => Table::Mbr,
            PartitionTable::None => Table::None,
        },
        label: Some(label.clone()).filter(|label| !label.trim().is_empty()),
        ..FormatOptions::new(file_system)
    })
}

fn of_format(error: FormatError) -> Problem {
    match error {
        FormatError::Block(error) => problem::of_block(&error),
        error @ FormatError::Label { .. } => {
            Problem::new(ProblemCode::Invalid, error.to_string()).at("/filesystem/label")
        }
        error => Problem::new(ProblemCode::Invalid, error.to_string()).at("/size"),
    }
}

fn snapshot_seen(snapshot: block::store::Snapshot) -> Snapshot {
    Snapshot {
        id: snapshot.id,
        label: snapshot.label,
        created: snapshot.created,
        size: snapshot.size,
    }
}

impl Control {
    fn store(&self, name: &str) -> Result<(std::sync::Arc<Loaded>, SharedStore)> {
        let loaded = self.handle.view().loaded.clone();
        if !loaded.config.stores.iter().any(|store| store.name == name) {
            return Err(problem::not_found("store", name));
        }
        let store = stack::store(&loaded, name).map_err(of_store)?;
        Ok((loaded, store))
    }

    fn seen(loaded: &Loaded, store: &str, info: ImageInfo) -> Image {
        Image {
            disk: disk_of(loaded, store, &info.name, None),
            name: info.name,
            size: info.size,
            allocated: info.allocated,
            format: info.format,
            owner: info.owner,
            modified: info.modified,
            details: info.details,
        }
    }

    /// Closes the disks that serve an image, until what this returns is dropped.
    async fn suspend(&self, loaded: &Loaded, store: &str, image: &str) -> Option<Suspended> {
        let disk = disk_of(loaded, store, image, None)?;
        Some(self.handle.suspend(&disk).await)
    }

    /// Writes out what the host has written to a disk, as far as its store.
    async fn write_out(&self, disk: &str) -> Result<()> {
        let view = self.handle.view();
        let Some(state) = view.disk(disk) else { return Ok(()) };
        let (medium, stack) = {
            let state = state.borrow();
            let medium = state.medium.as_ref().map(|medium| medium.path().to_owned());
            (medium, state.stack.clone())
        };
        if let Some(device) = medium {
            limits::write_out(&device, WRITE_OUT)
                .await
                .map_err(|error| problem::internal(format!("not everything could be written: {error}")))?;
        }
        match stack {
            Some(stack) => stack.disk.flush().await.map_err(|error| problem::of_block(&error)),
            None => Ok(()),
        }
    }
}

/// The disk that serves an image, or a snapshot of it.
fn disk_of(loaded: &Loaded, store: &str, image: &str, snapshot: Option<&str>) -> Option<String> {
    let wanted = ImageRef {
        image: image.to_owned(),
        snapshot: snapshot.map(str::to_owned),
    };
    let found = loaded.config.disks.iter().find(|disk| {
        let in_store = disk.store.as_ref().is_some_and(|known| known.get_ref() == store);
        let named = disk
            .image
            .as_ref()
            .and_then(|image| image.get_ref().parse::<ImageRef>().ok());
        in_store && named.as_ref() == Some(&wanted)
    });
    found.map(|disk| disk.name.get_ref().clone())
}

#[async_trait]
impl Images for Control {
    async fn images(&self, store: &str) -> Result<Vec<Image>> {
        let (loaded, images) = self.store(store)?;
        let list = images.list().await.map_err(of_store)?;
        Ok(list.into_iter().map(|info| Self::seen(&loaded, store, info)).collect())
    }

    async fn image(&self, store: &str, image: &str) -> Result<Image> {
        let (loaded, images) = self.store(store)?;
        let image = image.parse().map_err(of_store)?;
        let info = images.info(&image).await.map_err(of_store)?;
        Ok(Self::seen(&loaded, store, info))
    }

    async fn create_image(&self, store: &str, image: NewImage, report: Report<'_>) -> Result<Image> {
        let (loaded, images) = self.store(store)?;
        let format = format_options(&image.filesystem);
        // What cannot be is refused before there is an image.
        if let Some(format) = &format {
            volume::check(image.size, format).map_err(of_format)?;
        }
        let name: ImageRef = image.name.parse().map_err(of_store)?;
        if name.snapshot.is_some() {
            return Err(Problem::new(ProblemCode::Invalid, "the name of an image has no @ in it").at("/name"));
        }
        let options = CreateOptions {
            size: image.size,
            format: image.format.filter(|format| format != "raw"),
        };
        let info = images.create(&name.image, &options).await.map_err(of_store)?;
        let Some(format) = format else {
            return Ok(Self::seen(&loaded, store, info));
        };
        let unfinished = Unfinished {
            store: Some(images.clone()),
            image: name.image.clone(),
        };
        let lock = ImageLock::take_to_change(&loaded.config, &images, &name.image).map_err(of_store)?;
        let disk = images.open(&name, &OpenOptions::default()).await.map_err(of_store)?;
        let made = volume::format(&*disk, &format, &|done, all| report(done, all, Unit::Bytes)).await;
        // Ownership is given up in any case; if formatting failed, that is the error to tell.
        let closed = disk.close().await;
        drop((disk, lock));
        made.map_err(of_format)?;
        closed.map_err(|error| problem::of_block(&error))?;
        unfinished.keep();
        let info = images.info(&name).await.map_err(of_store)?;
        Ok(Self::seen(&loaded, store, info))
    }

    async fn resize_image(&self, store: &str, image: &str, size: Resize, _: Report<'_>) -> Result<Image> {
        let (loaded, images) = self.store(store)?;
        let name: ImageRef = image.parse().map_err(of_store)?;
        let before = images.info(&name).await.map_err(of_store)?;
        let shrinks = size.size < before.size;
        if shrinks && !size.shrink {
            return Err(
                Problem::new(ProblemCode::Invalid, format!("{} bytes are less than now", size.size))
                    .remedy("shrinking cuts off what lies beyond: it has to be asked for")
                    .at("/size"),
            );
        }
        let open = disk_of(&loaded, store, image, None).and_then(|disk| {
            let view = self.handle.view();
            let stack = view.disk(&disk)?.borrow().stack.clone()?;
            (!stack.disk.properties().read_only).then_some(stack)
        });
        match open {
            // The host sees a new medium; nothing it wrote can be cut off.
            Some(stack) if !shrinks => stack
                .disk
                .resize(size.size)
                .await
                .map_err(|error| problem::of_block(&error))?,
            stack => {
                drop(stack);
                let _suspended = self.suspend(&loaded, store, image).await;
                let _lock = ImageLock::take_to_change(&loaded.config, &images, image).map_err(of_store)?;
                images.resize(image, size.size).await.map_err(of_store)?;
            }
        }
        let info = images.info(&name).await.map_err(of_store)?;
        Ok(Self::seen(&loaded, store, info))
    }

    async fn delete_image(&self, store: &str, image: &str, _: Report<'_>) -> Result<()> {
        let (loaded, images) = self.store(store)?;
        let used = loaded.config.disks.iter().find(|disk| {
            let in_store = disk.store.as_ref().is_some_and(|known| known.get_ref() == store);
            let named = disk
                .image
                .as_ref()
                .and_then(|image| image.get_ref().parse::<ImageRef>().ok());
            in_store && named.is_some_and(|named| named.image == image)
        });
        if let Some(disk) = used {
            let detail = format!("disk \"{}\" is made of \"{image}\"", disk.name.get_ref());
            return Err(Problem::new(ProblemCode::Conflict, detail)
                .remedy("remove the disk first")
                .about(image));
        }
        let _lock = ImageLock::take_to_change(&loaded.config, &images, image).map_err(of_store)?;
        images.delete(image, true).await.map_err(of_store)
    }

    async fn snapshots(&self, store: &str, image: &str) -> Result<Vec<Snapshot>> {
        let (_, images) = self.store(store)?;
        let list = images.snapshots(image).await.map_err(of_store)?;
        Ok(list.into_iter().map(snapshot_seen).collect())
    }

    async fn take_snapshot(&self, store: &str, image: &str, new: NewSnapshot, _: Report<'_>) -> Result<Snapshot> {
        let (loaded, images) = self.store(store)?;
        let label = new.label.filter(|label| !label.trim().is_empty());
        let disk = disk_of(&loaded, store, image, None);
        if let Some(disk) = &disk {
            self.write_out(disk).await?;
        }
        let taken = images.snapshot(image, label.as_deref()).await;
        let taken = match (taken, &disk) {
            // Where a snapshot is a copy, nobody may write meanwhile: not we either.
            (Err(StoreError::InUse { .. }), Some(disk)) => {
                let _suspended = self.handle.suspend(disk).await;
                images.snapshot(image, label.as_deref()).await
            }
            (taken, _) => taken,
        };
        taken.map(snapshot_seen).map_err(of_store)
    }

    async fn restore_snapshot(&self, store: &str, image: &str, snapshot: &str, report: Report<'_>) -> Result<()> {
        let (loaded, images) = self.store(store)?;
        let known = images.snapshots(image).await.map_err(of_store)?;
        if !known.iter().any(|known| known.id == snapshot) {
            return Err(problem::not_found("snapshot", snapshot));
        }
        let _suspended = self.suspend(&loaded, store, image).await;
        let _lock = ImageLock::take_to_change(&loaded.config, &images, image).map_err(of_store)?;
        let progress = |done, all| report(done, all, Unit::Bytes);
        images.restore(image, snapshot, &progress).await.map_err(of_store)
    }

    async fn delete_snapshot(&self, store: &str, image: &str, snapshot: &str) -> Result<()> {
        let (loaded, images) = self.store(store)?;
        if let Some(disk) = disk_of(&loaded, store, image, Some(snapshot)) {
            return Err(Problem::new(
                ProblemCode::Conflict,
                format!("disk \"{disk}\" is made of this snapshot"),
            )
            .remedy("remove the disk first")
            .about(snapshot));
        }
        images.delete_snapshot(image, snapshot).await.map_err(of_store)
    }
}
