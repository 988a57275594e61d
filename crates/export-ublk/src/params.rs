//! What the kernel is told of a disk (`struct ublk_params`).

use block::Properties;
use libublk::sys;

/// Longest discard or fast zeroing in one request, in bytes: long enough for a 1 TiB `mkfs` in 4096 requests, short
/// enough for any store to finish one within the deadline.
const MAX_RANGE: u32 = 256 << 20;

const SECTOR_SHIFT: u32 = 9;

/// The parameters of a disk with `properties` and requests of at most `max_io` bytes.
///
/// Zeroing is always advertised: without it the kernel would send the zeroes as data. Where the stack is not faster
/// than that, one request covers no more than a write does, so that the deadline holds.
pub(crate) fn params(properties: &Properties, max_io: u32) -> sys::ublk_params {
    let features = properties.features;
    let mut attrs = 0;
    if properties.read_only {
        attrs |= sys::UBLK_ATTR_READ_ONLY;
    }
    if features.volatile_cache {
        attrs |= sys::UBLK_ATTR_VOLATILE_CACHE | sys::UBLK_ATTR_FUA;
    }
    let logical = properties.logical_block_size;
    let physical = properties.physical_block_size.max(logical);
    let granularity = properties.discard_granularity.max(logical);
    let sectors = |bytes: u32| bytes >> SECTOR_SHIFT;
    let writable = !properties.read_only;
    let max_discard = if writable && features.discard {
        MAX_RANGE.max(granularity)
    } else {
        0
    };
    let max_zeroes = match (writable, features.fast_zero) {
        (false, _) => 0,
        (true, true) => MAX_RANGE,
        (true, false) => max_io,
    };
    sys::ublk_params {
        len: size_of::<sys::ublk_params>() as u32,
        types: sys::UBLK_PARAM_TYPE_BASIC | sys::UBLK_PARAM_TYPE_DISCARD,
        basic: sys::ublk_param_basic {
            attrs,
            logical_bs_shift: shift(logical),
            physical_bs_shift: shift(physical),
            io_min_shift: shift(physical),
            io_opt_shift: shift(properties.preferred_request.max(physical)),
            max_sectors: sectors(max_io),
            dev_sectors: properties.size >> SECTOR_SHIFT,
            ..Default::default()
        },
        discard: sys::ublk_param_discard {
            discard_granularity: granularity,
            max_discard_sectors: sectors(max_discard),
            max_write_zeroes_sectors: sectors(max_zeroes),
            max_discard_segments: 1,
            ..Default::default()
        },
        ..Default::default()
    }
}

/// Binary logarithm, rounded down: the block sizes are powers of two by contract.
fn shift(size: u32) -> u8 {
    size.max(1).ilog2() as u8
}

/// Whether a device with parameters `old` can go on as one with `new`, apart from its size.
pub(crate) fn same_but_size(old: &sys::ublk_params, new: &sys::ublk_params) -> bool {
    let (a, b) = (&old.basic, &new.basic);
    let (c, d) = (&old.discard, &new.discard);
    // The longest request is the kernel's to keep: it was agreed when the device was made and binds nobody here.
    a.attrs == b.attrs
        && a.logical_bs_shift == b.logical_bs_shift
        && a.physical_bs_shift == b.physical_bs_shift
        && (c.max_discard_sectors == 0) == (d.max_discard_sectors == 0)
        && c.discard_granularity == d.discard_granularity
        && c.max_write_zeroes_sectors <= d.max_write_zeroes_sectors.max(a.max_sectors)
}

#[cfg(test)]
mod tests {
    use block::Features;

    use super::*;

    fn disk(features: Features) -> Properties {
        Properties {
            physical_block_size: 4096,
            preferred_request: 1 << 20,
            discard_granularity: 4096,
            features,
            ..Properties::new(5 << 40)
        }
    }

    #[test]
    fn a_plain_disk_has_no_cache_and_no_discard() {
        let params = params(&disk(Features::default()), 512 << 10);
        assert_eq!(params.basic.attrs, 0);
        assert_eq!(params.basic.dev_sectors, 5 << 31);
        assert_eq!((params.basic.logical_bs_shift, params.basic.physical_bs_shift), (9, 12));
        assert_eq!((params.basic.io_min_shift, params.basic.io_opt_shift), (12, 20));
        assert_eq!(params.basic.max_sectors, 1024);
        assert_eq!(params.discard.max_discard_sectors, 0);
        assert_eq!(
            params.discard.max_write_zeroes_sectors, 1024,
            "slow zeroes are no longer than a write"
        );
    }

    #[test]
    fn features_are_advertised() {
        let params = params(
            &disk(Features {
                discard: true,
                fast_zero: true,
                volatile_cache: true,
                ..Features::default()
            }),
            1 << 20,
        );
        assert_eq!(params.basic.attrs, sys::UBLK_ATTR_VOLATILE_CACHE | sys::UBLK_ATTR_FUA);
        assert_eq!(params.discard.max_discard_sectors, MAX_RANGE >> 9);
        assert_eq!(params.discard.max_write_zeroes_sectors, MAX_RANGE >> 9);
        assert_eq!(params.discard.discard_granularity, 4096);
        assert_eq!(params.discard.max_discard_segments, 1);
    }

    #[test]
    fn a_read_only_disk_takes_nothing_that_writes() {
        let properties = Properties {
            read_only: true,
            ..disk(Features {
                discard: true,
                fast_zero: true,
                ..Features::default()
            })
        };
        let params = params(&properties, 1 << 20);
        assert_eq!(params.basic.attrs, sys::UBLK_ATTR_READ_ONLY);
        assert_eq!(params.discard.max_discard_sectors, 0);
        assert_eq!(params.discard.max_write_zeroes_sectors, 0);
        assert_ne!(params.discard.discard_granularity, 0, "the driver refuses 0");
    }

    #[test]
    fn a_device_that_lost_its_cache_flag_or_its_size_is_noticed() {
        let cached = params(
            &disk(Features {
                volatile_cache: true,
                ..Features::default()
            }),
            1 << 20,
        );
        let plain = params(&disk(Features::default()), 1 << 20);
        assert!(!same_but_size(&plain, &cached));
        assert!(same_but_size(
            &plain,
            &params(
                &Properties {
                    size: 512,
                    ..disk(Features::default())
                },
                1 << 20
            )
        ));
        assert!(same_but_size(&plain, &params(&disk(Features::default()), 64 << 10)));
    }
}
