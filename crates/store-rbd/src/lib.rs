//! A disk in a Ceph RBD image.
//!
//! [`RbdStore`] is a pool of images ([`block::store::Store`]). `conf` and [`keyring`] read what Ceph people have at hand,
//! [`RbdConfig`] says where the cluster is and how it is to be used, and the clients in `librbd` and `kernel` do the work. See
//! `docs/stores/rbd.md` for what people need to know.
#![cfg_attr(
    not(feature = "librbd"),
    allow(dead_code, reason = "without librbd images are opened but not managed")
)]

mod access;
pub mod conf;
mod config;
mod error;
mod features;
mod kernel;
pub mod keyring;
#[cfg(feature = "librbd")]
mod librbd;
#[cfg(not(feature = "librbd"))]
#[path = "librbd_absent.rs"]
mod librbd;
mod state;
mod store;

pub use access::Access;
pub use block::store::Secret;
pub use config::{ClientKind, RbdConfig, RbdSecret};
pub use error::{RbdError, Result};
pub use features::Features;
pub use keyring::Keyring;
pub use store::{RbdStore, unavailable};
