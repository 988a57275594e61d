//! Opening a blob: what it is, whose it is, and making it ours.

use std::sync::{Arc, Mutex, atomic::AtomicU64};

use block::{Closing, RangeLock};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::{sync::watch, time::Instant};
use tracing::info;
use uuid::Uuid;

use super::{
    AzureDisk, Inner, IoSettings, Mode,
    epoch::Epoch,
    extent_map::ExtentMap,
    loader::Loading,
    ownership::{GENERATION, OWNER, Ownership, SINCE, describe_owner, generation},
    resize::{Grant, complete_resize},
};
use crate::{
    client::Monitor,
    endpoint::encode_header,
    error::{AzureError, Result},
    service::{Blob, BlobProperties, LeaseState, Metadata},
    vhd::{self, FOOTER, Recognition},
};

/// Metadata key: `raw` or `vhd`, set when the blob was made. A guest can write a footer into the last sector of a raw
/// disk; with this entry that changes nothing.
pub(crate) const FORMAT: &str = "cloudstick_format";
/// Metadata key: a resize under way, `old:new` in bytes.
pub(crate) const RESIZE: &str = "cloudstick_resize";

/// What a blob holds around the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Nothing: the blob is the disk.
    Raw,
    /// A footer of 512 bytes: a fixed VHD.
    Vhd,
}

impl Format {
    /// `raw` or `vhd`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Vhd => "vhd",
        }
    }

    /// Usable bytes of a blob of `length` bytes.
    #[must_use]
    pub fn disk_size(self, length: u64) -> u64 {
        match self {
            Self::Raw => length,
            Self::Vhd => length - FOOTER,
        }
    }
}

/// How a blob is to be opened.
#[derive(Debug, Clone)]
pub struct OpenSettings {
    /// Without a lease; others may write meanwhile.
    pub read_only: bool,
    /// Break somebody else's lease.
    pub take_over: bool,
    /// What we call ourselves in the blob's metadata.
    pub owner: String,
    /// Tells this installation from every other; kept by the caller, not shown to anybody. With it, the same
    /// installation gets its disk back at once after a crash; without it, when the lease has run out.
    pub identity: Option<String>,
    /// Duration of the lease in seconds, 15 to 60.
    pub lease_seconds: u64,
    /// What the blob holds; `None` finds out.
    pub format: Option<Format>,
    /// How requests are treated.
    pub io: IoSettings,
}

/// Opens a page blob or a snapshot as a disk that calls itself `name`.
///
/// A disk that is opened for writing is leased; the generation in its metadata is incremented, and its sequence number
/// raised, so that no request of an earlier owner can change it any more.
///
/// # Errors
///
/// [`Leased`](AzureError::Leased) naming the owner, [`Invalid`](AzureError::Invalid) if it is no page blob or a VHD
/// that cannot be used, and whatever a request may meet.
pub async fn open(blob: &Blob, name: &str, settings: &OpenSettings) -> Result<AzureDisk> {
    let monitor = Arc::new(Monitor::new(name, 0));
    let blob = blob.through(blob.client().for_disk(monitor.clone()));
    let properties = blob.properties().await?;
    properties.check_page_blob(blob.label())?;
    if properties.copy.as_ref().is_some_and(|copy| copy.status == "pending") {
        return Err(AzureError::invalid(
            blob.label(),
            "is being restored or copied onto; wait for that to end",
        ));
    }
    let (mode, properties) = if blob.snapshot_id().is_some() {
        (Mode::Snapshot, properties)
    } else if settings.read_only {
        (Mode::Reader, properties)
    } else {
        own(&blob, name, settings, &properties).await?
    };
    if properties.metadata.contains_key(RESIZE) && !matches!(mode, Mode::Owner { .. }) {
        let detail = "a resize of it was interrupted; open it for writing once, which finishes that";
        return Err(AzureError::invalid(blob.label(), detail));
    }
    let format = match detect(&blob, properties.length, &properties.metadata, settings.format).await {
        Ok(format) => format,
        Err(error) => {
            if let Mode::Owner { ownership, .. } = &mode {
                let _ = blob.release_lease(ownership.lease()).await;
            }
            return Err(error);
        }
    };
    monitor.set_size(format.disk_size(properties.length));
    info!(disk = name, format = format.as_str(), size = monitor.size(), "opened");
    Ok(AzureDisk::start(Inner {
        name: name.to_owned(),
        blob,
        mode,
        format,
        io: settings.io,
        monitor,
        length: AtomicU64::new(properties.length),
        map: Mutex::new(ExtentMap::new()),
        loading: watch::Sender::new(Loading::To(0)),
        ranges: RangeLock::new(),
        closing: Closing::default(),
    }))
}

/// What the blob holds: as told, as its metadata say, or as its last sector looks.
pub(crate) async fn detect(blob: &Blob, length: u64, metadata: &Metadata, told: Option<Format>) -> Result<Format> {
    if told == Some(Format::Raw) {
        return Ok(Format::Raw);
    }
    if told.is_none() && metadata.get(FORMAT).is_some_and(|format| format == "raw") {
        return Ok(Format::Raw);
    }
    let made_as_vhd = metadata.get(FORMAT).is_some_and(|format| format == "vhd");
    if length < 2 * FOOTER && !made_as_vhd {
        return Ok(Format::Raw);
    }
    let deadline = blob.client().deadline();
    let sector = blob.read_pages(length - FOOTER, FOOTER as u32, false, deadline).await?;
    match vhd::recognise(&sector.into_bytes(), length) {
        Recognition::Fixed(_) => Ok(Format::Vhd),
        Recognition::Refused(why) => Err(AzureError::invalid(blob.label(), why)),
        Recognition::Raw if told == Some(Format::Vhd) => Err(AzureError::invalid(
            blob.label(),
            "has no VHD footer; set format = \"raw\" if it is a raw disk",
        )),
        Recognition::Raw if made_as_vhd => Err(AzureError::invalid(
            blob.label(),
            "was made as a VHD but has no footer: its making was interrupted; delete it and make it again, or set \
             format = \"raw\" to see what is in it",
        )),
        Recognition::Raw => Ok(Format::Raw),
    }
}

/// Releases the lease again when opening fails or is given up half-way.
///
/// Not with an identity: then the next opening has the same lease id, and would lose its lease to this release.
struct Undo {
    blob: Option<Blob>,
    lease: String,
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let (Some(blob), Ok(runtime)) = (self.blob.take(), tokio::runtime::Handle::try_current()) {
            let lease = std::mem::take(&mut self.lease);
            runtime.spawn(async move { blob.release_lease(&lease).await });
        }
    }
}

/// The lease id of an owner: random, or with an identity what follows from it, the blob and the generation. A new
/// generation has a new id, so that whoever still uses the old one is refused by the service; and so has a new blob of
/// an old name, whose generations start again.
fn lease_id(identity: Option<&str>, blob: &Blob, properties: &BlobProperties, generation: u64) -> String {
    let Some(identity) = identity else {
        return Uuid::new_v4().to_string();
    };
    let text = format!("{identity}\n{}\n{}\n{generation}", blob.label(), properties.created);
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// Acquires the lease, also from an owner of the same identity who did not give it back: one that was killed.
///
/// The dead owner may have got as far as leasing for this generation (then acquiring renews that), or it used the
/// blob in the generation before (then its id is changed to ours, which fences it if it is not dead after all).
async fn acquire(blob: &Blob, settings: &OpenSettings, before: &BlobProperties, lease: &str) -> Result<()> {
    let refused = match blob.acquire_lease(lease, settings.lease_seconds).await {
        Err(AzureError::Leased { .. }) => AzureError::Leased {
            object: blob.label().to_owned(),
            detail: describe_owner(&before.metadata)
                .map(|owner| format!(": {owner}"))
                .unwrap_or_default(),
        },
        done => return done,
    };
    let Some(identity) = settings.identity.as_deref() else {
        return Err(refused);
    };
    let dead = lease_id(Some(identity), blob, before, generation(&before.metadata));
    match blob.change_lease(&dead, lease).await {
        Ok(()) => {
            info!(
                blob = blob.label(),
                "took back the lease of an owner before us on this device"
            );
            blob.acquire_lease(lease, settings.lease_seconds).await
        }
        Err(AzureError::Leased { .. } | AzureError::LeaseLost { .. } | AzureError::LeaseExpired { .. }) => Err(refused),
        Err(error) => Err(error),
    }
}

/// Makes the blob ours.
async fn own(
    blob: &Blob,
    name: &str,
    settings: &OpenSettings,
    before: &BlobProperties,
) -> Result<(Mode, BlobProperties)> {
    let identity = settings.identity.as_deref();
    let mut lease = lease_id(identity, blob, before, generation(&before.metadata) + 1);
    if settings.take_over && before.lease != LeaseState::Free {
        blob.break_lease().await?;
    }
    let mut undo = Undo {
        blob: identity.is_none().then(|| blob.clone()),
        lease: lease.clone(),
    };
    let mut sent = Instant::now();
    if let Err(error) = acquire(blob, settings, before, &lease).await {
        if matches!(error, AzureError::Leased { .. }) {
            undo.blob = None;
        }
        return Err(error);
    }
    let mut properties = blob.properties().await?;
    properties.check_page_blob(blob.label())?;
    let generation = generation(&properties.metadata) + 1;
    let expected = lease_id(identity, blob, &properties, generation);
    if identity.is_some() && lease != expected {
        // Somebody had the blob since it was looked at. After a crash its lease is looked for under this generation.
        blob.change_lease(&lease, &expected).await?;
        lease = expected;
        undo.lease.clone_from(&lease);
    }
    let now = OffsetDateTime::now_utc()
        .replace_nanosecond(0)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let now = now
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap_or_default();
    let metadata = &mut properties.metadata;
    metadata.insert(GENERATION.to_owned(), generation.to_string());
    metadata.insert(OWNER.to_owned(), encode_header(&settings.owner));
    metadata.insert(SINCE.to_owned(), now);
    blob.replace_metadata(metadata, Some(&lease), &properties.etag).await?;
    let deadline = blob.client().deadline();
    let mut number = blob
        .raise_sequence_number(properties.sequence_number + 1, Some(&lease), deadline)
        .await?;
    let completed = complete_resize(blob, Grant { lease: &lease, number }).await?;
    if completed.is_some() {
        // An attempt at one of its writes may be on its way yet.
        let deadline = blob.client().deadline();
        number = blob.raise_sequence_number(number + 1, Some(&lease), deadline).await?;
        // All that may have taken a while.
        sent = Instant::now();
        blob.acquire_lease(&lease, settings.lease_seconds).await?;
        properties = blob.properties().await?;
    }
    undo.blob = None;
    let ownership = Ownership::new(name, lease, generation, settings.lease_seconds, sent);
    Ok((
        Mode::Owner {
            ownership,
            epoch: Epoch::new(number),
        },
        properties,
    ))
}
