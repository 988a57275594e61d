//! The receiving half of a connection: bytes into requests.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use block::{MAX_REQUEST, Payload};
use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::{
    budget::{Budget, Cost},
    session::{Refusal, Session},
};
use crate::{
    error::Disconnect,
    protocol::{Command, REQUEST_HEADER, Request, parse_request},
};

/// Length of the buffer that headers and small payloads go through, in bytes. What a large payload loses in it is
/// copied once more, hence not larger; what it gains is several small requests per system call.
const BUFFER: usize = 16 << 10;

/// Reads requests.
///
/// Progress is kept in the state, so that polling may stop anywhere.
pub(crate) struct Reader<R> {
    io: R,
    buffer: Box<[u8]>,
    /// What was received and not yet used is `buffer[start..end]`.
    start: usize,
    end: usize,
    state: State,
}

enum State {
    Header,
    /// Waits for room in the budget.
    Admission(Request),
    Payload {
        admitted: Admitted,
        data: BytesMut,
    },
    /// The payload of a refused write.
    Skip {
        admitted: Admitted,
        refusal: Refusal,
        left: usize,
    },
}

/// A request that has its part of the budget.
pub(crate) struct Admitted {
    pub(crate) request: Request,
    pub(crate) cost: Cost,
}

/// What a client sent.
pub(crate) enum Incoming {
    /// A request that makes sense.
    Request(Admitted, Payload),
    /// One that does not, all of it received.
    Refused(Admitted, Refusal),
    /// The end, asked for by `NBD_CMD_DISC` or by closing the connection between two requests.
    Disconnect,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) fn new(io: R) -> Self {
        Self {
            io,
            buffer: vec![0; BUFFER].into(),
            start: 0,
            end: 0,
            state: State::Header,
        }
    }

    /// The next request. At most one event per call; `session` says what is refused, `budget` how much is taken in.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
        budget: &mut Budget,
    ) -> Poll<Result<Incoming, Disconnect>> {
        loop {
            match &mut self.state {
                State::Header => {
                    while self.end - self.start < REQUEST_HEADER {
                        if ready!(self.poll_fill(cx))? == 0 {
                            return Poll::Ready(match self.end - self.start {
                                0 => Ok(Incoming::Disconnect),
                                _ => Err(Disconnect::Truncated("a request")),
                            });
                        }
                    }
                    let Some(header) = self.buffer[self.start..self.end].first_chunk() else {
                        continue;
                    };
                    let request = parse_request(header)?;
                    self.start += REQUEST_HEADER;
                    if request.command == Command::Disconnect {
                        return Poll::Ready(Ok(Incoming::Disconnect));
                    }
                    if request.payload() > MAX_REQUEST {
                        return Poll::Ready(Err(Disconnect::WriteTooLong {
                            length: request.length,
                            maximum: MAX_REQUEST,
                        }));
                    }
                    self.state = State::Admission(request);
                }
                State::Admission(request) => {
                    let request = *request;
                    let verdict = session.check(&request);
                    let weight = if verdict.is_ok() { session.weight(&request) } else { 0 };
                    // Nobody needs to be woken for this: room is made by events of this very connection.
                    let Some(cost) = budget.take(weight) else {
                        return Poll::Pending;
                    };
                    let admitted = Admitted { request, cost };
                    let length = request.payload() as usize;
                    match verdict {
                        Err(refusal) => {
                            self.state = State::Skip {
                                admitted,
                                refusal,
                                left: length,
                            };
                        }
                        Ok(()) if length == 0 => {
                            self.state = State::Header;
                            return Poll::Ready(Ok(Incoming::Request(admitted, Payload::new())));
                        }
                        Ok(()) => {
                            let mut data = BytesMut::with_capacity(length);
                            let part = length.min(self.end - self.start);
                            data.extend_from_slice(&self.buffer[self.start..self.start + part]);
                            self.start += part;
                            self.state = State::Payload { admitted, data };
                        }
                    }
                }
                State::Payload { admitted, data } => {
                    let length = admitted.request.length as usize;
                    while data.len() < length {
                        let left = length - data.len();
                        if left < BUFFER / 2 {
                            // The little that is missing comes together with the next requests.
                            self.start = 0;
                            self.end = 0;
                            let count = ready!(poll_read(&mut self.io, cx, &mut self.buffer))?;
                            let part = left.min(count);
                            data.extend_from_slice(&self.buffer[..part]);
                            (self.start, self.end) = (part, count);
                            if count > 0 {
                                continue;
                            }
                        } else if ready!(poll_read_buf(Pin::new(&mut self.io), cx, &mut data.limit(left)))? > 0 {
                            continue;
                        }
                        return Poll::Ready(Err(Disconnect::Truncated("the data of a write")));
                    }
                    if let State::Payload { admitted, data } = std::mem::replace(&mut self.state, State::Header) {
                        return Poll::Ready(Ok(Incoming::Request(admitted, data.freeze().into())));
                    }
                }
                State::Skip { left, .. } => {
                    let part = (*left).min(self.end - self.start);
                    self.start += part;
                    *left -= part;
                    if *left == 0 {
                        if let State::Skip { admitted, refusal, .. } = std::mem::replace(&mut self.state, State::Header)
                        {
                            return Poll::Ready(Ok(Incoming::Refused(admitted, refusal)));
                        }
                    } else if ready!(self.poll_fill(cx))? == 0 {
                        return Poll::Ready(Err(Disconnect::Truncated("the data of a write")));
                    }
                }
            }
        }
    }

    /// Receives more behind what is there; zero means the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // What is moved is shorter than a header.
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let count = ready!(poll_read(&mut self.io, cx, &mut self.buffer[self.end..]))?;
        self.end += count;
        Poll::Ready(Ok(count))
    }

    /// Exactly `N` bytes of the handshake, or `None` at the end of the connection before the first of them.
    pub(crate) async fn array<const N: usize>(&mut self, what: &'static str) -> Result<Option<[u8; N]>, Disconnect> {
        let mut bytes = [0; N];
        let mut at = 0;
        while at < N {
            if self.start == self.end && self.fill().await? == 0 {
                return match at {
                    0 => Ok(None),
                    _ => Err(Disconnect::Truncated(what)),
                };
            }
            let part = (N - at).min(self.end - self.start);
            bytes[at..at + part].copy_from_slice(&self.buffer[self.start..self.start + part]);
            self.start += part;
            at += part;
        }
        Ok(Some(bytes))
    }

    /// `length` bytes of the handshake. What is allocated grows with what was really received.
    pub(crate) async fn bytes(&mut self, length: usize, what: &'static str) -> Result<Vec<u8>, Disconnect> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let part = self.some(length - bytes.len(), what).await?;
            bytes.extend_from_slice(part);
        }
        Ok(bytes)
    }

    /// Drops `length` bytes of the handshake.
    pub(crate) async fn skip(&mut self, mut length: usize, what: &'static str) -> Result<(), Disconnect> {
        while length > 0 {
            length -= self.some(length, what).await?.len();
        }
        Ok(())
    }

    /// At least one and at most `most` bytes.
    async fn some(&mut self, most: usize, what: &'static str) -> Result<&[u8], Disconnect> {
        if self.start == self.end && self.fill().await? == 0 {
            return Err(Disconnect::Truncated(what));
        }
        let start = self.start;
        self.start += most.min(self.end - start);
        Ok(&self.buffer[start..self.start])
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.start = 0;
        self.end = self.io.read(&mut self.buffer).await?;
        Ok(self.end)
    }
}

fn poll_read(io: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>, target: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut target = ReadBuf::new(target);
    ready!(Pin::new(io).poll_read(cx, &mut target))?;
    Poll::Ready(Ok(target.filled().len()))
}
