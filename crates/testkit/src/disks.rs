//! What tests do with disks, whatever store they are in.

use std::sync::atomic::{AtomicU64, Ordering};

use block::{
    BlockDevice, Payload,
    store::{CreateOptions, OpenOptions},
};
use rand::{RngCore, SeedableRng, rngs::StdRng};

/// Bytes of a mebibyte.
pub const MIB: u64 = 1 << 20;

/// A name that nobody else uses, for an image, a container, a user.
#[must_use]
pub fn unique(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// How a raw image of `size` bytes is made.
#[must_use]
pub fn sized(size: u64) -> CreateOptions {
    CreateOptions { size, format: None }
}

/// How an image is taken from its owner.
#[must_use]
pub fn take_over() -> OpenOptions {
    OpenOptions {
        take_over: true,
        ..OpenOptions::default()
    }
}

/// How an image is opened by somebody who only looks.
#[must_use]
pub fn read_only() -> OpenOptions {
    OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    }
}

/// The same bytes for the same seed, none of them in a recognisable order.
#[must_use]
pub fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    StdRng::seed_from_u64(seed).fill_bytes(&mut data);
    data
}

/// Writes, which must succeed.
///
/// # Panics
///
/// If it does not.
pub async fn write(disk: &dyn BlockDevice, offset: u64, data: Vec<u8>) {
    disk.write(offset, Payload::from(data), Default::default())
        .await
        .expect("a write");
}

/// Reads, which must succeed.
///
/// # Panics
///
/// If it does not.
pub async fn read(disk: &dyn BlockDevice, offset: u64, len: u32) -> Vec<u8> {
    disk.read(offset, len).await.expect("a read").to_vec()
}
