//! An update bundle of a stranger, as far as it is read before and after its signature is verified.

#![no_main]

use libfuzzer_sys::fuzz_target;
use update::bundle::{Bundle, Description, Keys, cpio::Archive};

fuzz_target!(|data: &[u8]| {
    // Without keys nothing is ever accepted.
    assert!(Bundle::open(data, &Keys::default()).is_err());
    let _ = Description::parse(data);
    let mut archive = Archive::new(data);
    let Ok(text) = archive.whole("sw-description", 64 << 10) else {
        return;
    };
    assert!(text.len() <= data.len());
    let _ = Description::parse(&text);
    let _ = archive.whole("sw-description.sig", 1024);
    let Ok(size) = archive.enter("slot.fat") else { return };
    let (mut read, mut buffer) = (0, [0; 100]);
    while let Ok(length) = archive.read(&mut buffer) {
        if length == 0 {
            assert_eq!(read, size);
            let _ = archive.end();
            return;
        }
        read += length as u64;
    }
});
