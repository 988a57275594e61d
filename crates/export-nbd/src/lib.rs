//! An NBD server for block devices.
//!
//! It speaks the fixed newstyle handshake and structured replies of the NBD protocol (`doc/proto.md` of the NBD
//! project) on a Unix or TCP socket, and serves any number of [`Export`]s, each a [`block::Disk`] under a name.
//!
//! [`protocol`] is the protocol as pure functions; everything else is private: the handshake, the transmission phase
//! of a connection (one task each), the listening socket and the server that ties them together.

mod connection;
mod error;
mod export;
mod feed;
mod handshake;
mod listen;
pub mod protocol;
mod server;

pub use error::{BindError, Disconnect, nbd_error};
pub use export::Export;
#[doc(hidden)]
pub use feed::feed;
pub use listen::{Address, Listen};
pub use server::{Options, Server, Summary};
