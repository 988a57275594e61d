//! The sending half of a connection: replies into as few system calls as possible.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{
    budget::{Budget, Cost},
    session::Done,
};
use crate::protocol::Head;

/// Pieces handed to the system at once; the kernel takes up to 1024 (`UIO_MAXIOV`).
const SLICES: usize = 64;

/// A part of a reply.
#[derive(Debug)]
pub(super) enum Piece {
    Head(Head),
    Data(Bytes),
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Head(head) => head.as_ref(),
            Self::Data(data) => data,
        }
    }
}

/// What is in the queue: parts, none of them empty, and after the last of a reply what it holds of the budget.
enum Queued {
    Piece(Piece),
    End(Cost),
}

/// Sends replies in the order in which they became ready.
pub(super) struct Writer<W> {
    /// Gone once writing failed.
    io: Option<W>,
    queue: VecDeque<Queued>,
    /// Bytes of the first piece that have left already.
    sent: usize,
    /// Bytes in the queue that have not left.
    queued: usize,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) fn new(io: W) -> Self {
        Self {
            io: Some(io),
            queue: VecDeque::new(),
            sent: 0,
            queued: 0,
        }
    }

    /// Bytes waiting to be sent.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// Whether there is nothing to send.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Appends the reply to a finished request.
    pub(super) fn reply(&mut self, done: Done, budget: &mut Budget) {
        let mut cost = done.cost;
        if self.io.is_none() {
            budget.give_back(cost);
            return;
        }
        if !done.keeps_bytes {
            budget.give_back_bytes(&mut cost);
        }
        for piece in done.reply {
            self.queued += piece.as_ref().len();
            if !piece.as_ref().is_empty() {
                self.queue.push_back(Queued::Piece(piece));
            }
        }
        self.queue.push_back(Queued::End(cost));
    }

    /// Sends some of what waits. Ready also when there is nothing.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, budget: &mut Budget) -> Poll<io::Result<()>> {
        if self.queued > 0
            && let Some(io) = &mut self.io
        {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            for queued in &self.queue {
                if let Queued::Piece(piece) = queued {
                    if count == SLICES {
                        break;
                    }
                    let skip = if count == 0 { self.sent } else { 0 };
                    slices[count] = IoSlice::new(&piece.as_ref()[skip..]);
                    count += 1;
                }
            }
            let sent = ready!(Pin::new(io).poll_write_vectored(cx, &slices[..count]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
            self.queued -= sent;
        }
        self.release(budget);
        Poll::Ready(Ok(()))
    }

    /// Drops what has been sent.
    fn release(&mut self, budget: &mut Budget) {
        while let Some(first) = self.queue.front() {
            match first {
                Queued::Piece(piece) if piece.as_ref().len() <= self.sent => self.sent -= piece.as_ref().len(),
                Queued::Piece(_) => break,
                Queued::End(_) => {}
            }
            if let Some(Queued::End(cost)) = self.queue.pop_front() {
                budget.give_back(cost);
            }
        }
    }

    /// Nobody listens any more: drops everything, now and from now on.
    pub(super) fn close(&mut self, budget: &mut Budget) {
        self.io = None;
        self.sent = 0;
        self.queued = 0;
        for queued in self.queue.drain(..) {
            if let Queued::End(cost) = queued {
                budget.give_back(cost);
            }
        }
    }

    /// Tells the other side that nothing more comes.
    pub(super) async fn shutdown(mut self) {
        if let Some(io) = &mut self.io {
            // It may be gone already, which is what we want.
            io.shutdown().await.ok();
        }
    }
}
