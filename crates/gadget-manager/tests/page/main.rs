//! The page's API on the real program: what a phone does, from the claim to a disk that is served.

mod attacks;
mod backups;
mod changes;
mod cloud;
mod command_line;
mod floods;
mod phone;
mod secrets;
mod setup;
#[path = "../support/mod.rs"]
mod support;
mod updates;
