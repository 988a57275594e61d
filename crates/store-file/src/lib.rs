//! A disk in a sparse local file or a local block device.
