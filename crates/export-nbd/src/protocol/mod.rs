//! The NBD protocol as pure functions: constants, parsing of what clients send, encoding of what servers send.
//!
//! Source: `doc/proto.md` of the NBD project, whose names are kept. Nothing here does I/O, and nothing here trusts a
//! byte of its input.

mod option;
mod reply;
mod request;

pub use option::{ClientOption, InfoRequest, InvalidOption, MetaRequest, parse_option};
pub use reply::{ALLOCATION_ID, Head, OptionReply, block_status, data, error, extent_flags, hole, none, simple};
pub use request::{Command, REQUEST_HEADER, Request, WrongMagic, parse_request};

/// `NBDMAGIC`, the first eight bytes a server sends.
pub const INIT_MAGIC: u64 = 0x4e42_444d_4147_4943;
/// `IHAVEOPT`: the second eight bytes of a newstyle server, and the start of every option of a client.
pub const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
/// Start of every reply to an option.
pub const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
/// `NBD_REQUEST_MAGIC`
pub const REQUEST_MAGIC: u32 = 0x2560_9513;
/// `NBD_SIMPLE_REPLY_MAGIC`
pub const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
/// `NBD_STRUCTURED_REPLY_MAGIC`
pub const STRUCTURED_REPLY_MAGIC: u32 = 0x668e_33ef;

/// The longest string of the protocol, in bytes ("Conventions").
pub const MAX_STRING: usize = 4096;

/// `NBD_FLAG_FIXED_NEWSTYLE`, and the client's answer `NBD_FLAG_C_FIXED_NEWSTYLE`.
pub const FLAG_FIXED_NEWSTYLE: u16 = 1 << 0;
/// `NBD_FLAG_NO_ZEROES`, and the client's answer `NBD_FLAG_C_NO_ZEROES`.
pub const FLAG_NO_ZEROES: u16 = 1 << 1;

/// Transmission flags: what an export can do (`NBD_FLAG_*`).
pub mod transmission {
    /// Always set.
    pub const HAS_FLAGS: u16 = 1 << 0;
    /// Every modification fails.
    pub const READ_ONLY: u16 = 1 << 1;
    /// `NBD_CMD_FLUSH`
    pub const SEND_FLUSH: u16 = 1 << 2;
    /// `NBD_CMD_FLAG_FUA`
    pub const SEND_FUA: u16 = 1 << 3;
    /// `NBD_CMD_TRIM`
    pub const SEND_TRIM: u16 = 1 << 5;
    /// `NBD_CMD_WRITE_ZEROES` and `NBD_CMD_FLAG_NO_HOLE`
    pub const SEND_WRITE_ZEROES: u16 = 1 << 6;
    /// `NBD_CMD_FLAG_DF`
    pub const SEND_DF: u16 = 1 << 7;
    /// A flush on one connection covers the writes completed on all.
    pub const CAN_MULTI_CONN: u16 = 1 << 8;
    /// `NBD_CMD_CACHE`
    pub const SEND_CACHE: u16 = 1 << 10;
    /// `NBD_CMD_FLAG_FAST_ZERO`
    pub const SEND_FAST_ZERO: u16 = 1 << 11;
}

/// Option numbers (`NBD_OPT_*`).
pub mod opt {
    /// Enter transmission, the old way, without a reply that can say no.
    pub const EXPORT_NAME: u32 = 1;
    /// End the session.
    pub const ABORT: u32 = 2;
    /// List the exports.
    pub const LIST: u32 = 3;
    /// Switch to TLS.
    pub const STARTTLS: u32 = 5;
    /// Describe an export.
    pub const INFO: u32 = 6;
    /// Describe an export and enter transmission.
    pub const GO: u32 = 7;
    /// Use structured replies.
    pub const STRUCTURED_REPLY: u32 = 8;
    /// List metadata contexts.
    pub const LIST_META_CONTEXT: u32 = 9;
    /// Choose metadata contexts.
    pub const SET_META_CONTEXT: u32 = 10;
    /// An experimental extension with 64-bit lengths.
    pub const EXTENDED_HEADERS: u32 = 11;
}

/// Types of replies to options (`NBD_REP_*`).
pub mod rep {
    /// Done.
    pub const ACK: u32 = 1;
    /// One export of a list.
    pub const SERVER: u32 = 2;
    /// One fact about an export.
    pub const INFO: u32 = 3;
    /// One metadata context.
    pub const META_CONTEXT: u32 = 4;
    /// Unknown option.
    pub const ERR_UNSUP: u32 = (1 << 31) + 1;
    /// Malformed option.
    pub const ERR_INVALID: u32 = (1 << 31) + 3;
    /// No such export.
    pub const ERR_UNKNOWN: u32 = (1 << 31) + 6;
    /// The server is being stopped.
    pub const ERR_SHUTDOWN: u32 = (1 << 31) + 7;
    /// More data than the server is willing to look at.
    pub const ERR_TOO_BIG: u32 = (1 << 31) + 9;
}

/// Facts about an export (`NBD_INFO_*`).
pub mod info {
    /// Size and transmission flags.
    pub const EXPORT: u16 = 0;
    /// Canonical name.
    pub const NAME: u16 = 1;
    /// Text for people.
    pub const DESCRIPTION: u16 = 2;
    /// Minimum, preferred and maximum size of requests.
    pub const BLOCK_SIZE: u16 = 3;
}

/// Flags of requests (`NBD_CMD_FLAG_*`).
pub mod cmd_flag {
    /// Durable when replied to.
    pub const FUA: u16 = 1 << 0;
    /// Zeroes that stay allocated.
    pub const NO_HOLE: u16 = 1 << 1;
    /// At most one content chunk in the reply to a read.
    pub const DF: u16 = 1 << 2;
    /// At most one extent in the reply to a block status.
    pub const REQ_ONE: u16 = 1 << 3;
    /// Zeroes only if that is faster than writing them.
    pub const FAST_ZERO: u16 = 1 << 4;
}

/// Types of structured reply chunks (`NBD_REPLY_TYPE_*`).
pub mod chunk {
    /// No content: the end of a successful reply.
    pub const NONE: u16 = 0;
    /// Data at an offset.
    pub const OFFSET_DATA: u16 = 1;
    /// Zeroes at an offset.
    pub const OFFSET_HOLE: u16 = 2;
    /// Extents of one metadata context.
    pub const BLOCK_STATUS: u16 = 5;
    /// The request failed.
    pub const ERROR: u16 = (1 << 15) + 1;
    /// `NBD_REPLY_FLAG_DONE`: the last chunk of the reply.
    pub const FLAG_DONE: u16 = 1 << 0;
}

/// Error numbers of replies (`NBD_E*`).
pub mod errno {
    /// Operation not permitted.
    pub const EPERM: u32 = 1;
    /// Input/output error.
    pub const EIO: u32 = 5;
    /// Cannot allocate memory.
    pub const ENOMEM: u32 = 12;
    /// Invalid argument.
    pub const EINVAL: u32 = 22;
    /// No space left on device.
    pub const ENOSPC: u32 = 28;
    /// Value too large.
    pub const EOVERFLOW: u32 = 75;
    /// Operation not supported.
    pub const ENOTSUP: u32 = 95;
    /// Server is being shut down.
    pub const ESHUTDOWN: u32 = 108;
}

/// The one metadata context there is: which extents are holes and which read as zeroes.
pub const ALLOCATION: &str = "base:allocation";
/// `NBD_STATE_HOLE`
pub const STATE_HOLE: u32 = 1 << 0;
/// `NBD_STATE_ZERO`
pub const STATE_ZERO: u32 = 1 << 1;
