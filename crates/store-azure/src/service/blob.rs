//! One page blob as an object: create, properties, metadata, size, snapshots, delete.

use http::Method;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{Blob, CopyState, Metadata, http_date, metadata_of, with_metadata};
use crate::{
    client::{Answer, Retry},
    error::{AzureError, Result},
};

/// Unit of page blobs in bytes.
pub const PAGE: u64 = 512;
/// Largest page blob: 8 TiB. Azurite takes more, Azure does not.
pub const MAX_BLOB_SIZE: u64 = 8 << 40;

/// Whether a page blob can have `size` bytes.
///
/// # Errors
///
/// [`Invalid`](AzureError::Invalid).
pub(crate) fn check_size(object: &str, size: u64) -> Result<()> {
    if size == 0 || !size.is_multiple_of(PAGE) {
        return Err(AzureError::invalid(
            object,
            format!("a size of {size} bytes is no multiple of 512, or zero"),
        ));
    }
    if size > MAX_BLOB_SIZE {
        return Err(AzureError::invalid(
            object,
            format!("{size} bytes are more than the 8 TiB a page blob can have"),
        ));
    }
    Ok(())
}

/// The lease of a blob, as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// Nobody has it: never leased, released, expired or broken.
    Free,
    /// Somebody has it.
    Leased,
    /// Being broken; somebody has it for a little while yet.
    Breaking,
}

/// What is known of a blob.
#[derive(Debug, Clone)]
pub struct BlobProperties {
    /// Length in bytes.
    pub length: u64,
    /// `PageBlob`, `BlockBlob`, `AppendBlob`.
    pub blob_type: String,
    /// Entity tag: changes with every change.
    pub etag: String,
    /// Last change.
    pub modified: Option<OffsetDateTime>,
    /// Sequence number of a page blob.
    pub sequence_number: u64,
    /// Its lease.
    pub lease: LeaseState,
    /// Its metadata.
    pub metadata: Metadata,
    /// The last copy onto it.
    pub copy: Option<CopyState>,
    /// Access tier of a premium blob (`P30`).
    pub tier: Option<String>,
    /// When it was made, as the service writes it: tells a blob from an earlier one of its name.
    pub(crate) created: String,
}

impl BlobProperties {
    fn of(answer: &Answer, object: &str) -> Result<Self> {
        let length = answer
            .number("content-length")
            .ok_or_else(|| AzureError::protocol(object, "properties without a length"))?;
        let lease = match answer.header("x-ms-lease-state") {
            Some("leased") => LeaseState::Leased,
            Some("breaking") => LeaseState::Breaking,
            _ => LeaseState::Free,
        };
        Ok(Self {
            length,
            blob_type: answer.header("x-ms-blob-type").unwrap_or_default().to_owned(),
            etag: answer.header("etag").unwrap_or_default().to_owned(),
            modified: http_date(answer.header("last-modified")),
            sequence_number: answer.number("x-ms-blob-sequence-number").unwrap_or(0),
            lease,
            metadata: metadata_of(answer),
            copy: CopyState::of(answer),
            tier: answer.header("x-ms-access-tier").map(str::to_owned),
            created: answer.header("x-ms-creation-time").unwrap_or_default().to_owned(),
        })
    }

    /// Fails unless it is a page blob of a length that can be a disk.
    ///
    /// # Errors
    ///
    /// [`Invalid`](AzureError::Invalid).
    pub fn check_page_blob(&self, object: &str) -> Result<()> {
        if self.blob_type != "PageBlob" {
            return Err(AzureError::invalid(
                object,
                format!(
                    "is a {}, not a page blob; only page blobs can be disks: upload it again with the type \"Page blob\"",
                    self.blob_type
                ),
            ));
        }
        check_size(object, self.length)
    }
}

impl Blob {
    /// Creates an empty page blob of `size` bytes, all zeroes. Never touches one that exists.
    pub async fn create(&self, size: u64, metadata: &Metadata) -> Result<()> {
        check_size(&self.label, size)?;
        let request = self
            .request(Method::PUT, &[])
            .fixed("x-ms-blob-type", "PageBlob")
            .fixed("if-none-match", "*")
            .number("x-ms-blob-content-length", size)
            .number("x-ms-blob-sequence-number", 0);
        let request = with_metadata(request, metadata)?;
        match self.client.send(&request).await {
            Ok(_) => Ok(()),
            // If-None-Match: * answers 409 BlobAlreadyExists or, through some gateways, 412.
            Err(AzureError::Changed { object }) => Err(AzureError::AlreadyExists { object }),
            Err(error) => Err(error),
        }
    }

    /// Its properties and metadata.
    pub async fn properties(&self) -> Result<BlobProperties> {
        let answer = self.client.send(&self.request(Method::HEAD, &[])).await?;
        BlobProperties::of(&answer, &self.label)
    }

    /// As [`properties`](Self::properties), asked once and without waiting behind data.
    pub(crate) async fn properties_now(&self, deadline: Instant) -> Result<BlobProperties> {
        let request = self.request(Method::HEAD, &[]);
        let answer = self.client.attempt_unlimited(&request, deadline).await;
        BlobProperties::of(&answer.map_err(|failure| failure.error)?, &self.label)
    }

    /// Replaces all metadata; `if_match` guards against changes by others and late arrivals of our own.
    pub async fn set_metadata(&self, metadata: &Metadata, lease: Option<&str>, if_match: Option<&str>) -> Result<()> {
        self.set_metadata_in_doubt(metadata, lease, if_match).await.0
    }

    /// As [`set_metadata`](Self::set_metadata), and whether an attempt without an answer may have done it although the last
    /// one failed.
    async fn set_metadata_in_doubt(
        &self,
        metadata: &Metadata,
        lease: Option<&str>,
        if_match: Option<&str>,
    ) -> (Result<()>, bool) {
        let request = || {
            let request = with_metadata(self.request(Method::PUT, &[("comp", "metadata")]), metadata)?.lease(lease)?;
            match if_match {
                Some(etag) => request.text("if-match", etag),
                None => Ok(request),
            }
        };
        match request() {
            Ok(request) => {
                let (answer, doubtful) = self.client.send_in_doubt(&request, self.client.deadline()).await;
                (answer.map(|_| ()), doubtful)
            }
            Err(error) => (Err(error), false),
        }
    }

    /// Replaces all metadata of the blob whose entity tag is `etag`, so that no attempt takes effect after a later change.
    pub(crate) async fn replace_metadata(&self, metadata: &Metadata, lease: Option<&str>, etag: &str) -> Result<()> {
        self.replace_metadata_in_doubt(metadata, lease, etag).await.0
    }

    /// As [`replace_metadata`](Self::replace_metadata), and whether they may have been replaced although it failed.
    pub(crate) async fn replace_metadata_in_doubt(
        &self,
        metadata: &Metadata,
        lease: Option<&str>,
        etag: &str,
    ) -> (Result<()>, bool) {
        match self.set_metadata_in_doubt(metadata, lease, Some(etag)).await {
            // The first attempt's answer may have been lost and the second found its own effect.
            (Err(error @ AzureError::Changed { .. }), _) => match self.properties().await {
                Ok(now) if now.metadata == *metadata => (Ok(()), false),
                Ok(_) => (Err(error), false),
                Err(unknown) => (Err(unknown), true),
            },
            (Err(error @ AzureError::Unreachable { .. }), _) => (Err(error), true),
            done => done,
        }
    }

    /// Raises the sequence number to at least `to`, and says what it is then.
    ///
    /// The action is `max`: an attempt that arrives late can never lower it again, so this may be repeated freely.
    /// Not counted among the requests in flight: those may all be waiting for it.
    pub async fn raise_sequence_number(&self, to: u64, lease: Option<&str>, deadline: Instant) -> Result<u64> {
        let request = self
            .request(Method::PUT, &[("comp", "properties")])
            .fixed("x-ms-sequence-number-action", "max")
            .number("x-ms-blob-sequence-number", to)
            .lease(lease)?;
        let mut retry = Retry::new(deadline);
        loop {
            match self.client.attempt_unlimited(&request, deadline).await {
                Ok(answer) => return Ok(answer.number("x-ms-blob-sequence-number").unwrap_or(to).max(to)),
                Err(failure) => retry.after(failure).await?,
            }
        }
    }

    /// Changes the length. Cuts off what is beyond; new space is zeroes.
    ///
    /// `etag` is that of the blob as it was looked at last: an attempt that arrives after a later change is refused.
    pub async fn set_length(&self, size: u64, lease: Option<&str>, etag: &str) -> Result<()> {
        check_size(&self.label, size)?;
        let request = self
            .request(Method::PUT, &[("comp", "properties")])
            .number("x-ms-blob-content-length", size)
            .text("if-match", etag)?
            .lease(lease)?;
        match self.client.send(&request).await {
            Ok(_) => Ok(()),
            // The first attempt's answer may have been lost and the second found its own effect.
            Err(error @ AzureError::Changed { .. }) => {
                if self.properties().await?.length == size {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Takes a snapshot; returns its id, a time. With `metadata` the snapshot gets that instead of the blob's own.
    pub async fn snapshot(&self, metadata: Option<&Metadata>) -> Result<String> {
        self.try_snapshot(metadata).await.0
    }

    /// As [`snapshot`](Self::snapshot), and whether there may be others than the one returned: an attempt got lost.
    pub(crate) async fn try_snapshot(&self, metadata: Option<&Metadata>) -> (Result<String>, bool) {
        let mut request = self.request(Method::PUT, &[("comp", "snapshot")]);
        if let Some(metadata) = metadata {
            request = match with_metadata(request, metadata) {
                Ok(request) => request,
                Err(error) => return (Err(error), false),
            };
        }
        let (answer, doubtful) = self.client.send_in_doubt(&request, self.client.deadline()).await;
        let id = answer.and_then(|answer| {
            let id = answer.header("x-ms-snapshot").map(str::to_owned);
            id.ok_or_else(|| AzureError::protocol(&*self.label, "a snapshot without a name"))
        });
        (id, doubtful)
    }

    /// Deletes the blob, with its snapshots if told so, or this snapshot. Fails while somebody leases it.
    pub async fn delete(&self, with_snapshots: bool, lease: Option<&str>) -> Result<()> {
        let mut request = self.request(Method::DELETE, &[]).lease(lease)?;
        if with_snapshots && self.snapshot.is_none() {
            request = request.fixed("x-ms-delete-snapshots", "include");
        }
        match self.client.send_in_doubt(&request, self.client.deadline()).await {
            // The attempt whose answer got lost did it.
            (Err(AzureError::NotFound { .. }), true) => Ok(()),
            (done, _) => done.map(|_| ()),
        }
    }
}
