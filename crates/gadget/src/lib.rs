//! USB gadgets: mass storage through configfs.
