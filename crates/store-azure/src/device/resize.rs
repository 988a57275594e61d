//! Changing the size of a disk, so that a crash in between leaves a disk that opens.

use std::sync::atomic::Ordering;

use block::{BlockError, Result};
use time::OffsetDateTime;
use tokio::time::timeout_at;
use uuid::Uuid;

use super::{Format, Inner, Mode, RESIZE, io};
use crate::{
    error::AzureError,
    service::{Blob, PageWrite, check_size},
    vhd::{self, FOOTER},
};

/// What an operation under a lease needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grant<'a> {
    pub(crate) lease: &'a str,
    /// Sequence number that the blob has now.
    pub(crate) number: u64,
}

/// Resizes the VHD in `blob` from `old` to `new` bytes of disk.
///
/// The intent is written down in the metadata first and removed last; in between every step can be repeated. A crash
/// before the first step leaves the old disk, one after it is finished by [`complete_resize`] when the disk is next
/// opened for writing: then it is the new disk.
///
/// - larger: extend the blob, write the new footer at its end, clear the old one (now inside the disk);
/// - smaller: write the new footer where the blob will end (inside what is given up), then cut the blob.
pub(crate) async fn vhd_steps(blob: &Blob, grant: Grant<'_>, old: u64, new: u64) -> crate::error::Result<()> {
    check_size(blob.label(), new + FOOTER)?;
    let before = blob.properties().await?;
    let mut metadata = before.metadata.clone();
    metadata.insert(RESIZE.to_owned(), format!("{old}:{new}"));
    blob.set_metadata(&metadata, Some(grant.lease), None).await?;
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
        let clear = PageWrite {
            offset: old,
            length: FOOTER,
            data: None,
        };
        blob.write_pages(&clear, Some(grant.lease), grant.number).await?;
    } else {
        write_footer().await?;
        set_length().await?;
    }
    metadata.remove(RESIZE);
    blob.set_metadata(&metadata, Some(grant.lease), None).await
}

/// Finishes a resize that a crash interrupted, if the metadata tell of one.
pub(crate) async fn complete_resize(blob: &Blob, grant: Grant<'_>) -> crate::error::Result<bool> {
    let properties = blob.properties().await?;
    let Some(intent) = properties.metadata.get(RESIZE) else {
        return Ok(false);
    };
    let sizes = intent
        .split_once(':')
        .and_then(|(old, new)| Some((old.parse().ok()?, new.parse().ok()?)));
    let Some((old, new)) = sizes.filter(|(old, new): &(u64, u64)| {
        [*old, *new]
            .iter()
            .any(|size| size.checked_add(FOOTER) == Some(properties.length))
    }) else {
        return Err(AzureError::invalid(
            blob.label(),
            format!(
                "its metadata {RESIZE} tell of a resize that does not fit its length; remove that entry if you know better"
            ),
        ));
    };
    vhd_steps(blob, grant, old, new).await?;
    Ok(true)
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
        // Unsettled on any failure: raising the number changes the entity tag, which keeps a late resize out.
        let ticket = epoch.ticket(&raiser).await.map_err(|error| self.failed(error))?;
        let grant = Grant {
            lease: ownership.lease(),
            number: ticket.number(),
        };
        let result = match self.format {
            Format::Vhd => vhd_steps(&self.blob, grant, self.monitor.size(), size).await,
            Format::Raw => {
                async {
                    let now = self.blob.properties().await?;
                    if now.length == size {
                        return Ok(());
                    }
                    self.blob.set_length(size, Some(grant.lease), &now.etag).await
                }
                .await
            }
        };
        result.map_err(|error| self.failed(error))?;
        ticket.settle();
        let old = self.length.swap(length, Ordering::AcqRel);
        let mut map = self.map();
        map.resize(old, length);
        if self.format == Format::Vhd {
            map.mark_data(size, length);
        }
        drop(map);
        self.monitor.set_size(size);
        Ok(())
    }
}
