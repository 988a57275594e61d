//! What a server offers: disks under names.

use block::{Disk, LOGICAL_BLOCK_SIZE, MAX_REQUEST, Properties};

use crate::{
    error::BindError,
    protocol::{MAX_STRING, transmission},
};

/// A disk under a name.
///
/// The first of a server's exports, and one named with the empty string before it, is the default: what a client gets
/// that asks for no name.
#[derive(Clone)]
pub struct Export {
    /// What clients ask for.
    pub name: String,
    /// Text for people, shown by listing clients. May be empty.
    pub description: String,
    /// The disk. Shared by all connections, so that a flush on one covers them all.
    pub disk: Disk,
    /// Refuse to change the disk, even if it could be.
    pub read_only: bool,
}

impl Export {
    /// Whether clients cannot change it.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only || self.disk.properties().read_only
    }

    /// The transmission flags of a connection to it.
    pub(crate) fn flags(&self, structured: bool) -> u16 {
        let features = self.disk.properties().features;
        let mut flags = transmission::HAS_FLAGS
            | transmission::SEND_FLUSH
            | transmission::SEND_FUA
            | transmission::CAN_MULTI_CONN
            | transmission::SEND_CACHE;
        if structured {
            flags |= transmission::SEND_DF;
        }
        if self.is_read_only() {
            return flags | transmission::READ_ONLY;
        }
        flags |= transmission::SEND_WRITE_ZEROES | transmission::SEND_FAST_ZERO;
        if features.discard {
            flags |= transmission::SEND_TRIM;
        }
        flags
    }
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export")
            .field("name", &self.name)
            .field("disk", &self.disk.name())
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

/// Limits on the size of requests ("Size constraints").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockSizes {
    /// Offsets and lengths must be multiples of it.
    pub(crate) minimum: u32,
    /// Aligned requests of at least this size cause no read-modify-write.
    pub(crate) preferred: u32,
    /// The longest payload of a request.
    pub(crate) maximum: u32,
}

impl BlockSizes {
    /// The limits for a disk served with `memory` bytes per client.
    ///
    /// Preferred is at least 4096, the unit of page caches on both sides, and no more than the disk really needs:
    /// clients align to it, so that a larger number costs them read-modify-write of their own.
    pub(crate) fn new(properties: &Properties, memory: u32) -> Self {
        let minimum = properties.logical_block_size.max(LOGICAL_BLOCK_SIZE);
        let maximum = memory.clamp(1 << 20, MAX_REQUEST);
        Self {
            minimum,
            preferred: properties.physical_block_size.max(minimum).clamp(4096, 1 << 20),
            maximum,
        }
    }
}

/// The export that a client means by `name`.
pub(crate) fn find(exports: &[Export], name: &str) -> Option<usize> {
    exports
        .iter()
        .position(|export| export.name == name)
        .or_else(|| (name.is_empty() && !exports.is_empty()).then_some(0))
}

/// Whether a server can offer these exports.
pub(crate) fn validate(exports: &[Export]) -> Result<(), BindError> {
    if exports.is_empty() {
        return Err(BindError::NoExports);
    }
    for (index, Export { name, description, .. }) in exports.iter().enumerate() {
        let bad = |reason| BindError::BadExport {
            name: name.chars().take(64).collect(),
            reason,
        };
        if name.len() > MAX_STRING || description.len() > MAX_STRING {
            return Err(bad("name and description may have 4096 bytes each"));
        }
        if name.contains('\0') || description.contains('\0') {
            return Err(bad("name and description may hold no NUL"));
        }
        if exports[..index].iter().any(|other| other.name == *name) {
            return Err(BindError::DuplicateExport(name.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use block::MemoryDevice;

    use super::*;

    fn export(name: &str) -> Export {
        Export {
            name: name.into(),
            description: String::new(),
            disk: Arc::new(MemoryDevice::new(1 << 20).unwrap()),
            read_only: false,
        }
    }

    #[test]
    fn the_default_export_is_the_unnamed_or_the_first() {
        assert_eq!(find(&[export("a"), export("b")], ""), Some(0));
        assert_eq!(find(&[export("a"), export("")], ""), Some(1));
        assert_eq!(find(&[export("a"), export("b")], "b"), Some(1));
        assert_eq!(find(&[export("a")], "A"), None);
    }

    #[test]
    fn names_must_differ_and_be_legal() {
        assert!(validate(&[export("a"), export("")]).is_ok());
        assert!(matches!(validate(&[]), Err(BindError::NoExports)));
        assert!(matches!(
            validate(&[export("a"), export("a")]),
            Err(BindError::DuplicateExport(_))
        ));
        assert!(matches!(validate(&[export("a\0")]), Err(BindError::BadExport { .. })));
        assert!(matches!(
            validate(&[export(&"n".repeat(4097))]),
            Err(BindError::BadExport { .. })
        ));
    }

    #[test]
    fn a_read_only_export_offers_nothing_that_writes() {
        let mut read_only = export("a");
        read_only.read_only = true;
        let flags = read_only.flags(true);
        assert_ne!(flags & transmission::READ_ONLY, 0);
        assert_eq!(flags & (transmission::SEND_TRIM | transmission::SEND_WRITE_ZEROES), 0);
        assert_eq!(export("a").flags(false) & transmission::SEND_DF, 0);
    }

    #[test]
    fn block_sizes_keep_the_rules_of_the_protocol() {
        for memory in [0, 1 << 20, 5_000_000, 32 << 20, u32::MAX] {
            let sizes = BlockSizes::new(&Properties::new(1 << 20), memory);
            assert!(sizes.minimum.is_power_of_two() && sizes.preferred.is_power_of_two());
            assert!(sizes.minimum <= sizes.preferred && sizes.preferred <= sizes.maximum);
            assert!((1 << 20..=32 << 20).contains(&sizes.maximum));
        }
    }
}
