//! Parsing of the requests of the transmission phase ("Request message").

use super::{REQUEST_MAGIC, cmd_flag};

/// Length of a request without its payload, in bytes.
pub const REQUEST_HEADER: usize = 28;

/// What a client asks for (`NBD_CMD_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `NBD_CMD_READ`
    Read,
    /// `NBD_CMD_WRITE`: the only one with a payload.
    Write,
    /// `NBD_CMD_DISC`
    Disconnect,
    /// `NBD_CMD_FLUSH`
    Flush,
    /// `NBD_CMD_TRIM`
    Trim,
    /// `NBD_CMD_CACHE`
    Cache,
    /// `NBD_CMD_WRITE_ZEROES`
    WriteZeroes,
    /// `NBD_CMD_BLOCK_STATUS`
    BlockStatus,
    /// Anything else. It has no payload that we could know of.
    Unknown(u16),
}

impl Command {
    /// Whether it changes the disk.
    #[must_use]
    pub fn modifies(self) -> bool {
        matches!(self, Self::Write | Self::Trim | Self::WriteZeroes)
    }

    /// The flags it may carry. FUA must be accepted everywhere ("Command flags").
    #[must_use]
    pub fn allowed_flags(self) -> u16 {
        cmd_flag::FUA
            | match self {
                Self::Read => cmd_flag::DF,
                Self::WriteZeroes => cmd_flag::NO_HOLE | cmd_flag::FAST_ZERO,
                Self::BlockStatus => cmd_flag::REQ_ONE,
                _ => 0,
            }
    }
}

/// The header of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// `NBD_CMD_FLAG_*`
    pub flags: u16,
    /// What to do.
    pub command: Command,
    /// The client's name for the request, repeated in the reply.
    pub cookie: u64,
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u32,
}

impl Request {
    /// Whether all of `flags` are set.
    #[must_use]
    pub fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }

    /// Bytes that follow the header.
    #[must_use]
    pub fn payload(&self) -> u32 {
        if self.command == Command::Write { self.length } else { 0 }
    }
}

/// The header of a request starts with something else than `NBD_REQUEST_MAGIC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request starts with {0:#010x} instead of {REQUEST_MAGIC:#010x}")]
pub struct WrongMagic(pub u32);

/// Takes the header of a request apart.
///
/// # Errors
///
/// [`WrongMagic`]: client and server have lost each other, the connection is of no use any more.
pub fn parse_request(header: &[u8; REQUEST_HEADER]) -> Result<Request, WrongMagic> {
    let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let word = |at: usize| u32::from(half(at)) << 16 | u32::from(half(at + 2));
    let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
    if word(0) != REQUEST_MAGIC {
        return Err(WrongMagic(word(0)));
    }
    let command = match half(6) {
        0 => Command::Read,
        1 => Command::Write,
        2 => Command::Disconnect,
        3 => Command::Flush,
        4 => Command::Trim,
        5 => Command::Cache,
        6 => Command::WriteZeroes,
        7 => Command::BlockStatus,
        other => Command::Unknown(other),
    };
    Ok(Request {
        flags: half(4),
        command,
        cookie: long(8),
        offset: long(16),
        length: word(24),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(magic: u32, flags: u16, command: u16) -> [u8; REQUEST_HEADER] {
        let mut header = [0; REQUEST_HEADER];
        header[..4].copy_from_slice(&magic.to_be_bytes());
        header[4..6].copy_from_slice(&flags.to_be_bytes());
        header[6..8].copy_from_slice(&command.to_be_bytes());
        header[8..16].copy_from_slice(&0x0102_0304_0506_0708_u64.to_be_bytes());
        header[16..24].copy_from_slice(&(u64::MAX - 511).to_be_bytes());
        header[24..].copy_from_slice(&0xfedc_ba98_u32.to_be_bytes());
        header
    }

    #[test]
    fn every_field_is_found() {
        let request = parse_request(&header(REQUEST_MAGIC, 5, 1)).unwrap();
        assert_eq!(
            request,
            Request {
                flags: 5,
                command: Command::Write,
                cookie: 0x0102_0304_0506_0708,
                offset: u64::MAX - 511,
                length: 0xfedc_ba98
            }
        );
        assert_eq!(request.payload(), request.length);
        assert!(request.has(cmd_flag::FUA | cmd_flag::DF) && !request.has(cmd_flag::FUA | cmd_flag::NO_HOLE));
    }

    #[test]
    fn unknown_commands_are_kept_and_a_wrong_magic_is_not() {
        let request = parse_request(&header(REQUEST_MAGIC, 0, 4711)).unwrap();
        assert_eq!((request.command, request.payload()), (Command::Unknown(4711), 0));
        assert_eq!(parse_request(&header(0x1256_0953, 0, 0)), Err(WrongMagic(0x1256_0953)));
    }
}
