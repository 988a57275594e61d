//! Errors of the block layer's requests as the kernel's error numbers.

use block::BlockError;

/// The errno of a request that missed its deadline: `BLK_STS_TIMEOUT`.
pub(crate) const DEADLINE: i32 = libc::ETIMEDOUT;

/// The error number that the kernel is told for `error`, positive.
///
/// The driver turns it into a block status with `errno_to_blk_status()` (`blk_errors` in `block/blk-core.c`), so only
/// numbers of that table carry meaning; anything else would arrive as `EIO`. Readers of `/dev/ublkbN` see the same
/// number again. Numbers that would make the block layer try again by itself (`EAGAIN`, `ENOMEM`, `EBUSY`) are never
/// used.
#[must_use]
pub fn errno(error: &BlockError) -> i32 {
    match error {
        // BLK_STS_INVAL: the kernel checks range and alignment itself, so the disk shrank under it.
        BlockError::OutOfRange { .. } | BlockError::Misaligned { .. } => libc::EINVAL,
        // BLK_STS_TARGET: a permanent refusal, trying again is of no use.
        BlockError::ReadOnly { .. } | BlockError::Denied { .. } => libc::EREMOTEIO,
        // BLK_STS_NOSPC: thin provisioning ran out, file systems report it as such.
        BlockError::NoSpace { .. } => libc::ENOSPC,
        // BLK_STS_TRANSPORT: recoverable, the path to the store is broken.
        BlockError::Unreachable { .. } => libc::ENOLINK,
        // BLK_STS_RESV_CONFLICT: another initiator holds the disk.
        BlockError::Fenced { .. } => libc::EBADE,
        // BLK_STS_PROTECTION: data and their checksum differ.
        BlockError::Corrupt { .. } => libc::EILSEQ,
        // BLK_STS_NOTSUPP: the block layer falls back where it can (zeroes are then written as data).
        BlockError::Unsupported { .. } => libc::EOPNOTSUPP,
        BlockError::Io { errno, .. } => match *errno {
            Some(
                known @ (libc::ETIMEDOUT
                | libc::ENOSPC
                | libc::ENOLINK
                | libc::EREMOTEIO
                | libc::ENODATA
                | libc::EILSEQ
                | libc::ENODEV),
            ) => known,
            _ => libc::EIO,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(number: Option<i32>) -> BlockError {
        BlockError::Io {
            disk: "d".into(),
            detail: "x".into(),
            errno: number,
        }
    }

    #[test]
    fn every_error_has_a_number_of_the_block_layers_table() {
        let fenced = BlockError::Fenced {
            disk: "d".into(),
            detail: "x".into(),
        };
        let corrupt = BlockError::Corrupt {
            disk: "d".into(),
            detail: "x".into(),
        };
        for (error, expected) in [
            (BlockError::out_of_range("d", 0, 1, 0), libc::EINVAL),
            (BlockError::misaligned("d", 1, 1, 512), libc::EINVAL),
            (BlockError::read_only("d"), libc::EREMOTEIO),
            (BlockError::denied("d", "x"), libc::EREMOTEIO),
            (BlockError::no_space("d", "x"), libc::ENOSPC),
            (BlockError::unreachable("d", "x"), libc::ENOLINK),
            (fenced, libc::EBADE),
            (corrupt, libc::EILSEQ),
            (BlockError::unsupported("d", "x"), libc::EOPNOTSUPP),
            (io(None), libc::EIO),
            (io(Some(libc::ENODATA)), libc::ENODATA),
        ] {
            assert_eq!(errno(&error), expected, "{error}");
        }
    }

    #[test]
    fn numbers_that_make_the_kernel_try_again_are_never_passed_on() {
        for number in [
            libc::EAGAIN,
            libc::ENOMEM,
            libc::EBUSY,
            libc::EINTR,
            libc::EREMCHG,
            0,
            -5,
        ] {
            assert_eq!(errno(&io(Some(number))), libc::EIO);
        }
    }
}
