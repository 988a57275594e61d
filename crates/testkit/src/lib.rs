//! Servers, proxies and processes for tests; never part of the product.
//!
//! Everything here binds to 127.0.0.1, waits for conditions with a bound instead of sleeping, and stops what it
//! started: a [`Process`] and all its children die when it is dropped, and also when the test itself is killed.

pub mod azurite;
pub mod ceph;
pub mod certificate;
pub mod disks;
pub mod hang;
pub mod port;
pub mod process;
pub mod program;
pub mod proxy;
mod wait;

pub use azurite::Azurite;
pub use ceph::Ceph;
pub use certificate::Certificate;
pub use port::Port;
pub use process::Process;
pub use proxy::TcpProxy;
pub use wait::until;

use std::path::PathBuf;

/// The top folder of the checkout, for tests that run its scripts or read its files.
#[must_use]
pub fn repository() -> PathBuf {
    let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    std::fs::canonicalize(crates).expect("the checkout that this test was built from must still be there")
}
