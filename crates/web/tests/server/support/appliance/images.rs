//! Images, in a folder.

use async_trait::async_trait;
use block::store::{CreateOptions, Store as _, StoreError};
use web::{
    api::*,
    appliance::{Images, Report, Result},
};

use super::Fake;

fn problem(error: StoreError) -> Problem {
    let code = match &error {
        StoreError::NotFound { .. } => ProblemCode::NotFound,
        StoreError::AlreadyExists { .. } => ProblemCode::AlreadyExists,
        StoreError::InUse { .. } => ProblemCode::InUse,
        StoreError::Invalid { .. } => ProblemCode::Invalid,
        StoreError::Unsupported { .. } => ProblemCode::Unsupported,
        StoreError::Block(_) => ProblemCode::Unreachable,
    };
    Problem::new(code, error.to_string())
}

fn seen(info: block::store::ImageInfo) -> Image {
    Image {
        name: info.name,
        size: info.size,
        allocated: info.allocated,
        format: info.format,
        owner: info.owner,
        modified: info.modified,
        disk: None,
        details: info.details,
    }
}

fn seen_snapshot(snapshot: block::store::Snapshot) -> Snapshot {
    Snapshot {
        id: snapshot.id,
        label: snapshot.label,
        created: snapshot.created,
        size: snapshot.size,
    }
}

#[async_trait]
impl Images for Fake {
    async fn images(&self, store: &str) -> Result<Vec<Image>> {
        self.only(store)?;
        let images = self.images.list().await.map_err(problem)?;
        Ok(images.into_iter().map(seen).collect())
    }

    async fn image(&self, store: &str, image: &str) -> Result<Image> {
        self.only(store)?;
        self.images
            .info(&image.parse().map_err(problem)?)
            .await
            .map(seen)
            .map_err(problem)
    }

    async fn create_image(&self, store: &str, image: NewImage, report: Report<'_>) -> Result<Image> {
        self.only(store)?;
        report(0, image.size, Unit::Bytes);
        let options = CreateOptions {
            size: image.size,
            format: image.format,
        };
        let made = self.images.create(&image.name, &options).await.map_err(problem)?;
        report(image.size, image.size, Unit::Bytes);
        Ok(seen(made))
    }

    async fn resize_image(&self, store: &str, image: &str, size: Resize, _: Report<'_>) -> Result<Image> {
        self.only(store)?;
        self.images.resize(image, size.size).await.map(seen).map_err(problem)
    }

    async fn delete_image(&self, store: &str, image: &str, _: Report<'_>) -> Result<()> {
        self.only(store)?;
        self.images.delete(image, true).await.map_err(problem)
    }

    async fn snapshots(&self, store: &str, image: &str) -> Result<Vec<Snapshot>> {
        self.only(store)?;
        let snapshots = self.images.snapshots(image).await.map_err(problem)?;
        Ok(snapshots.into_iter().map(seen_snapshot).collect())
    }

    async fn take_snapshot(&self, store: &str, image: &str, new: NewSnapshot, _: Report<'_>) -> Result<Snapshot> {
        self.only(store)?;
        let taken = self.images.snapshot(image, new.label.as_deref()).await;
        taken.map(seen_snapshot).map_err(problem)
    }

    async fn restore_snapshot(&self, store: &str, image: &str, snapshot: &str, report: Report<'_>) -> Result<()> {
        self.only(store)?;
        let progress = |done, total| report(done, total, Unit::Bytes);
        self.images.restore(image, snapshot, &progress).await.map_err(problem)
    }

    async fn delete_snapshot(&self, store: &str, image: &str, snapshot: &str) -> Result<()> {
        self.only(store)?;
        self.images.delete_snapshot(image, snapshot).await.map_err(problem)
    }
}
