//! A configuration and a file of secrets by anybody.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // Both files in one input, separated as no TOML is.
    let (configuration, secrets) = text.split_once('\u{1}').unwrap_or((text, ""));
    let _ = gadget_manager::read_foreign_text(configuration, secrets);
});
