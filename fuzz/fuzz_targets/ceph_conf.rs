//! Anything that somebody may paste as a ceph.conf.

#![no_main]

use libfuzzer_sys::fuzz_target;
use store_rbd::conf::{CephConf, Monitors};

fuzz_target!(|text: &str| {
    let shown = CephConf::parse_shown(text).is_ok();
    let conf = match CephConf::parse(text) {
        Ok(conf) => conf,
        Err(error) => return assert!(!shown && !error.to_string().is_empty()),
    };
    match conf.for_user("tv") {
        Ok(found) => {
            // What librados is given must mean the same as what was read.
            let written = found.monitors.to_string();
            assert_eq!(written.parse::<Monitors>().as_ref(), Ok(&found.monitors), "{written}");
            for (name, value) in &found.options {
                assert!(
                    !name.is_empty() && !value.contains(['$', '/', '\n', '\0']),
                    "{name} = {value}"
                );
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
