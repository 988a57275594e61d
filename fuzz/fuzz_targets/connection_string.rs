//! Anything that somebody may paste as a connection string.

#![no_main]

use libfuzzer_sys::fuzz_target;
use store_azure::connection_string;

fuzz_target!(|text: &str| {
    match connection_string::parse(text) {
        // Shown in logs: must not be empty, must not fail.
        Ok(found) => assert!(!format!("{found:?}").is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
