//! Anything that somebody may paste as a keyring.

#![no_main]

use libfuzzer_sys::fuzz_target;
use store_rbd::Keyring;

fuzz_target!(|text: &str| {
    match Keyring::parse(text) {
        Ok(keyring) => {
            for user in keyring.users() {
                if let Some(name) = user.strip_prefix("client.") {
                    let key = keyring.key_of(name).expect("a user that is listed").expose();
                    // A user may be called like somebody's key.
                    let is_a_name = keyring.users().iter().any(|user| user.contains(key));
                    assert!(is_a_name || !format!("{keyring:?}").contains(key));
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
