//! Live events: what changes, as it changes.
//!
//! One task compares what the device says with what it said before, and turns each part that changed into a frame, once for
//! all streams. It runs while somebody listens. A stream that falls behind is given everything anew.

mod changes;
mod frame;
mod hub;
mod places;
mod stream;

pub(crate) use changes::state;
pub(crate) use hub::Hub;
pub(crate) use stream::subscribe;
