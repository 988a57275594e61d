//! From results to replies.

use block::{Extent, LOGICAL_BLOCK_SIZE, Payload};
use smallvec::SmallVec;

use super::writer::Piece;
use crate::protocol::{self, Head, Request, cmd_flag};

/// The parts of a reply. A short read fits without a list of its own.
pub(super) type Reply = SmallVec<[Piece; 2]>;

/// The shortest run of zeroes inside of data that is worth a chunk of its own, in bytes.
const SHORTEST_HOLE: usize = 32 << 10;

/// Success of a request without content.
pub(super) fn success(cookie: u64) -> Reply {
    head(protocol::simple(cookie, 0))
}

/// Failure, with a text where the client can take one.
pub(super) fn failure(cookie: u64, structured: bool, code: u32, text: &str) -> Reply {
    if !structured {
        return head(protocol::simple(cookie, code));
    }
    let (first, text) = protocol::error(cookie, code, text);
    Reply::from_iter([Piece::Head(first), Piece::Data(text)])
}

fn head(head: Head) -> Reply {
    Reply::from_iter([Piece::Head(head)])
}

/// The data of a read: in one piece, or as data and holes where the client can take that.
pub(super) fn data(request: &Request, structured: bool, payload: Payload) -> Reply {
    let Request { cookie, offset, .. } = *request;
    if !structured {
        let mut reply = head(protocol::simple(cookie, 0));
        reply.extend(payload.into_iter().map(Piece::Data));
        return reply;
    }
    let length = payload.len();
    if length == 0 {
        return head(protocol::none(cookie));
    }
    let mut reply = Reply::new();
    let holes = if request.has(cmd_flag::DF) {
        Vec::new()
    } else {
        holes(&payload)
    };
    let mut rest = payload;
    let mut at = 0;
    for (start, end) in holes {
        if at < start {
            push_data(&mut reply, request, &mut rest, at, start, length);
        }
        drop(rest.split_to(end - start));
        let first = offset + start as u64;
        reply.push(Piece::Head(protocol::hole(
            cookie,
            end == length,
            first,
            (end - start) as u32,
        )));
        at = end;
    }
    if at < length {
        push_data(&mut reply, request, &mut rest, at, length, length);
    }
    reply
}

fn push_data(reply: &mut Reply, request: &Request, rest: &mut Payload, from: usize, to: usize, length: usize) {
    let offset = request.offset + from as u64;
    let done = to == length;
    reply.push(Piece::Head(protocol::data(
        request.cookie,
        done,
        offset,
        (to - from) as u32,
    )));
    let part = if done {
        std::mem::take(rest)
    } else {
        rest.split_to(to - from)
    };
    reply.extend(part.into_iter().map(Piece::Data));
}

/// The runs of zero segments that are worth telling: start and end within the payload.
///
/// Looks at whole segments only. Shared zeroes are known by their address, and data show themselves in their first
/// bytes, so that only what will not be sent is looked at in full.
fn holes(payload: &Payload) -> Vec<(usize, usize)> {
    let block = LOGICAL_BLOCK_SIZE as usize;
    let whole = payload.len();
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    for segment in payload.segments() {
        let end = at + segment.len();
        if Payload::from(segment.clone()).is_zero() {
            match runs.last_mut() {
                Some((_, last)) if *last == at => *last = end,
                _ => runs.push((at, end)),
            }
        }
        at = end;
    }
    runs.retain_mut(|(start, end)| {
        *start = start.next_multiple_of(block);
        *end -= *end % block;
        (*start, *end) == (0, whole) || *end >= *start + SHORTEST_HOLE
    });
    runs
}

/// Extents as the client wants them: joined where alike, and only one if it asked for that.
pub(super) struct Extents {
    found: Vec<(u32, u32)>,
    limit: usize,
}

impl Extents {
    /// Descriptors in a reply at most: 64 KiB of them. Clients ask again from where the reply ends.
    pub(super) const LIMIT: usize = 8192;

    pub(super) fn new(request: &Request) -> Self {
        Self {
            found: Vec::new(),
            limit: if request.has(cmd_flag::REQ_ONE) { 1 } else { Self::LIMIT },
        }
    }

    /// Appends an extent; false when there is no more room.
    pub(super) fn push(&mut self, extent: &Extent) -> bool {
        let flags = protocol::extent_flags(extent.kind);
        // No longer than the request, whose length has 32 bits.
        let length = extent.length as u32;
        let full = self.found.len() == self.limit;
        match self.found.last_mut() {
            Some(last) if last.1 == flags => last.0 += length,
            _ if full => return false,
            _ => self.found.push((length, flags)),
        }
        true
    }

    pub(super) fn into_reply(self, cookie: u64) -> Reply {
        let (first, body) = protocol::block_status(cookie, &self.found);
        Reply::from_iter([Piece::Head(first), Piece::Data(body)])
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::Command;

    fn request(flags: u16) -> Request {
        Request {
            flags,
            command: Command::Read,
            cookie: 7,
            offset: 4096,
            length: 0,
        }
    }

    fn full(len: usize) -> Bytes {
        vec![1; len].into()
    }

    /// The lengths of what follows the cookie's head, chunk by chunk: (type and done, pieces of data).
    fn shape(reply: &Reply) -> Vec<usize> {
        reply.iter().map(|piece| piece.as_ref().len()).collect()
    }

    #[test]
    fn a_payload_of_zeroes_is_one_hole() {
        let reply = data(&request(0), true, Payload::zeroes(512));
        assert_eq!(shape(&reply), [32]);
        assert_eq!(reply[0].as_ref(), protocol::hole(7, true, 4096, 512).as_ref());
    }

    #[test]
    fn zeroes_inside_of_data_become_holes_when_long_enough() {
        let mut payload = Payload::from(full(512));
        payload.push_zeroes(SHORTEST_HOLE);
        payload.push(full(1024));
        payload.push_zeroes(512);
        let reply = data(&request(0), true, payload);
        assert_eq!(shape(&reply), [28, 512, 32, 28, 1024, 512]);
        assert_eq!(
            reply[2].as_ref(),
            protocol::hole(7, false, 4608, SHORTEST_HOLE as u32).as_ref()
        );
        assert_eq!(
            reply[3].as_ref(),
            protocol::data(7, true, 4608 + SHORTEST_HOLE as u64, 1536).as_ref()
        );
    }

    #[test]
    fn holes_start_and_end_at_sectors_though_segments_do_not() {
        let mut payload = Payload::from(full(100));
        payload.push_zeroes(SHORTEST_HOLE + 1024);
        payload.push(full(412));
        assert_eq!(holes(&payload), [(512, SHORTEST_HOLE + 1024)]);
    }

    #[test]
    fn simple_replies_and_unfragmented_ones_carry_the_zeroes() {
        let zeroes = || Payload::zeroes(1024);
        assert_eq!(shape(&data(&request(0), false, zeroes())), [16, 1024]);
        assert_eq!(shape(&data(&request(cmd_flag::DF), true, zeroes())), [28, 1024]);
        assert_eq!(shape(&data(&request(0), true, Payload::new())), [20]);
    }

    #[test]
    fn extents_are_joined_and_bounded() {
        use block::ExtentKind::{Data, Hole};
        let extent = |length, kind| Extent {
            offset: 0,
            length,
            kind,
        };
        let mut extents = Extents::new(&request(cmd_flag::REQ_ONE));
        assert!(extents.push(&extent(512, Data)) && extents.push(&extent(512, Data)));
        assert!(!extents.push(&extent(512, Hole)));
        assert_eq!(extents.found, [(1024, 0)]);
        let mut extents = Extents::new(&request(0));
        let mut pushed = 0;
        while extents.push(&extent(512, if pushed % 2 == 0 { Data } else { Hole })) {
            pushed += 1;
        }
        assert_eq!(pushed, Extents::LIMIT);
    }
}
