//! One stream of events.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures::Stream;
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{frame::Frame, hub::Listener};
use crate::{
    access::{Caller, Identity},
    api::{Event, Problem, ProblemCode},
    app::App,
    appliance::LogFollower,
};

/// How often a stream says that it is there, and looks whether its session still is.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Everything that one stream needs.
struct Feed {
    app: App,
    identity: Identity,
    listener: Listener,
    log: Option<LogFollower>,
    ended: CancellationToken,
    tick: Interval,
    /// Everything is due: at the beginning, and after a gap.
    whole: bool,
}

/// Begins a stream.
///
/// # Errors
/// [`TooMany`](ProblemCode::TooMany) if there are too many already.
pub(crate) fn subscribe(
    app: &App,
    caller: &Caller,
    log: bool,
) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + Send + use<>, Problem> {
    let Some(identity) = caller.identity() else {
        return Err(Problem::new(ProblemCode::SignInNeeded, "nobody is signed in").remedy("sign in"));
    };
    let mut tick = tokio::time::interval(KEEP_ALIVE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.reset();
    let feed = Feed {
        identity,
        listener: app.events.listen(identity)?,
        log: log.then(|| app.appliance.follow()),
        ended: app.access.end_of(identity),
        app: app.clone(),
        tick,
        whole: true,
    };
    Ok(futures::stream::unfold(feed, |mut feed| async move {
        let frame = feed.next().await?;
        Some((Ok(frame.0), feed))
    }))
}

impl Feed {
    /// The next frame; nothing once the session or the server has ended.
    async fn next(&mut self) -> Option<Frame> {
        if self.whole {
            self.whole = false;
            // What is under way is older than the state that follows.
            self.listener.frames = self.listener.frames.resubscribe();
            return Some(Frame::new(&Event::State(Box::new(self.app.state()))));
        }
        tokio::select! {
            biased;
            () = self.ended.cancelled() => None,
            () = self.listener.stop.cancelled() => None,
            frame = self.listener.frames.recv() => match frame {
                Ok(frame) => Some(frame),
                Err(RecvError::Lagged(_)) => {
                    self.whole = true;
                    Box::pin(self.next()).await
                }
                Err(RecvError::Closed) => None,
            },
            line = follow(&mut self.log) => Some(Frame::new(&Event::Log(line))),
            _ = self.tick.tick() => self.app.access.still(self.identity).then(Frame::keep_alive),
        }
    }
}

/// The next line of the log; never, if nobody asked for it. Lines that came too fast are skipped: their numbers show the
/// gap, and the log can be asked for them.
async fn follow(log: &mut Option<LogFollower>) -> crate::api::LogLine {
    if let Some(follower) = log {
        loop {
            match follower.recv().await {
                Ok(line) => return crate::api::LogLine::clone(&line),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
        }
    }
    std::future::pending().await
}
