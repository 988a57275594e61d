//! One writer: making an image ours, and what is remembered of its owners.

use std::{ffi::CStr, sync::Arc};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    cluster::Pool,
    image::Image,
    locks::{Holder, bare},
};
use crate::{
    error::{RbdError, Result},
    features::Features,
};

/// Key of the metadata of an image under which its last owner of our kind is remembered.
const RECORD: &CStr = c"cloudstick_owner";

/// Who wants an image.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    /// What we call ourselves.
    pub(super) owner: String,
    /// Tells this installation from every other; kept by the caller, not shown to anybody.
    pub(super) identity: Option<String>,
    /// Take the image from its present owner, who is fenced by it.
    pub(super) take_over: bool,
}

/// What is remembered of the last owner, with the image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    /// Counts the owners. One more for each, two more where somebody else may have had the image in between.
    pub(super) generation: u64,
    /// What the owner calls itself.
    pub(super) owner: String,
    /// Since when, RFC 3339.
    pub(super) since: String,
    /// The owner's address, until it gave the image up.
    pub(super) address: Option<String>,
    /// A hash by which the owner's installation, and nobody else, knows its own.
    pub(super) mark: Option<String>,
}

impl Record {
    /// The record of an image; an empty one if it never had an owner of our kind.
    pub(super) fn of(image: &Image) -> Result<Self> {
        let text = image.metadata(RECORD)?;
        Ok(text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default())
    }

    fn store(&self, image: &Image) -> Result<()> {
        let text = serde_json::to_string(self).unwrap_or_default();
        image.set_metadata(RECORD, &text)
    }

    /// Whether `holder` is the owner that this record is of.
    fn is_of(&self, holder: &Holder) -> bool {
        self.address
            .as_deref()
            .is_some_and(|address| bare(address) == bare(&holder.address))
    }
}

/// An image that is ours.
pub(super) struct Owned {
    pub(super) image: Image,
    /// Our address, as the lock has it.
    pub(super) address: String,
    pub(super) generation: u64,
}

/// The hash by which an installation knows its own record of one image.
fn mark(identity: &str, image: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{identity}\n{image}").as_bytes());
    digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who has the image, in words.
pub(super) fn describe(image: &Image) -> Result<Option<String>> {
    let holders = image.holders()?;
    let Some(holder) = holders.first() else { return Ok(None) };
    let record = Record::of(image)?;
    let alive = image
        .watchers()?
        .iter()
        .any(|watcher| bare(watcher) == bare(&holder.address));
    Ok(Some(words(holder, &record, alive)))
}

fn words(holder: &Holder, record: &Record, alive: bool) -> String {
    let address = bare(&holder.address);
    let mut text = match record.is_of(holder) {
        true => format!("{} at {address} since {}", record.owner, record.since),
        false => format!("the client at {address}"),
    };
    if !alive {
        text.push_str(", which is not connected");
    }
    // From the cluster: anybody with rights there can have written it.
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Opens `name` for writing and makes it ours.
///
/// Somebody else's lock is respected unless they are not connected any more (half a minute after their last sign of
/// life), or are an earlier self of ours, or the image is to be taken over. Whoever loses the lock is blocklisted first.
pub(super) fn own(pool: &Arc<Pool>, name: &str, claim: &Claim) -> Result<Owned> {
    let image = Image::open(pool, name, None, true)?;
    let features = image.features()?;
    features.check_librbd(image.name())?;
    let record = Record::of(&image)?;
    let holders = image.holders()?;
    let mark = our_mark(&image, claim)?;
    let mut unbroken = match &holders[..] {
        [] => record.address.is_none(),
        holders => holders.iter().all(|holder| record.is_of(holder)),
    };
    fence(&image, &record, &holders, mark.as_deref(), claim)?;
    image.lock()?;
    let address = match &image.holders()?[..] {
        [holder] => holder.address.clone(),
        _ => return Err(image.in_use("several clients at once")),
    };
    // Read again: somebody may have had it since.
    let record = match Record::of(&image)? {
        now if now == record => record,
        now => {
            unbroken = false;
            now
        }
    };
    let generation = record.generation + if unbroken { 1 } else { 2 };
    let now = OffsetDateTime::now_utc()
        .replace_nanosecond(0)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let new = Record {
        generation,
        owner: claim.owner.clone(),
        since: now.format(&Rfc3339).unwrap_or_default(),
        address: Some(address.clone()),
        mark,
    };
    new.store(&image)?;
    Ok(Owned {
        image,
        address,
        generation,
    })
}

/// Goes on as the owner that this installation is, with its generation, through another connection: the one `before`, by its
/// address, is fenced. Fails with [`RbdError::Fenced`] if somebody else had the image in between, or has it.
pub(super) fn go_on(pool: &Arc<Pool>, name: &str, claim: &Claim, generation: u64, before: &str) -> Result<Owned> {
    let image = Image::open(pool, name, None, true)?;
    let record = Record::of(&image)?;
    let lost = |record: &Record| RbdError::Fenced {
        object: image.name().to_owned(),
        detail: format!("{} has it since {}", record.owner, record.since),
    };
    if record.generation != generation {
        return Err(lost(&record));
    }
    let holders = image.holders()?;
    if let Some(other) = holders.iter().find(|holder| bare(&holder.address) != bare(before)) {
        return Err(RbdError::Fenced {
            object: image.name().to_owned(),
            detail: format!("{} took it", words(other, &record, true)),
        });
    }
    match holders.first() {
        Some(ours) => image.break_lock(ours)?,
        // The lock is gone; what the connection still has must not arrive all the same.
        None => image.pool().cluster().fence_for_long(bare(before))?,
    }
    image.lock().map_err(|error| match error {
        RbdError::InUse { object, owner, .. } => RbdError::Fenced {
            object,
            detail: format!("{owner} took it"),
        },
        other => other,
    })?;
    let now = Record::of(&image)?;
    let address = match &image.holders()?[..] {
        [holder] if now == record => holder.address.clone(),
        _ => return Err(lost(&now)),
    };
    let new = Record {
        address: Some(address.clone()),
        mark: our_mark(&image, claim)?,
        ..record
    };
    new.store(&image)?;
    Ok(Owned {
        image,
        address,
        generation,
    })
}

/// Makes sure that another client of this machine finds an image free: as [`own`], without taking it.
pub(super) fn make_way(pool: &Arc<Pool>, name: &str, claim: &Claim) -> Result<()> {
    let image = Image::open(pool, name, None, true)?;
    let mark = our_mark(&image, claim)?;
    fence(&image, &Record::of(&image)?, &image.holders()?, mark.as_deref(), claim)?;
    image.close()
}

fn our_mark(image: &Image, claim: &Claim) -> Result<Option<String>> {
    match &claim.identity {
        Some(identity) => Ok(Some(mark(identity, &image.id()?))),
        None => Ok(None),
    }
}

/// Fences those who have the lock of an image, unless it is somebody else who is alive, and it is not to be taken over.
fn fence(image: &Image, record: &Record, holders: &[Holder], mark: Option<&str>, claim: &Claim) -> Result<()> {
    for holder in holders {
        let our_dead_self = record.is_of(holder) && mark.is_some() && record.mark.as_deref() == mark;
        if !our_dead_self && !claim.take_over {
            let alive = image
                .watchers()?
                .iter()
                .any(|watcher| bare(watcher) == bare(&holder.address));
            if alive {
                return Err(image.in_use(&words(holder, record, true)));
            }
        }
        tracing::info!(
            image = image.name(),
            owner = words(holder, record, true),
            "fencing an earlier owner"
        );
        image.break_lock(holder)?;
    }
    Ok(())
}

/// Gives an image up and closes it. The lock is given up also when something on the way fails.
pub(super) fn give_up(image: &Image, generation: u64) -> Result<()> {
    // Closed already, since it was lost.
    let Some(open) = image.using() else { return Ok(()) };
    let noted = Record::of(image).and_then(|mut record| match record.generation == generation {
        true => {
            record.address = None;
            record.store(image)
        }
        false => Err(RbdError::Fenced {
            object: image.name().to_owned(),
            detail: format!("{} has it since {}", record.owner, record.since),
        }),
    });
    let unlocked = match image.features() {
        Ok(features) if features.contains(Features::EXCLUSIVE_LOCK) => Ok(()),
        _ => image.unlock_advisory(),
    };
    drop(open);
    let closed = image.close();
    noted.and(unlocked).and(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_from_elsewhere_does_no_harm() {
        for text in [
            "",
            "{}",
            "[]",
            "{\"generation\": -1}",
            "{\"generation\": 3, \"more\": 1}",
        ] {
            let record: Record = serde_json::from_str(text).unwrap_or_default();
            assert!(record.generation == 0 || record.generation == 3, "{text}");
        }
    }

    #[test]
    fn marks_tell_installations_and_images_apart() {
        let marks = [mark("a", "1"), mark("a", "2"), mark("b", "1")];
        assert!(marks[0] != marks[1] && marks[0] != marks[2]);
        assert_eq!(marks[0].len(), 32);
    }
}
