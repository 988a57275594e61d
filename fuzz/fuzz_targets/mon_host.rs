//! Anything that somebody may give as addresses of monitors.

#![no_main]

use libfuzzer_sys::fuzz_target;
use store_rbd::conf::{Monitors, Protocol};

fuzz_target!(|text: &str| {
    match text.parse::<Monitors>() {
        Ok(monitors) => {
            let written = monitors.to_string();
            assert_eq!(written.parse::<Monitors>().as_ref(), Ok(&monitors), "{written}");
            for protocol in [Protocol::V1, Protocol::V2] {
                // These go into a line for the kernel, whose parts are separated by spaces and commas.
                assert!(
                    monitors
                        .speaking(protocol)
                        .iter()
                        .all(|address| !address.contains([' ', ',', '\n']))
                );
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
