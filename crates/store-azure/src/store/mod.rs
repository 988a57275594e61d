//! A container of disks: the management side.

mod diagnose;
mod restore;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use block::{
    BlockDevice, Disk,
    store::{CreateOptions, Finding, ImageInfo, ImageRef, OpenOptions, Progress, Result, Snapshot, Store, StoreError},
};
use futures::{StreamExt, stream};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::{
    client::{Client, xml::BlobEntry},
    config::{AzureConfig, AzureSecret},
    device::{self, AzureDisk, FORMAT, Format, GENERATION, OpenSettings, describe_owner, detect, generation},
    endpoint::encode,
    error::AzureError,
    service::{Blob, BlobProperties, Container, LeaseState, Metadata, PageWrite, check_size},
    vhd::{self, AZURE_UNIT, FOOTER},
};

/// Metadata key of a snapshot: the name its owner gave it, percent-encoded.
const LABEL: &str = "cloudstick_label";
/// Metadata key of an image: a number of its own, by which its maker knows it.
const CREATION: &str = "cloudstick_creation";
/// Longest label in characters.
const MAX_LABEL: usize = 200;
/// Requests at once while many blobs are looked at.
const LOOK_AT: usize = 8;

/// A container of page blobs in an Azure storage account.
pub struct AzureStore {
    config: AzureConfig,
    identity: Option<String>,
    container: Container,
}

impl AzureStore {
    /// The store that `config` and `secret` describe. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Invalid`](StoreError::Invalid) naming the setting.
    pub fn new(config: AzureConfig, secret: &AzureSecret) -> Result<Self> {
        let client = config.client(secret).map_err(|error| error.into_store("azure"))?;
        let container = Container::new(client, &config.container).map_err(|error| error.into_store("azure"))?;
        Ok(Self {
            config,
            identity: None,
            container,
        })
    }

    /// With an identity that tells this installation from every other: after a crash it gets its disks back at once
    /// instead of when the lease of the dead owner ran out.
    ///
    /// The caller keeps it, shows it to nobody, and sees to it that only one process of the installation opens an
    /// image for writing.
    #[must_use]
    pub fn with_identity(mut self, identity: Option<String>) -> Self {
        self.identity = identity;
        self
    }

    /// The container, for what goes beyond the common interface.
    #[must_use]
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// The client, for what goes beyond the common interface.
    #[must_use]
    pub fn client(&self) -> &Client {
        self.container.client()
    }

    /// A warning to show people, when the credential will stop working soon.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match self.client().credential() {
            crate::Credential::Sas(sas) => {
                let now = OffsetDateTime::now_utc();
                sas.trouble(now).or_else(|| sas.expires_soon(now))
            }
            _ => None,
        }
    }

    /// Checks what can be checked without a container: network, clock, signature.
    pub async fn diagnose_account(&self) -> Vec<Finding> {
        diagnose::account(self).await
    }

    /// Whether the credential may be for one container only, as signatures and roles can be.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        !matches!(self.client().credential(), crate::Credential::SharedKey(_))
    }

    /// Opens an image as the disk it is, not only as a block device.
    ///
    /// # Errors
    ///
    /// Those of [`Store::open`].
    pub async fn open_disk(&self, image: &ImageRef, options: &OpenOptions) -> Result<AzureDisk> {
        let blob = self.blob(&image.image, image.snapshot.as_deref())?;
        let settings = OpenSettings {
            read_only: options.read_only,
            take_over: options.take_over,
            owner: self.config.owner_name(),
            identity: self.identity.clone(),
            lease_seconds: self.config.lease_seconds,
            format: self.config.format,
            io: self.config.io(),
        };
        let name = format!("{}/{image}", self.container.name());
        let disk = device::open(&blob, &name, &settings)
            .await
            .map_err(|error| error.into_store(&name))?;
        if let Some(warning) = self.warning() {
            tracing::warn!(disk = %name, "{warning}");
        }
        Ok(disk)
    }

    /// Copies an image or one of its snapshots to a new image, within the service.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](StoreError::AlreadyExists), and those of any request.
    pub async fn copy(&self, from: &ImageRef, to: &str, progress: Progress<'_>) -> Result<ImageInfo> {
        let source = self.blob(&from.image, from.snapshot.as_deref())?;
        let target = self.blob(to, None)?;
        restore::copy_new(&source, &target, progress)
            .await
            .map_err(|error| error.into_store(to))?;
        self.info(&ImageRef::live(to)).await
    }

    fn blob(&self, name: &str, snapshot: Option<&str>) -> Result<Blob> {
        self.container
            .blob(name, snapshot)
            .map_err(|error| error.into_store(name))
    }

    async fn entry_info(&self, entry: BlobEntry) -> ImageInfo {
        let vhd_like = entry.length % AZURE_UNIT == FOOTER;
        let format = match (self.container.blob(&entry.name, None), self.config.format) {
            // Somebody else's name; their blob must not hide the others.
            (Err(error), _) => Err(error),
            (_, Some(format)) => Ok(format),
            (_, None) if !vhd_like => Ok(Format::Raw),
            (Ok(blob), None) => detect(&blob, entry.length, &entry.metadata, None).await,
        };
        let mut details = details(&entry.etag, &entry.metadata);
        let (format, size) = named_format(format, entry.length, &mut details);
        ImageInfo {
            name: entry.name,
            size,
            allocated: None,
            format,
            owner: entry
                .leased
                .then(|| describe_owner(&entry.metadata).unwrap_or_else(|| "somebody".to_owned())),
            modified: entry.modified,
            details,
        }
    }

    async fn blob_info(&self, blob: &Blob) -> crate::error::Result<ImageInfo> {
        let properties = blob.properties().await?;
        properties.check_page_blob(blob.label())?;
        let format = match detect(blob, properties.length, &properties.metadata, self.config.format).await {
            Err(AzureError::Unreachable { .. } | AzureError::Denied { .. }) if properties.length == 0 => {
                Ok(Format::Raw)
            }
            other => other,
        };
        let mut details = details(&properties.etag, &properties.metadata);
        details.insert("sequence_number".to_owned(), properties.sequence_number.to_string());
        if let Some(tier) = &properties.tier {
            details.insert("tier".to_owned(), tier.clone());
        }
        if let Some(copy) = properties.copy.as_ref().filter(|copy| copy.status != "success") {
            details.insert("copy".to_owned(), copy.status.clone());
        }
        let (format, size) = named_format(format, properties.length, &mut details);
        Ok(ImageInfo {
            name: blob.name().to_owned(),
            size,
            allocated: Some(allocated(blob, &properties).await?),
            format,
            owner: (properties.lease != LeaseState::Free)
                .then(|| describe_owner(&properties.metadata).unwrap_or_else(|| "somebody".to_owned())),
            modified: properties.modified,
            details,
        })
    }

    async fn create_blob(&self, blob: &Blob, options: &CreateOptions) -> crate::error::Result<()> {
        let format = match options.format.as_deref() {
            None | Some("raw") => Format::Raw,
            Some("vhd") => Format::Vhd,
            Some(other) => {
                return Err(AzureError::invalid(
                    blob.label(),
                    format!("format {other:?} is unknown; use raw or vhd"),
                ));
            }
        };
        let metadata = Metadata::from([
            (FORMAT.to_owned(), format.as_str().to_owned()),
            (CREATION.to_owned(), Uuid::new_v4().to_string()),
        ]);
        check_size(blob.label(), options.size)?;
        if format == Format::Raw {
            return create_once(blob, options.size, &metadata).await;
        }
        whole_mib(blob.label(), options.size)?;
        create_once(blob, options.size + FOOTER, &metadata).await?;
        let footer = vhd::footer(options.size, Uuid::new_v4(), OffsetDateTime::now_utc()).to_vec();
        let write = PageWrite {
            offset: options.size,
            length: FOOTER,
            data: Some(footer.into()),
        };
        if let Err(error) = blob.write_pages(&write, None, 0).await {
            // Half a VHD would look like a raw disk.
            let _ = blob.delete(false, None).await;
            return Err(error);
        }
        Ok(())
    }

    /// Takes one snapshot, also when the answer to an attempt gets lost.
    async fn snapshot_once(&self, blob: &Blob, mut metadata: Metadata) -> crate::error::Result<String> {
        let creation = Uuid::new_v4().to_string();
        metadata.insert(CREATION.to_owned(), creation.clone());
        let (taken, doubtful) = blob.try_snapshot(Some(&metadata)).await;
        if !doubtful {
            return taken;
        }
        let entries = self.container.blobs(blob.name(), true).await;
        let mut ours = entries
            .unwrap_or_default()
            .into_iter()
            .filter(|entry| entry.name == blob.name() && entry.metadata.get(CREATION) == Some(&creation))
            .filter_map(|entry| entry.snapshot);
        let id = match (taken, ours.next()) {
            (_, Some(first)) => first,
            (taken, None) => return taken,
        };
        for another in ours {
            let _ = self
                .container
                .blob(blob.name(), Some(&another))?
                .delete(false, None)
                .await;
        }
        Ok(id)
    }

    async fn delete_blob(&self, blob: &Blob, with_snapshots: bool) -> crate::error::Result<()> {
        match blob.delete(with_snapshots, None).await {
            Err(AzureError::Leased { object, .. }) => {
                let owner = blob
                    .properties()
                    .await
                    .ok()
                    .and_then(|properties| describe_owner(&properties.metadata));
                let detail = owner.map(|owner| format!(": {owner}")).unwrap_or_default();
                Err(AzureError::Leased { object, detail })
            }
            other => other,
        }
    }
}

/// Creates `blob`, which must not exist. When the answer to the first attempt was lost, the second one meets what the
/// first made: that is ours.
async fn create_once(blob: &Blob, size: u64, metadata: &Metadata) -> crate::error::Result<()> {
    match blob.create(size, metadata).await {
        Err(error @ AzureError::AlreadyExists { .. }) => match blob.properties().await {
            Ok(there) if there.metadata.get(CREATION) == metadata.get(CREATION) => Ok(()),
            _ => Err(error),
        },
        done => done,
    }
}

/// Azure boots, and some of its tools take, only VHDs of whole MiB.
fn whole_mib(object: &str, size: u64) -> crate::error::Result<()> {
    if size.is_multiple_of(AZURE_UNIT) {
        return Ok(());
    }
    let detail = format!("a VHD of {size} bytes is not of whole MiB, as Azure wants it");
    Err(AzureError::invalid(object, detail))
}

/// The format in words and the size of the disk in it; one that cannot be used is told in the details.
fn named_format(
    format: crate::error::Result<Format>,
    length: u64,
    details: &mut BTreeMap<String, String>,
) -> (String, u64) {
    match format {
        Ok(format) => (format.as_str().to_owned(), format.disk_size(length)),
        Err(error) => {
            details.insert("problem".to_owned(), error.to_string());
            ("unknown".to_owned(), length)
        }
    }
}

fn details(etag: &str, metadata: &Metadata) -> BTreeMap<String, String> {
    let mut details = BTreeMap::from([("etag".to_owned(), etag.trim_matches('"').to_owned())]);
    if metadata.contains_key(GENERATION) {
        details.insert("generation".to_owned(), generation(metadata).to_string());
    }
    details
}

/// Bytes that hold data.
async fn allocated(blob: &Blob, properties: &BlobProperties) -> crate::error::Result<u64> {
    let (mut sum, mut marker) = (0, None::<String>);
    loop {
        let list = blob.page_ranges(0, properties.length, marker.as_deref()).await?;
        sum += list.ranges.iter().map(|(start, end)| end - start).sum::<u64>();
        match list.next {
            Some(next) if marker.as_ref() != Some(&next) => marker = Some(next),
            _ => return Ok(sum),
        }
    }
}

#[async_trait]
impl Store for AzureStore {
    fn describe(&self) -> String {
        let account = self.client().endpoint().account();
        format!("Azure container {} of account {account}", self.container.name())
    }

    async fn list(&self) -> Result<Vec<ImageInfo>> {
        let entries = self
            .container
            .blobs("", false)
            .await
            .map_err(|error| error.into_store(&self.describe()))?;
        let infos = stream::iter(entries)
            .map(|entry| self.entry_info(entry))
            .buffer_unordered(LOOK_AT);
        let mut infos: Vec<ImageInfo> = infos.collect().await;
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(infos)
    }

    async fn info(&self, image: &ImageRef) -> Result<ImageInfo> {
        let blob = self.blob(&image.image, image.snapshot.as_deref())?;
        self.blob_info(&blob)
            .await
            .map_err(|error| error.into_store(&image.to_string()))
    }

    async fn create(&self, image: &str, options: &CreateOptions) -> Result<ImageInfo> {
        let blob = self.blob(image, None)?;
        let mut created = self.create_blob(&blob, options).await;
        if self.config.create_container && matches!(created, Err(AzureError::NotFound { .. })) {
            self.container
                .create()
                .await
                .map_err(|error| error.into_store(&self.describe()))?;
            created = self.create_blob(&blob, options).await;
        }
        created.map_err(|error| error.into_store(image))?;
        self.info(&ImageRef::live(image)).await
    }

    async fn resize(&self, image: &str, size: u64) -> Result<ImageInfo> {
        let disk = self.open_disk(&ImageRef::live(image), &OpenOptions::default()).await?;
        let allowed = match disk.format() {
            Format::Vhd => whole_mib(image, size).map_err(|error| error.into_store(image)),
            Format::Raw => Ok(()),
        };
        let resized = match allowed {
            Ok(()) => disk.resize(size).await.map_err(StoreError::from),
            refused => refused,
        };
        let closed = disk.close().await;
        resized?;
        closed?;
        self.info(&ImageRef::live(image)).await
    }

    async fn delete(&self, image: &str, with_snapshots: bool) -> Result<()> {
        let blob = self.blob(image, None)?;
        self.delete_blob(&blob, with_snapshots)
            .await
            .map_err(|error| error.into_store(image))
    }

    async fn open(&self, image: &ImageRef, options: &OpenOptions) -> Result<Disk> {
        Ok(Arc::new(self.open_disk(image, options).await?))
    }

    async fn snapshots(&self, image: &str) -> Result<Vec<Snapshot>> {
        self.blob(image, None)?;
        let entries = self
            .container
            .blobs(image, true)
            .await
            .map_err(|error| error.into_store(image))?;
        let entries: Vec<BlobEntry> = entries.into_iter().filter(|entry| entry.name == image).collect();
        if entries.is_empty() {
            return Err(StoreError::not_found(
                format!("blob {}/{image}", self.container.name()),
                "check its name",
            ));
        }
        let mut snapshots: Vec<Snapshot> = entries.into_iter().filter_map(snapshot_of).collect();
        snapshots.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(snapshots)
    }

    async fn snapshot(&self, image: &str, label: Option<&str>) -> Result<Snapshot> {
        let blob = self.blob(image, None)?;
        if label.is_some_and(|label| label.is_empty() || label.chars().count() > MAX_LABEL) {
            return Err(StoreError::invalid(
                "label",
                format!("must have 1 to {MAX_LABEL} characters"),
            ));
        }
        let take = async {
            let properties = blob.properties().await?;
            properties.check_page_blob(blob.label())?;
            let mut metadata = properties.metadata.clone();
            metadata.extend(label.map(|label| (LABEL.to_owned(), encode(label))));
            let id = self.snapshot_once(&blob, metadata).await?;
            Ok(Snapshot {
                created: OffsetDateTime::parse(&id, &Rfc3339).ok(),
                id,
                label: label.map(str::to_owned),
                size: Some(properties.length),
            })
        };
        take.await.map_err(|error: AzureError| error.into_store(image))
    }

    async fn restore(&self, image: &str, snapshot: &str, progress: Progress<'_>) -> Result<()> {
        let blob = self.blob(image, None)?;
        let source = self.blob(image, Some(snapshot))?;
        let owner = self.config.owner_name();
        restore::restore(&blob, &source, &owner, progress)
            .await
            .map_err(|error| error.into_store(image))
    }

    async fn delete_snapshot(&self, image: &str, snapshot: &str) -> Result<()> {
        let blob = self.blob(image, Some(snapshot))?;
        blob.delete(false, None).await.map_err(|error| error.into_store(image))
    }

    async fn diagnose(&self, image: Option<&str>) -> Vec<Finding> {
        diagnose::diagnose(self, image).await
    }
}

fn snapshot_of(entry: BlobEntry) -> Option<Snapshot> {
    let label = entry.metadata.get(LABEL).map(|label| {
        let text = percent_encoding::percent_decode_str(label).decode_utf8_lossy();
        text.chars().filter(|c| !c.is_control()).collect()
    });
    let id = entry.snapshot?;
    Some(Snapshot {
        created: OffsetDateTime::parse(&id, &Rfc3339).ok(),
        id,
        label,
        size: Some(entry.length),
    })
}
