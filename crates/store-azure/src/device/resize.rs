//! Changing the size of a disk, so that a crash in between leaves a disk that opens.

use std::sync::atomic::Ordering;

use block::{BlockError, Result};
use time::OffsetDateTime;
use tokio::time::timeout_at;
use uuid::Uuid;

use super::{Format, Inner, Mode, RESIZE, epoch::Ticket, io};
use crate::{
    error::AzureError,
    service::{Blob, BlobProperties, PageWrite, check_size},
    vhd::{self, FOOTER, Recognition},
};

/// What an operation under a lease needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grant<'a> {
    pub(crate) lease: &'a str,
    /// Sequence number that the blob has now.
    pub(crate) number: u64,
}

/// A resize of a VHD, in bytes of disk.
#[derive(Debug, Clone, Copy)]
struct Intent {
    old: u64,
    new: u64,
}

impl Intent {
    /// The one that the metadata of a blob tell of, if it fits the blob's length: that is either's.
    fn of(blob: &Blob, properties: &BlobProperties) -> crate::error::Result<Option<Self>> {
        let Some(text) = properties.metadata.get(RESIZE) else {
            return Ok(None);
        };
        let parsed = text
            .split_once(':')
            .and_then(|(old, new)| Some((old.parse().ok()?, new.parse().ok()?)));
        let fits = |size: u64| size.checked_add(FOOTER) == Some(properties.length);
        match parsed {
            Some((old, new)) if fits(old) || fits(new) => Ok(Some(Self { old, new })),
            _ => Err(AzureError::invalid(
                blob.label(),
                format!(
                    "its metadata {RESIZE} tell of a resize that does not fit its length; remove that entry if you know better"
                ),
            )),
        }
    }
}

/// Writes the intent down. From here on it is the resized disk: a crash leaves a blob whose resize is finished by
/// [`complete_resize`] when it is next opened for writing.
///
/// Every change of metadata is bound to the entity tag: a late attempt at this one would bring the intent back after
/// the resize, and the next owner would carry it out over live data.
///
/// Also says whether it may be there although this failed.
async fn note(
    blob: &Blob,
    grant: Grant<'_>,
    before: &BlobProperties,
    intent: Intent,
) -> (crate::error::Result<()>, bool) {
    let mut metadata = before.metadata.clone();
    metadata.insert(RESIZE.to_owned(), format!("{}:{}", intent.old, intent.new));
    blob.replace_metadata_in_doubt(&metadata, Some(grant.lease), &before.etag)
        .await
}

/// Carries out what was noted; every step can be repeated.
///
/// - larger: extend the blob, write the new footer at its end, clear the old one (now inside the disk);
/// - smaller: write the new footer where the blob will end (inside what is given up), then cut the blob.
///
/// The steps write pages under one sequence number, however often an attempt is repeated: the caller raises it before
/// the disk is used again.
async fn carry_out(blob: &Blob, grant: Grant<'_>, intent: Intent) -> crate::error::Result<()> {
    let Intent { old, new } = intent;
    let write_footer = async || {
        let data = vhd::footer(new, Uuid::new_v4(), OffsetDateTime::now_utc()).to_vec();
        let write = PageWrite {
            offset: new,
            length: FOOTER,
            data: Some(data.into()),
        };
        blob.write_pages(&write, Some(grant.lease), grant.number).await
    };
    let set_length = async || {
        let now = blob.properties().await?;
        if now.length == new + FOOTER {
            return Ok(());
        }
        blob.set_length(new + FOOTER, Some(grant.lease), &now.etag).await
    };
    if new > old {
        set_length().await?;
        write_footer().await?;
        let sector = blob
            .read_pages(old, FOOTER as u32, false, blob.client().deadline())
            .await?;
        if vhd::recognise(&sector.into_bytes(), old + FOOTER) == Recognition::Fixed(old) {
            let clear = PageWrite {
                offset: old,
                length: FOOTER,
                data: None,
            };
            blob.write_pages(&clear, Some(grant.lease), grant.number).await?;
        }
    } else {
        write_footer().await?;
        set_length().await?;
    }
    let BlobProperties { mut metadata, etag, .. } = blob.properties().await?;
    metadata.remove(RESIZE);
    blob.replace_metadata(&metadata, Some(grant.lease), &etag).await
}

/// Finishes a resize that was interrupted, if the metadata tell of one, and says what size the disk has then. The
/// sequence number must be raised after it.
pub(crate) async fn complete_resize(blob: &Blob, grant: Grant<'_>) -> crate::error::Result<Option<u64>> {
    let Some(intent) = Intent::of(blob, &blob.properties().await?)? else {
        return Ok(None);
    };
    check_size(blob.label(), intent.new.saturating_add(FOOTER))?;
    carry_out(blob, grant, intent).await?;
    Ok(Some(intent.new))
}

impl Inner {
    pub(super) async fn resize(&self, size: u64) -> Result<()> {
        let Mode::Owner { ownership, epoch } = &self.mode else {
            return Err(BlockError::read_only(&self.name));
        };
        let footer = if self.format == Format::Vhd { FOOTER } else { 0 };
        let length = size.saturating_add(footer);
        check_size(&self.name, length).map_err(|error| error.into_block(&self.name))?;
        let deadline = self.blob.client().deadline();
        let late = |_| BlockError::unreachable(&self.name, "earlier requests are still waiting");
        let _alone = timeout_at(deadline, self.ranges.exclusive(0..u64::MAX))
            .await
            .map_err(late)?;
        ownership.check(deadline).await?;
        let raiser = io::Raiser {
            blob: &self.blob,
            lease: ownership.lease(),
            deadline,
        };
        let grant = |ticket: &Ticket<'_>| Grant {
            lease: ownership.lease(),
            number: ticket.number(),
        };
        if self.format == Format::Vhd {
            let ticket = epoch.ticket(&raiser).await.map_err(|error| self.failed(error))?;
            let completed = complete_resize(&self.blob, grant(&ticket)).await;
            match completed.map_err(|error| self.failed(error))? {
                Some(size) => self.resized(size),
                None => ticket.settle(),
            }
        }
        // Unsettled on any failure: raising the number changes the entity tag, which keeps a late resize out.
        let ticket = epoch.ticket(&raiser).await.map_err(|error| self.failed(error))?;
        let grant = grant(&ticket);
        if self.format == Format::Vhd {
            let result = self.resize_vhd(grant, size).await;
            // Its attempts share one number, and one of them may be on its way yet: the number is raised in any case.
            drop(ticket);
            return result.map_err(|error| self.failed(error));
        }
        let result = async {
            let now = self.blob.properties().await?;
            if now.length == size {
                return Ok(());
            }
            self.blob.set_length(size, Some(grant.lease), &now.etag).await
        }
        .await;
        result.map_err(|error| self.failed(error))?;
        ticket.settle();
        self.resized(size);
        Ok(())
    }

    async fn resize_vhd(&self, grant: Grant<'_>, new: u64) -> crate::error::Result<()> {
        let before = self.blob.properties().await?;
        let old = Format::Vhd.disk_size(before.length);
        let intent = Intent { old, new };
        let size = self.monitor.size();
        // Once it is noted the next owner cuts the disk, whatever comes now: nothing may be stored beyond, nor the footer be
        // seen. It may be noted although we never learn of it, even if nobody waits for this any more.
        self.monitor.set_size(size.min(new));
        let (noted, doubtful) = note(&self.blob, grant, &before, intent).await;
        if noted.is_err() && !doubtful {
            self.monitor.set_size(size);
        }
        noted?;
        carry_out(&self.blob, grant, intent).await?;
        self.resized(new);
        Ok(())
    }

    /// The disk has `size` bytes now.
    fn resized(&self, size: u64) {
        let footer = if self.format == Format::Vhd { FOOTER } else { 0 };
        let old = self.length.swap(size + footer, Ordering::AcqRel);
        let mut map = self.map();
        map.resize(old, size + footer);
        if footer > 0 {
            map.mark_data(size, size + footer);
        }
        drop(map);
        self.monitor.set_size(size);
    }
}
