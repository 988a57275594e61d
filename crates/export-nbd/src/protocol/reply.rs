//! Encoding of everything a server sends after its greeting.

use block::ExtentKind;
use bytes::{BufMut, Bytes, BytesMut};

use super::{
    MAX_STRING, OPTION_REPLY_MAGIC, SIMPLE_REPLY_MAGIC, STATE_HOLE, STATE_ZERO, STRUCTURED_REPLY_MAGIC, chunk,
};

/// Identifier of the one metadata context, chosen by us.
pub const ALLOCATION_ID: u32 = 1;

/// The fixed part of a reply of the transmission phase; lives in place, so that a reply allocates nothing.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Head {
    /// The longest: a hole, header (20), offset (8) and length (4).
    const MAX: usize = 32;

    fn new() -> Self {
        Self {
            bytes: [0; Self::MAX],
            len: 0,
        }
    }

    fn put<const N: usize>(mut self, field: [u8; N]) -> Self {
        let at = usize::from(self.len);
        self.bytes[at..at + N].copy_from_slice(&field);
        self.len += N as u8;
        self
    }

    fn chunk(cookie: u64, kind: u16, done: bool, payload: u32) -> Self {
        let flags = if done { chunk::FLAG_DONE } else { 0 };
        Self::new()
            .put(STRUCTURED_REPLY_MAGIC.to_be_bytes())
            .put(flags.to_be_bytes())
            .put(kind.to_be_bytes())
            .put(cookie.to_be_bytes())
            .put(payload.to_be_bytes())
    }
}

impl AsRef<[u8]> for Head {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// A simple reply; the data of a successful read follow it.
#[must_use]
pub fn simple(cookie: u64, error: u32) -> Head {
    Head::new()
        .put(SIMPLE_REPLY_MAGIC.to_be_bytes())
        .put(error.to_be_bytes())
        .put(cookie.to_be_bytes())
}

/// `NBD_REPLY_TYPE_NONE`, the end of a successful reply without content.
#[must_use]
pub fn none(cookie: u64) -> Head {
    Head::chunk(cookie, chunk::NONE, true, 0)
}

/// `NBD_REPLY_TYPE_OFFSET_DATA`; `length` bytes of data follow it. `length` is at most that of a request.
#[must_use]
pub fn data(cookie: u64, done: bool, offset: u64, length: u32) -> Head {
    Head::chunk(cookie, chunk::OFFSET_DATA, done, 8 + length).put(offset.to_be_bytes())
}

/// `NBD_REPLY_TYPE_OFFSET_HOLE`
#[must_use]
pub fn hole(cookie: u64, done: bool, offset: u64, length: u32) -> Head {
    Head::chunk(cookie, chunk::OFFSET_HOLE, done, 12)
        .put(offset.to_be_bytes())
        .put(length.to_be_bytes())
}

/// `NBD_REPLY_TYPE_ERROR` with a text for people, which follows it.
#[must_use]
pub fn error(cookie: u64, code: u32, message: &str) -> (Head, Bytes) {
    let message = &message[..message.floor_char_boundary(MAX_STRING)];
    let head = Head::chunk(cookie, chunk::ERROR, true, 6 + message.len() as u32)
        .put(code.to_be_bytes())
        .put((message.len() as u16).to_be_bytes());
    (head, Bytes::copy_from_slice(message.as_bytes()))
}

/// `NBD_REPLY_TYPE_BLOCK_STATUS` of `base:allocation`: pairs of length and flags, which follow it.
#[must_use]
pub fn block_status(cookie: u64, extents: &[(u32, u32)]) -> (Head, Bytes) {
    let mut body = BytesMut::with_capacity(8 * extents.len());
    for (length, flags) in extents {
        body.put_u32(*length);
        body.put_u32(*flags);
    }
    let head = Head::chunk(cookie, chunk::BLOCK_STATUS, true, 4 + body.len() as u32).put(ALLOCATION_ID.to_be_bytes());
    (head, body.freeze())
}

/// The flags of `base:allocation` for an extent.
#[must_use]
pub fn extent_flags(kind: ExtentKind) -> u32 {
    match kind {
        ExtentKind::Data => 0,
        ExtentKind::Hole => STATE_HOLE | STATE_ZERO,
        ExtentKind::Zero => STATE_ZERO,
    }
}

/// Builds replies to one option.
#[derive(Debug)]
pub struct OptionReply {
    option: u32,
    bytes: Vec<u8>,
}

impl OptionReply {
    /// No replies yet to `option`.
    #[must_use]
    pub fn new(option: u32) -> Self {
        Self {
            option,
            bytes: Vec::new(),
        }
    }

    /// Adds a reply of type `kind`, its data in parts.
    pub fn push(&mut self, kind: u32, parts: &[&[u8]]) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.bytes.put_u64(OPTION_REPLY_MAGIC);
        self.bytes.put_u32(self.option);
        self.bytes.put_u32(kind);
        self.bytes.put_u32(length as u32);
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
    }

    /// What to send.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_as_the_protocol_lays_them_out() {
        assert_eq!(
            simple(0x0102, 5).as_ref(),
            [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 1, 2]
        );
        assert_eq!(
            none(1).as_ref(),
            [0x66, 0x8e, 0x33, 0xef, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
        );
        assert_eq!(data(1, false, 512, 4096).as_ref()[4..8], [0, 0, 0, 1]);
        assert_eq!(
            data(1, true, 512, 4096).as_ref()[16..],
            [0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 2, 0]
        );
        assert_eq!(
            hole(1, true, 512, 4096).as_ref()[16..],
            [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x10, 0]
        );
    }

    #[test]
    fn error_texts_are_cut_between_characters() {
        let text = "ü".repeat(4000);
        let (head, message) = error(1, 22, &text);
        assert_eq!(message.len(), 4096);
        assert!(std::str::from_utf8(&message).is_ok());
        assert_eq!(head.as_ref()[16..20], (4096_u32 + 6).to_be_bytes());
        let (_, message) = error(1, 22, &format!("x{text}"));
        assert_eq!(message.len(), 4095);
    }

    #[test]
    fn extents_are_pairs_of_length_and_flags() {
        let (head, body) = block_status(9, &[(512, 0), (1024, extent_flags(ExtentKind::Hole))]);
        assert_eq!(head.as_ref()[16..], [0, 0, 0, 20, 0, 0, 0, 1]);
        assert_eq!(body.as_ref(), [0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 3]);
    }

    #[test]
    fn replies_to_options_carry_the_option_and_their_length() {
        let mut reply = OptionReply::new(3);
        reply.push(1, &[b"ab", b"c"]);
        assert_eq!(
            reply.into_bytes(),
            [
                0, 3, 0xe8, 0x89, 4, 0x55, 0x65, 0xa9, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 3, b'a', b'b', b'c'
            ]
        );
    }
}
