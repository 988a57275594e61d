//! The server over real sockets, one file per concern.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod claim;
mod csrf;
mod events;
mod limits;
mod local;
mod openapi;
mod page;
mod passwords;
mod rebinding;
mod secrets;
mod sessions;
mod support;
mod tasks;
mod tls;
mod tokens;
mod traversal;
mod update;
