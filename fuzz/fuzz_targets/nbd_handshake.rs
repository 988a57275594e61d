//! A client that sends anything at all, from its first byte on.

#![no_main]

use export_nbd::{feed, protocol};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    if choice & 1 == 0 {
        let (answer, _) = feed(data);
        // The server speaks first: `NBDMAGIC`, `IHAVEOPT` and its flags.
        assert!(answer.starts_with(b"NBDMAGICIHAVEOPT"));
    } else if let Some((kind, data)) = data.split_first_chunk() {
        // A hundred times faster than a whole connection.
        let _ = protocol::parse_option(u32::from_be_bytes(*kind), data);
    }
});
