//! A stick as any host may have left it.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use volume::FatVolume;

/// Sizes of the image: FAT16 and FAT32 need more clusters than an input has bytes.
const SIZES: [usize; 3] = [64 << 10, 2560 << 10, 35 << 20];
const SECTOR: usize = 512;

thread_local! {
    /// Zeroes but for what the input under way put there.
    static IMAGE: RefCell<Vec<u8>> = RefCell::new(vec![0; SIZES[2]]);
}

// An input is the code of a size, a sector, a length; then so many bytes for the start of the image, and the rest for
// the place that starts with that sector.
fuzz_target!(|data: &[u8]| {
    let Some((&[code, sector_low, sector_high, length_low, length_high], rest)) = data.split_first_chunk() else {
        return;
    };
    let size = SIZES[usize::from(code) % SIZES.len()];
    let length = usize::from(u16::from_le_bytes([length_low, length_high])).min(rest.len());
    let (head, tail) = rest.split_at(length);
    let start = (usize::from(u16::from_le_bytes([sector_low, sector_high])) * SECTOR).min(size);
    let tail = &tail[..tail.len().min(size - start)];
    IMAGE.with_borrow_mut(|image| {
        image[..head.len()].copy_from_slice(head);
        image[start..start + tail.len()].copy_from_slice(tail);
        read(&image[..size]);
        image[..head.len()].fill(0);
        image[start..start + tail.len()].fill(0);
    });
});

fn read(image: &[u8]) {
    let Ok(volume) = FatVolume::open(image) else {
        return;
    };
    let Ok(files) = volume.files(16) else {
        return;
    };
    assert!(files.len() <= 16);
    for file in files {
        assert!(!file.name().is_empty() && !file.name().contains(['/', '\\', '\0', '\n']));
        if let Ok(content) = volume.read(&file, 64 << 10) {
            assert_eq!(content.len(), file.size() as usize);
        }
    }
}
