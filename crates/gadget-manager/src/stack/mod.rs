//! From configuration to working disks: the one place where stacks are put together.

mod lock;
mod open;
mod owner;
mod stores;

pub(crate) use lock::ImageLock;
pub(crate) use open::{Stack, open, open_image};
pub(crate) use stores::{azure_secret, build, locate, store, store_names};
