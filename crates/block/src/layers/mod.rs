//! Devices that wrap another device.
