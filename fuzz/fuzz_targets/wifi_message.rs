//! What `wpa_supplicant` tells: messages, lists of networks in reach, names, in which strangers have a hand.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = wifi::foreign::read_message(text);
});
