//! Server-side copies that somebody waits for: a snapshot back onto its blob, an image to a new one.

use std::time::Duration;

use block::store::Progress;
use time::OffsetDateTime;
use tokio::time::sleep;
use uuid::Uuid;

use super::{CREATION, LABEL};
use crate::{
    device::{GENERATION, describe_owner, generation},
    error::{AzureError, Result},
    service::{Blob, BlobProperties, CopyState},
};

/// First pause between looks at a copy; doubled up to [`LONGEST_LOOK`].
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// Longest pause between looks at a copy.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// Ends what was begun when nobody waits for it any more.
struct Cancel {
    blob: Option<Blob>,
    copy: Option<String>,
    lease: Option<String>,
}

impl Cancel {
    /// Ends it, and waits for that: a program that is about to end would take what is only begun with it.
    fn now(&mut self) -> impl Future<Output = ()> + Send + 'static {
        let (blob, copy, lease) = (self.blob.take(), self.copy.take(), self.lease.take());
        async move {
            let Some(blob) = blob else { return };
            if let Some(copy) = copy {
                let _ = blob.abort_copy(&copy, lease.as_deref()).await;
            }
            if let Some(lease) = lease
                && let Err(error) = blob.release_lease(&lease).await
            {
                tracing::warn!("{}: {error}; it stays owned until somebody takes it over", blob.label());
            }
        }
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        if let (true, Ok(runtime)) = (self.blob.is_some(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(self.now());
        }
    }
}

/// Puts `blob` back to the content of `snapshot`, under a lease of its own.
pub(super) async fn restore(blob: &Blob, snapshot: &Blob, owner: &str, progress: Progress<'_>) -> Result<()> {
    let (before, source) = (blob.properties().await?, snapshot.properties().await?);
    let lease = Uuid::new_v4().to_string();
    // From here on: the answer to a lease that was granted may be lost.
    let mut cancel = Cancel {
        blob: Some(blob.clone()),
        copy: None,
        lease: Some(lease.clone()),
    };
    let restored = under_lease(&mut cancel, &lease, blob, (&before, snapshot, &source), owner, progress).await;
    if restored.is_err() {
        cancel.now().await;
    }
    restored
}

/// The part that has something to end when it fails. `before`: `blob` as it was; `source`: what `snapshot` is like.
async fn under_lease(
    cancel: &mut Cancel,
    lease: &str,
    blob: &Blob,
    (before, snapshot, source): (&BlobProperties, &Blob, &BlobProperties),
    owner: &str,
    progress: Progress<'_>,
) -> Result<()> {
    // The service copies onto a leased blob only if the lease never runs out, and refuses all lease requests while the
    // copy is under way. If we die meanwhile, somebody has to take the blob over.
    match blob.acquire_endless_lease(lease).await {
        Err(AzureError::Leased { object, .. }) => {
            cancel.blob = None;
            let detail = describe_owner(&before.metadata)
                .map(|owner| format!(": {owner}"))
                .unwrap_or_default();
            return Err(AzureError::Leased { object, detail });
        }
        other => other?,
    }
    // The copy would bring the snapshot's old generation back; ours must only ever grow.
    let now = blob.properties().await?;
    let mut metadata = source.metadata.clone();
    metadata.remove(LABEL);
    metadata.insert(GENERATION.to_owned(), (generation(&now.metadata) + 1).to_string());
    metadata.insert("cloudstick_owner".to_owned(), crate::endpoint::encode_header(owner));
    let at = OffsetDateTime::now_utc()
        .replace_nanosecond(0)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let at = at
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap_or_default();
    metadata.insert("cloudstick_since".to_owned(), at);
    let started = match blob.start_copy(snapshot, &metadata, Some(lease)).await {
        Ok(state) => state,
        // The answer to an attempt was lost and the next one met the copy of the first.
        Err(AzureError::Conflict { code, .. }) if code == "PendingCopyOperation" => {
            let missing = || AzureError::protocol(blob.label(), "a pending copy that nobody knows");
            blob.properties().await?.copy.ok_or_else(missing)?
        }
        Err(error) => return Err(error),
    };
    cancel.copy = Some(started.id.clone());
    let copied = wait(blob, started, source.length, progress).await;
    // The copy has ended, or nobody knows how it is: it is not ours to abort any more.
    cancel.copy = None;
    copied?;
    let released = loop {
        match blob.release_lease(lease).await {
            Err(AzureError::Unreachable { .. }) => sleep(LONGEST_LOOK).await,
            done => break done,
        }
    };
    cancel.blob = None;
    released
}

/// Copies `source` to `target`, which must not exist.
pub(super) async fn copy_new(source: &Blob, target: &Blob, progress: Progress<'_>) -> Result<()> {
    let properties = source.properties().await?;
    properties.check_page_blob(source.label())?;
    let mut metadata = properties.metadata.clone();
    metadata.retain(|key, _| !matches!(key.as_str(), "cloudstick_owner" | "cloudstick_since" | LABEL));
    metadata.insert(GENERATION.to_owned(), "0".to_owned());
    metadata.insert(CREATION.to_owned(), Uuid::new_v4().to_string());
    let started = match target.start_copy(source, &metadata, None).await {
        Err(AzureError::Changed { object } | AzureError::AlreadyExists { object }) => {
            // As in creating: a second attempt may meet the copy of the first.
            let there = target.properties().await;
            let ours = there
                .ok()
                .filter(|it| it.metadata.get(CREATION) == metadata.get(CREATION));
            let Some(copy) = ours.and_then(|it| it.copy) else {
                return Err(AzureError::AlreadyExists { object });
            };
            copy
        }
        other => other?,
    };
    let mut cancel = Cancel {
        blob: Some(target.clone()),
        copy: Some(started.id.clone()),
        lease: None,
    };
    let copied = wait(target, started, properties.length, progress).await;
    // It has ended, or nobody knows how it is.
    cancel.blob = None;
    copied
}

/// Looks at a copy until it ends. An unreachable service is waited for: it goes on copying.
async fn wait(blob: &Blob, mut state: CopyState, length: u64, progress: Progress<'_>) -> Result<()> {
    let id = state.id.clone();
    let mut pause = FIRST_LOOK;
    loop {
        if let Some((done, all)) = state.progress {
            progress(done, all);
        }
        match state.status.as_str() {
            "success" => {
                progress(length, length);
                return Ok(());
            }
            "pending" => {}
            other => {
                return Err(AzureError::Conflict {
                    object: blob.label().to_owned(),
                    code: other.to_owned(),
                    detail: format!("the copy onto it ended as \"{other}\"; it may be empty now: start again"),
                });
            }
        }
        sleep(pause).await;
        pause = LONGEST_LOOK.min(pause * 2);
        let seen = match blob.properties().await {
            Err(AzureError::Unreachable { .. }) => continue,
            seen => seen?,
        };
        let ours = seen.copy.filter(|copy| copy.id == id);
        state = ours.ok_or_else(|| AzureError::Changed {
            object: blob.label().to_owned(),
        })?;
    }
}
