//! The one binary of Cloud Stick: disks, front ends and the USB gadget.

fn main() {}
