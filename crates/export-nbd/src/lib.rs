//! An NBD server for block devices.
