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
    /// What the kernel's client can write to, where it does not tell (`RBD_FEATURES_ALL` in `drivers/block/rbd.c` of Linux
    /// 5.3 and newer): all but journaling, and nothing that is going on with an image.
    const KERNEL: Self = Self(0b1_1011_1111);

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

impl Features {
    /// Fails unless the kernel's client, which knows the features `known`, can be the one writer of an image with these.
    pub(crate) fn check_kernel(self, image: &str, known: Option<Self>) -> Result<()> {
        let known = known.unwrap_or(Self::KERNEL);
        let cannot = Self(self.0 & !known.0);
        if cannot.0 != 0 {
            return Err(RbdError::unsupported(
                image,
                format!("writing with the kernel's client to an image with {cannot}"),
                "use client = \"librbd\", or take it away: rbd feature disable",
            ));
        }
        if !self.contains(Self::EXCLUSIVE_LOCK) {
            return Err(RbdError::unsupported(
                image,
                "writing with the kernel's client to an image without exclusive-lock, by which alone it keeps others out,",
                format!("add it (rbd feature enable {image} exclusive-lock), or use client = \"librbd\""),
            ));
        }
        Ok(())
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
    fn what_the_kernel_cannot_honour_is_named() {
        let check = |features: u64, known| Features(features).check_kernel("rbd/tv", known);
        assert!(check(Features::DEFAULT.0, None).is_ok());
        let journaled = check(Features::DEFAULT.0 | Features::JOURNALING.0, None)
            .unwrap_err()
            .to_string();
        assert!(
            journaled.contains("journaling") && !journaled.contains("object-map"),
            "{journaled}"
        );
        let bare = check(Features::LAYERING.0, None).unwrap_err().to_string();
        assert!(bare.contains("rbd feature enable rbd/tv exclusive-lock"), "{bare}");
        let old = check(Features::DEFAULT.0, Some(Features(0b101)))
            .unwrap_err()
            .to_string();
        assert!(old.contains("object-map"), "{old}");
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
