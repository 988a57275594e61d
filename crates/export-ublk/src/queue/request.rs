//! What the kernel asks for (`struct ublksrv_io_desc`).

use libublk::sys;

const SECTOR: u64 = 512;

/// One request of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Read {
        offset: u64,
        len: u32,
    },
    Write {
        offset: u64,
        len: u32,
        fua: bool,
    },
    WriteZeroes {
        offset: u64,
        len: u64,
        no_hole: bool,
        fua: bool,
    },
    Discard {
        offset: u64,
        len: u64,
    },
    Flush,
}

impl Request {
    /// Reads a descriptor; `None` if it asks for something that was never offered.
    pub(super) fn decode(desc: &sys::ublksrv_io_desc) -> Option<Self> {
        let op = desc.op_flags & 0xff;
        if op == sys::UBLK_IO_OP_FLUSH {
            // A flush has no position; the kernel leaves -1 there.
            return Some(Self::Flush);
        }
        let offset = desc.start_sector.checked_mul(SECTOR)?;
        let length = u64::from(desc.nr_sectors) * SECTOR;
        let has = |flag: u32| desc.op_flags & flag != 0;
        Some(match op {
            sys::UBLK_IO_OP_READ => Self::Read {
                offset,
                len: u32::try_from(length).ok()?,
            },
            sys::UBLK_IO_OP_WRITE => Self::Write {
                offset,
                len: u32::try_from(length).ok()?,
                fua: has(sys::UBLK_IO_F_FUA),
            },
            sys::UBLK_IO_OP_WRITE_ZEROES => Self::WriteZeroes {
                offset,
                len: length,
                no_hole: has(sys::UBLK_IO_F_NOUNMAP),
                fua: has(sys::UBLK_IO_F_FUA),
            },
            sys::UBLK_IO_OP_DISCARD => Self::Discard { offset, len: length },
            _ => return None,
        })
    }

    /// The bytes that are not where they should be if it fails; `None` if nothing is lost by that.
    pub(super) fn loses(self) -> Option<u64> {
        match self {
            Self::Write { len, .. } => Some(u64::from(len)),
            Self::WriteZeroes { len, .. } => Some(len),
            // What it should have made durable was counted, if at all, when it was written.
            Self::Flush => Some(0),
            Self::Read { .. } | Self::Discard { .. } => None,
        }
    }

    /// The answer of success: the bytes done, which the driver wants to know of reads and writes only.
    pub(super) fn done(self) -> i32 {
        match self {
            // No request is longer than MAX_IO, so that this fits.
            Self::Read { len, .. } | Self::Write { len, .. } => len as i32,
            Self::WriteZeroes { .. } | Self::Discard { .. } | Self::Flush => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desc(op_flags: u32, start_sector: u64, nr_sectors: u32) -> sys::ublksrv_io_desc {
        sys::ublksrv_io_desc {
            op_flags,
            nr_sectors,
            start_sector,
            addr: 0,
        }
    }

    #[test]
    fn requests_are_decoded_with_their_flags() {
        let fua = sys::UBLK_IO_F_FUA;
        assert_eq!(
            Request::decode(&desc(sys::UBLK_IO_OP_WRITE | fua | sys::UBLK_IO_F_META, 8, 16)),
            Some(Request::Write {
                offset: 4096,
                len: 8192,
                fua: true
            })
        );
        assert_eq!(
            Request::decode(&desc(
                sys::UBLK_IO_OP_WRITE_ZEROES | sys::UBLK_IO_F_NOUNMAP,
                1 << 33,
                u32::MAX
            )),
            Some(Request::WriteZeroes {
                offset: 1 << 42,
                len: u64::from(u32::MAX) * 512,
                no_hole: true,
                fua: false
            })
        );
        assert_eq!(
            Request::decode(&desc(sys::UBLK_IO_OP_FLUSH, u64::MAX, 0)),
            Some(Request::Flush)
        );
    }

    #[test]
    fn what_was_never_offered_is_refused() {
        assert_eq!(Request::decode(&desc(sys::UBLK_IO_OP_ZONE_APPEND, 0, 1)), None);
        assert_eq!(Request::decode(&desc(sys::UBLK_IO_OP_READ, u64::MAX, 1)), None);
        assert_eq!(Request::decode(&desc(sys::UBLK_IO_OP_READ, 0, u32::MAX)), None);
    }
}
