//! Anything that somebody may paste as a shared access signature, and times that servers send.

#![no_main]

use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use store_azure::{Right, Sas, parse_retry_after};

fuzz_target!(|text: &str| {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let _ = parse_retry_after(text, now);
    match Sas::parse(text) {
        Ok(sas) => {
            let _ = (
                sas.trouble(now.into()),
                sas.expires_soon(now.into()),
                sas.https_only(),
                sas.single_blob(),
            );
            let missing = sas.missing(&[Right::Read, Right::Write]);
            assert!(missing.iter().all(|right| !sas.allows(*right)));
            assert!(!format!("{sas:?}").contains("sig="));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
