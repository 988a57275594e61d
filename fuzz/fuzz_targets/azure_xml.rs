//! XML answers of a server that is not, or no longer, the blob service.

#![no_main]

use libfuzzer_sys::fuzz_target;
use store_azure::xml;

fuzz_target!(|data: &[u8]| {
    if let Ok(list) = xml::page_list(data) {
        // The extent map relies on it: ranges ascend and neither touch the wrong way nor are empty.
        assert!(list.ranges.iter().all(|(start, end)| start < end));
        assert!(list.ranges.is_sorted_by(|(_, end), (start, _)| end <= start));
    }
    let _ = xml::blob_list(data);
    let _ = xml::container_list(data);
    let _ = xml::error_code(data);
});
