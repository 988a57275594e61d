//! The transmission phase of one connection.
//!
//! One task does everything: it reads requests, runs them side by side, and writes the replies of those that are
//! done, whatever their order. No thread is woken for a request unless the disk does so, replies that are ready
//! together leave together, and the budget that bounds the connection's memory is two plain numbers.

mod budget;
mod reader;
mod replies;
mod session;
mod writer;

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

pub(crate) use budget::Budget;
pub(crate) use reader::Reader;
pub(crate) use session::Session;

use reader::Incoming;
use session::Done;
use writer::Writer;

use crate::error::Disconnect;

/// From so many bytes of replies on, writing comes before reading further requests.
const EAGER: usize = 256 << 10;

/// What happened.
enum Event {
    Incoming(Result<Incoming, Disconnect>),
    Done(Done),
    Written(std::io::Result<()>),
    Stop,
    GraceOver,
}

/// Whether requests are still taken.
enum Phase {
    Serving,
    /// Requests in flight are finished and replied to, as long as it takes no longer than the grace time.
    Draining {
        until: Pin<Box<Sleep>>,
        reason: Result<(), Disconnect>,
    },
}

/// Serves requests until the client goes, breaks the protocol, or `stop` asks to end.
pub(crate) async fn transmit<R, W>(
    mut reader: Reader<R>,
    writer: W,
    session: Session,
    mut budget: Budget,
    grace: Duration,
    stop: &CancellationToken,
) -> Result<(), Disconnect>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let session = &session;
    let mut writer = Writer::new(writer);
    let mut in_flight = FuturesUnordered::new();
    let mut stopped = pin!(stop.cancelled());
    let mut phase = Phase::Serving;
    loop {
        if let Phase::Draining { .. } = phase
            && in_flight.is_empty()
            && writer.is_idle()
        {
            break;
        }
        let event = poll_fn(|cx| {
            // What is done first: it costs nothing and may make room. Then as many requests as there are, so that
            // replies gather; they are written once there is nothing else to do, or enough of them.
            if let Poll::Ready(Some(done)) = in_flight.poll_next_unpin(cx) {
                return Poll::Ready(Event::Done(done));
            }
            if writer.queued() >= EAGER
                && let Poll::Ready(written) = writer.poll_write(cx, &mut budget)
            {
                return Poll::Ready(Event::Written(written));
            }
            if let Phase::Serving = phase
                && let Poll::Ready(incoming) = reader.poll_next(cx, session, &mut budget)
            {
                return Poll::Ready(Event::Incoming(incoming));
            }
            if !writer.is_idle()
                && let Poll::Ready(written) = writer.poll_write(cx, &mut budget)
            {
                return Poll::Ready(Event::Written(written));
            }
            poll_end(cx, &mut phase, stopped.as_mut())
        })
        .await;
        let end = match event {
            Event::Done(done) => {
                writer.reply(done, &mut budget);
                continue;
            }
            Event::Incoming(Ok(Incoming::Request(admitted, payload))) => {
                in_flight.push(session.execute(admitted, payload));
                continue;
            }
            Event::Incoming(Ok(Incoming::Refused(admitted, refusal))) => {
                writer.reply(session.refuse(admitted, &refusal), &mut budget);
                continue;
            }
            Event::Written(Ok(())) => continue,
            Event::Written(Err(error)) => {
                writer.close(&mut budget);
                Err(error.into())
            }
            Event::Incoming(Ok(Incoming::Disconnect)) | Event::Stop => Ok(()),
            Event::Incoming(Err(reason)) => Err(reason),
            Event::GraceOver => break,
        };
        if let Phase::Serving = phase {
            phase = Phase::Draining {
                until: Box::pin(sleep_until(Instant::now() + grace)),
                reason: end,
            };
        }
    }
    writer.shutdown().await;
    match phase {
        Phase::Draining { reason, .. } => reason,
        Phase::Serving => Ok(()),
    }
}

fn poll_end(cx: &mut Context<'_>, phase: &mut Phase, stopped: Pin<&mut impl Future<Output = ()>>) -> Poll<Event> {
    match phase {
        Phase::Serving => stopped.poll(cx).map(|()| Event::Stop),
        Phase::Draining { until, .. } => until.as_mut().poll(cx).map(|()| Event::GraceOver),
    }
}
