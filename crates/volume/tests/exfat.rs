//! exFAT as other people's tools see it.

mod support;

use support::{GIB, Image, KIB, MIB, TIB, field, options, text, text_of};
use volume::{FileSystem, Kind, Table};

/// `fsck.exfat` finds nothing, and `dump.exfat` reads what was written.
async fn is_good(size: u64, table: Table, label: &str) {
    let (image, made) = Image::formatted(size, &options(FileSystem::ExFat, table, Some(label))).await;
    assert_eq!(made.kind, Kind::ExFat);
    let volume = image.volume(made.start).await;
    let said = text_of("exfatprogs", "fsck.exfat", &["-n", text(&volume)]);
    assert!(said.contains("clean. directories 1, files 0"), "{size}: {said}");
    let dump = text_of("exfatprogs", "dump.exfat", &[text(&volume)]);
    assert_eq!(
        field(&dump, "Volume Length(sectors):"),
        ((size - made.start) / 512).to_string()
    );
    assert_eq!(field(&dump, "Cluster Count:"), made.clusters.to_string());
    assert_eq!(field(&dump, "Cluster size:"), made.cluster_size.to_string());
    assert_eq!(field(&dump, "Volume Serial:"), "0x1234abcd");
    assert_eq!(field(&dump, "Volume label:"), label);
    assert_eq!(field(&dump, "Upcase table size:"), "5836");
    // Bitmap, up-case table, root directory.
    let used = |bytes: u32| bytes.div_ceil(made.cluster_size);
    let free = made.clusters - used(made.clusters.div_ceil(8)) - used(5836) - 1;
    assert_eq!(field(&dump, "Free Clusters:"), free.to_string(), "{size}");
}

#[tokio::test]
async fn of_every_size_without_a_table() {
    for size in [
        MIB,
        MIB + 512,
        7 * MIB,
        63 * MIB,
        64 * MIB,
        256 * MIB,
        257 * MIB,
        GIB,
        32 * GIB,
        33 * GIB,
        3 * TIB,
    ] {
        is_good(size, Table::None, "Größe 電視").await;
    }
}

#[tokio::test]
async fn of_every_size_in_a_partition() {
    for size in [2 * MIB, 65 * MIB, 2 * GIB, 64 * GIB, 2 * TIB] {
        is_good(size, Table::Mbr, "Films").await;
    }
}

#[tokio::test]
async fn of_the_largest_size() {
    is_good(8 * TIB, Table::None, "Films").await;
}

#[tokio::test]
async fn the_partition_is_what_sfdisk_calls_sound() {
    let (image, _) = Image::formatted(64 * GIB, &options(FileSystem::ExFat, Table::Mbr, None)).await;
    let dump = text_of("fdisk", "sfdisk", &["-d", text(&image.path())]);
    assert!(dump.contains("type=7"), "{dump}");
}

/// What both must have the same, given the same clusters: all but offsets, which are aligned differently.
#[tokio::test]
async fn key_fields_are_those_of_mkfs_exfat() {
    for size in [64 * MIB, 4 * GIB, 64 * GIB] {
        let (image, made) = Image::formatted(size, &options(FileSystem::ExFat, Table::None, Some("FILMS"))).await;
        let other = image.path().with_extension("mkfs");
        std::fs::File::create(&other).unwrap().set_len(size).unwrap();
        let cluster = made.cluster_size.to_string();
        text_of(
            "exfatprogs",
            "mkfs.exfat",
            &["-c", &cluster, "-L", "FILMS", text(&other)],
        );
        let dumps = [&image.path(), &other].map(|path| text_of("exfatprogs", "dump.exfat", &[text(path)]));
        for key in [
            "Volume Length(sectors):",
            "Sector Size Bits:",
            "Sector per Cluster bits:",
            "Bitmap entry type:",
            "Bitmap start cluster:",
            "Upcase table entry type:",
            "Upcase table size:",
            "Volume entry type:",
            "Volume label:",
            "Volume label character count:",
        ] {
            assert_eq!(field(&dumps[0], key), field(&dumps[1], key), "{size}: {key}");
        }
        // Neither wastes clusters: the difference is the alignment of the heap.
        let clusters = dumps.map(|dump| field(&dump, "Cluster Count:").parse::<i64>().unwrap());
        let difference = (clusters[0] - clusters[1]).unsigned_abs() * u64::from(made.cluster_size);
        assert!(difference <= 8 * MIB, "{size}: {clusters:?}");
    }
}

#[tokio::test]
async fn the_same_up_case_table_as_mkfs_exfat() {
    let size = 64 * MIB;
    let (image, made) = Image::formatted(size, &options(FileSystem::ExFat, Table::None, None)).await;
    let other = image.path().with_extension("mkfs");
    std::fs::File::create(&other).unwrap().set_len(size).unwrap();
    text_of("exfatprogs", "mkfs.exfat", &[text(&other)]);
    let table = |path: &std::path::Path| {
        let image = std::fs::read(path).unwrap();
        let dump = text_of("exfatprogs", "dump.exfat", &[text(path)]);
        let number = |key: &str| field(&dump, key).parse::<usize>().unwrap();
        let heap = number("Cluster Heap Offset (sector offset):") * 512;
        let start = heap + (number("Upcase table start cluster:") - 2) * made.cluster_size as usize;
        image[start..start + number("Upcase table size:")].to_vec()
    };
    assert_eq!(table(&image.path()), table(&other));
}

#[test]
fn disks_that_cannot_be_exfat_are_refused() {
    let refused = |size: u64, table| {
        volume::check(size, &options(FileSystem::ExFat, table, None))
            .unwrap_err()
            .to_string()
    };
    assert!(refused(512 * KIB, Table::None).contains("at least 1048576"));
    assert!(refused(2 * TIB + 512, Table::Mbr).contains("without a partition table"));
    assert!(refused(8 * TIB + 512, Table::None).contains("smaller"));
}
