//! Events as bytes of a stream (HTML standard, 9.2.5).

use bytes::Bytes;

use crate::api::Event;

/// One event, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Frame(pub(super) Bytes);

impl Frame {
    /// `event: NAME`, `data: JSON`. JSON without indentation has no line ends, so that one `data` line holds all of it.
    pub(super) fn new(event: &Event) -> Self {
        let mut bytes = format!("event: {}\ndata: ", event.name()).into_bytes();
        if let Err(error) = serde_json::to_writer(&mut bytes, event) {
            // Not for any of our types; the page asks for everything after such a comment's gap.
            tracing::error!(%error, event = event.name(), "cannot be JSON");
            return Self(Bytes::from_static(b":\n\n"));
        }
        bytes.extend_from_slice(b"\n\n");
        Self(bytes.into())
    }

    /// A comment: tells both ends that the other is there.
    pub(super) fn keep_alive() -> Self {
        Self(Bytes::from_static(b":\n\n"))
    }
}
