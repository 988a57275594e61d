//! Questions to the name server of the access point, by whoever is in it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &[u8]| {
    if let Some(answer) = wifi::foreign::answer_name(query) {
        // It has the question in it, and at most one address more.
        assert!(answer.len() <= query.len() + 16 && answer[..2] == query[..2]);
    }
});
