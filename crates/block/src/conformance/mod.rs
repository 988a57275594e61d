//! The behaviour that every [`BlockDevice`](crate::BlockDevice) must show.
