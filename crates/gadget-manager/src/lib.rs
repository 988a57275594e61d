//! The one binary of Cloud Stick: configuration, disks, front ends and the USB gadget.
//!
//! Everything is in this library, so that the configuration can be fuzzed; `main.rs` only calls [`main`].

mod cli;
mod config;
mod control;
mod daemon;
mod doctor;
mod exit;
mod logging;
mod stack;

pub use cli::main_entry as main;

/// Reads a configuration and a file of secrets from foreign text and judges them. For the fuzzer: whatever the text,
/// this returns.
#[doc(hidden)]
pub fn read_foreign_text(configuration: &str, secrets: &str) -> bool {
    let usable =
        config::parse(configuration).is_ok_and(|parsed| config::validate(configuration, &parsed).errors.is_empty());
    usable && config::Secrets::parse(secrets).is_ok()
}
