//! A disk in a sparse local file or a local block device.
//!
//! [`FileDevice`] is one disk: a raw image file or a whole block device. [`FileStore`] is a folder of images with their
//! snapshots. See `docs/stores/file.md` for what people need to know.

mod device;
mod image;
mod lock;
mod store;
mod sys;

pub use device::{FileDevice, MAX_PARALLEL};
pub use store::FileStore;
