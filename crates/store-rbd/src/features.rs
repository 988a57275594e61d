//! The features of images: their bits, names, and which can be honoured.
//!
//! Source: `src/include/rbd/features.h` of Ceph.

use std::fmt;

use crate::error::{RbdError, Result};

/// A set of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Features(pub u64);

/// Names of the bits, from bit 0 on.
const NAMES: [&str; 12] = [
    "layering",
    "striping",
    "exclusive-lock",
    "object-map",
    "fast-diff",
    "deep-flatten",
    "journaling",
    "data-pool",
    "operations",
    "migrating",
    "non-primary",
    "dirty-cache",
];

impl Features {
    /// Clones.
    pub const LAYERING: Self = Self(1);
    /// One writer at a time.
    pub const EXCLUSIVE_LOCK: Self = Self(1 << 2);
    /// Which objects exist.
    pub const OBJECT_MAP: Self = Self(1 << 3);
    /// Which objects changed.
    pub const FAST_DIFF: Self = Self(1 << 4);
    /// Flattening also flattens snapshots.
    pub const DEEP_FLATTEN: Self = Self(1 << 5);
    /// Writes go through a journal.
    pub const JOURNALING: Self = Self(1 << 6);
    /// What the cluster gives an image unless told otherwise.
    pub const DEFAULT: Self = Self(0b11_1101);
    /// Those that somebody may ask for when making an image; others follow from what is done with it.
    const CHOOSABLE: Self = Self(0b111_1101);
    /// What librbd can write to without further ado: not while an image is migrated, mirrored from elsewhere, or has
    /// unwritten data in a cache of somebody else.
    const LIBRBD: Self = Self(0b1_1111_1111);

    /// Whether all of `other` are in it.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Reads names as `rbd create --image-feature` takes them. What a feature needs is added: an object map needs the
    /// exclusive lock, fast-diff the object map, journaling the exclusive lock.
    ///
    /// # Errors
    ///
    /// The name that is none.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut all = Self::default();
        for name in names {
            let bit = NAMES.iter().position(|known| *known == name);
            let feature = bit.map(|bit| Self(1 << bit)).filter(|it| Self::CHOOSABLE.contains(*it));
            let Some(feature) = feature else {
                let known = Self::CHOOSABLE;
                return Err(RbdError::invalid(
                    "features",
                    format!("\"{name}\" cannot be asked for; there are: {known}"),
                ));
            };
            all.0 |= feature.0;
        }
        if all.contains(Self::FAST_DIFF) {
            all.0 |= Self::OBJECT_MAP.0;
        }
        if all.contains(Self::OBJECT_MAP) || all.contains(Self::JOURNALING) {
            all.0 |= Self::EXCLUSIVE_LOCK.0;
        }
        Ok(all)
    }

    /// Fails unless librbd can write to an image with these features.
    pub(crate) fn check_librbd(self, image: &str) -> Result<()> {
        let cannot = Self(self.0 & !Self::LIBRBD.0);
        if cannot.0 == 0 {
            return Ok(());
        }
        Err(RbdError::unsupported(
            image,
            format!("writing with librbd to an image with {cannot}"),
            "end what is going on with the image (migration, mirroring, a cache of another client) first",
        ))
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<String> = Vec::new();
        for bit in 0..64_usize {
            if self.0 >> bit & 1 == 1 {
                names.push(
                    NAMES
                        .get(bit)
                        .map_or_else(|| format!("feature {bit}"), |name| (*name).to_owned()),
                );
            }
        }
        match names.is_empty() {
            true => f.write_str("none"),
            false => f.write_str(&names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits() {
        assert_eq!(
            Features::DEFAULT.to_string(),
            "layering, exclusive-lock, object-map, fast-diff, deep-flatten"
        );
        assert_eq!(Features(1 << 20).to_string(), "feature 20");
        let asked = Features::from_names(["layering", "fast-diff"]).unwrap();
        assert!(asked.contains(Features::OBJECT_MAP) && asked.contains(Features::EXCLUSIVE_LOCK));
        for wrong in ["migrating", "data-pool", "speed", ""] {
            assert!(Features::from_names([wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_client_cannot_honour_is_named() {
        let journaled = Features(Features::DEFAULT.0 | Features::JOURNALING.0);
        assert!(journaled.check_librbd("rbd/tv").is_ok());
        let error = Features(1 << 9).check_librbd("rbd/tv").unwrap_err().to_string();
        assert!(error.contains("migrating"), "{error}");
        assert!(
            Features(1 << 30).check_librbd("rbd/tv").is_err(),
            "a feature of the future"
        );
    }
}
