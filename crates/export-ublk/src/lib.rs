//! Kernel block devices (ublk) for block devices.
