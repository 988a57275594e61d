use time::macros::datetime;

use super::*;
use crate::{FileSystem, FormatOptions, MIB, NewFile, Table, canvas::Canvas, fat, format::Place};

/// A small volume without a partition table.
fn image(size: u64, files: &[NewFile]) -> Vec<u8> {
    let options = FormatOptions {
        table: Table::None,
        label: Some("TEST".to_owned()),
        serial: Some(1),
        created: Some(datetime!(2026-11-22 10:20:30 UTC)),
        ..FormatOptions::new(FileSystem::Fat)
    };
    let mut canvas = Canvas::default();
    let sectors = size / SECTOR;
    fat::lay_out(Place { start: 0, sectors }, &options, 1, files, &mut canvas).unwrap();
    let mut image = vec![0; size as usize];
    for (offset, data) in canvas.into_writes(size) {
        image[offset as usize..][..data.len()].copy_from_slice(&data);
    }
    image
}

fn files() -> Vec<NewFile> {
    vec![
        NewFile::new("gadget-manager.toml", &b"[device]\n"[..]),
        NewFile::new("ceph.conf", vec![b'x'; 5000]),
        NewFile::new("EMPTY.TXT", &b""[..]),
        NewFile::new("Größe 電視 📺.txt", vec![7; 1024]),
    ]
}

fn u16_at(image: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([image[at], image[at + 1]]))
}

/// Where the table and the root directory of a FAT12 or FAT16 image start.
fn parts(image: &[u8]) -> (usize, usize) {
    let table = u16_at(image, 14) * 512;
    (table, table + 2 * u16_at(image, 22) * 512)
}

fn damaged(image: &[u8]) -> bool {
    let result = FatVolume::open(image).and_then(|volume| {
        let files = volume.files(100)?;
        files
            .iter()
            .map(|file| volume.read(file, 1 << 20))
            .collect::<Result<Vec<_>>>()
    });
    matches!(result, Err(ReadError::Damaged(_)))
}

#[test]
fn what_was_laid_out_is_read_back_from_every_kind() {
    for (size, kind) in [(MIB, Kind::Fat12), (8 * MIB, Kind::Fat16), (40 * MIB, Kind::Fat32)] {
        let image = image(size, &files());
        let volume = FatVolume::open(&image).unwrap();
        assert_eq!(volume.kind(), kind);
        let found = volume.files(4).unwrap();
        assert_eq!(found.len(), 4);
        for (found, file) in found.iter().zip(files()) {
            assert_eq!(
                (found.name(), found.size()),
                (file.name.as_str(), file.content.len() as u32)
            );
            assert_eq!(volume.read(found, 5000).unwrap(), file.content, "{kind}: {}", file.name);
        }
        let too_many = volume.files(3).unwrap_err();
        assert!(too_many.to_string().contains("number of files"), "{too_many}");
        let too_long = volume.read(&found[1], 4999).unwrap_err();
        assert!(too_long.to_string().contains("4999"), "{too_long}");
    }
}

#[test]
fn a_chain_in_circles_is_damage() {
    let mut image = image(8 * MIB, &files());
    let (table, _) = parts(&image);
    // The second file has clusters 3 to 7 (of 1 KiB): let the third lead back to its first.
    image[table + 5 * 2..][..2].copy_from_slice(&3u16.to_le_bytes());
    assert!(damaged(&image));
}

#[test]
fn the_root_of_fat32_in_circles_is_damage() {
    let mut image = image(40 * MIB, &files());
    let table = u16_at(&image, 14) * 512;
    image[table + 8..][..4].copy_from_slice(&2u32.to_le_bytes());
    // Without an end mark in its only cluster a reader would go on forever.
    let heap = table + 2 * u32::from_le_bytes(*image[36..].first_chunk().unwrap()) as usize * 512;
    for entry in image[heap..heap + 512].as_chunks_mut::<32>().0 {
        entry[0] = 0xe5;
    }
    assert!(damaged(&image));
}

#[test]
fn chains_that_leave_the_volume_or_end_early_are_damage() {
    let good = image(8 * MIB, &files());
    let (table, _) = parts(&good);
    for next in [0, 1, 0xfff0, 0xfff7, 0xffff] {
        let mut image = good.clone();
        image[table + 4 * 2..][..2].copy_from_slice(&u16::to_le_bytes(next));
        assert!(damaged(&image), "{next:#x}");
    }
}

#[test]
fn absurd_sizes_of_files_allocate_nothing() {
    let mut image = image(8 * MIB, &[NewFile::new("A", &b"x"[..])]);
    let (_, root) = parts(&image);
    image[root + 32 + 28..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let volume = FatVolume::open(&image).unwrap();
    let file = volume.files(1).unwrap().remove(0);
    assert!(matches!(volume.read(&file, 1 << 20), Err(ReadError::TooLarge { .. })));
    assert!(matches!(volume.read(&file, u32::MAX), Err(ReadError::Damaged(_))));
}

#[test]
fn absurd_boot_sectors_are_errors() {
    let good = image(8 * MIB, &files());
    for (at, bytes) in [
        (13, &[0][..]),
        (13, &[3]),
        (14, &[0, 0]),
        (14, &[0xff, 0xff]),
        (16, &[0]),
        (16, &[0xff]),
        (17, &[0xff, 0xff]),
        (19, &[0xff, 0xff]),
        (19, &[1, 0]),
        (22, &[1, 0]),
        (22, &[0xff, 0xff]),
        (22, &[0, 0]),
    ] {
        let mut image = good.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        assert!(damaged(&image), "{bytes:x?} at {at}");
    }
    assert!(matches!(FatVolume::open(&good[..700]), Err(ReadError::Damaged(_))));
    for other in [&[][..], &[0; 512], &[0xeb; 100], &good[1..]] {
        assert!(matches!(FatVolume::open(other), Err(ReadError::NotFat(_))));
    }
}

/// Linux and Windows keep `ceph.conf` without a long name.
#[test]
fn short_names_in_small_letters_are_kept() {
    let mut image = image(8 * MIB, &[NewFile::new("CEPH.CON", &b"x"[..])]);
    let (_, root) = parts(&image);
    for (flags, name) in [
        (0, "CEPH.CON"),
        (0x08, "ceph.CON"),
        (0x10, "CEPH.con"),
        (0x18, "ceph.con"),
    ] {
        image[root + 32 + 12] = flags;
        let volume = FatVolume::open(&image).unwrap();
        assert_eq!(volume.files(1).unwrap()[0].name(), name);
    }
}

#[test]
fn long_names_that_do_not_belong_to_the_file_are_ignored() {
    let good = image(8 * MIB, &[NewFile::new("gadget-manager.toml", &b"x"[..])]);
    let (_, root) = parts(&good);
    let name_of = |image: &[u8]| FatVolume::open(image).unwrap().files(1).unwrap()[0].name().to_owned();
    assert_eq!(name_of(&good), "gadget-manager.toml");
    // Entry 1 and 2 are the long name: order, checksum, an unpaired surrogate, a path.
    for (at, value) in [
        (32, 0x45),
        (32, 0x02),
        (32 + 13, 0),
        (64, 0x02),
        (64 + 2, 0xd8),
        (96, b'H'),
    ] {
        let mut image = good.clone();
        image[root + at] = value;
        assert!(name_of(&image).contains('~'), "{value:#x} at {at}");
    }
    let mut image = good.clone();
    image[root + 64 + 1] = b'/';
    assert!(FatVolume::open(&image).unwrap().files(1).unwrap().is_empty());
}

/// Every single byte of the metadata, changed to anything: an answer comes, and soon.
#[test]
fn any_one_wrong_byte_is_survived() {
    let good = image(MIB, &files());
    let (_, root) = parts(&good);
    let interesting = (0..600).chain(root..root + 512);
    for at in interesting {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut image = good.clone();
            image[at] = value;
            let _ = damaged(&image);
        }
    }
}
