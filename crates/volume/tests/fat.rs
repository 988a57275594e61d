//! FAT as other people's tools see it.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod support;

use support::{GIB, Image, KIB, MIB, field, options, text, text_of, tool};
use volume::{FileSystem, Kind, Table};

/// `fsck.fat` finds nothing, and counts the clusters that we counted.
fn check(volume: &str, clusters: u32) -> String {
    let said = text_of("dosfstools", "fsck.vfat", &["-n", "-v", volume]);
    for complaint in [
        "Dirty",
        "differ",
        "wrong",
        "uninitialized",
        "Free cluster summary",
        "rror",
    ] {
        assert!(!said.contains(complaint), "{said}");
    }
    assert!(
        said.contains(&format!("{clusters} clusters")) || said.contains(&format!("/{clusters} clusters")),
        "{said}"
    );
    said
}

/// What must hold whatever the size: one row of the table of sizes.
async fn is_good(size: u64, table: Table) {
    let (image, made) = Image::formatted(size, &options(FileSystem::Fat, table, Some("Films"))).await;
    let volume = image.volume(made.start).await;
    let said = check(text(&volume), made.clusters);
    assert!(
        said.contains(&format!("{} bytes per cluster", made.cluster_size)),
        "{said}"
    );
    let bits = made.kind.to_string()[3..].to_owned();
    assert!(
        said.contains(&format!("{bits} bits/entry")) || said.contains(&format!("{bits} bit")),
        "{size}: {said}"
    );

    let on_disk = format!("{}@@{}", text(&image.path()), made.start);
    let listed = text_of("mtools", "mdir", &["-i", &on_disk, "::"]);
    assert!(listed.contains("Volume in drive : is FILMS"), "{listed}");
    assert!(listed.contains("1234-ABCD"), "{listed}");
    let file = image.path().with_extension("txt");
    std::fs::write(&file, vec![7; 100_000]).unwrap();
    text_of("mtools", "mcopy", &["-i", &on_disk, text(&file), "::A long name.txt"]);
    check(text(&image.volume(made.start).await), made.clusters);
}

#[tokio::test]
async fn of_every_size_without_a_table() {
    for size in [
        MIB,
        MIB + 512,
        3 * MIB,
        4 * MIB + 512,
        8 * MIB,
        17 * MIB,
        32 * MIB,
        34 * MIB,
        100 * MIB,
        260 * MIB,
        512 * MIB + 1536,
    ] {
        is_good(size, Table::None).await;
    }
}

#[tokio::test]
async fn of_every_size_in_a_partition() {
    for size in [
        2 * MIB,
        6 * MIB,
        33 * MIB + 512,
        40 * MIB,
        300 * MIB,
        GIB,
        8 * GIB,
        20 * GIB,
        64 * GIB,
    ] {
        is_good(size, Table::Mbr).await;
    }
}

#[tokio::test]
async fn without_a_label_there_is_none() {
    let (image, made) = Image::formatted(GIB, &options(FileSystem::Fat, Table::None, None)).await;
    assert_eq!(made.label, None);
    let listed = text_of("mtools", "mdir", &["-i", text(&image.path()), "::"]);
    assert!(listed.contains("has no label"), "{listed}");
}

#[tokio::test]
async fn the_partition_is_what_sfdisk_calls_sound() {
    for (size, kind) in [
        (2 * MIB, "1"),
        (20 * MIB, "4"),
        (GIB, "b"),
        (64 * GIB, "c"),
        (2048 * GIB, "c"),
    ] {
        let (image, made) = Image::formatted(size, &options(FileSystem::Fat, Table::Mbr, None)).await;
        let dump = text_of("fdisk", "sfdisk", &["-d", text(&image.path())]);
        assert_eq!(field(&dump, "label:"), "dos");
        assert_eq!(field(&dump, "label-id:"), "0x1234abcd");
        let partition = dump.lines().find(|line| line.contains("start=")).unwrap();
        let sectors = size / 512 - 2048;
        let words: String = partition.split_once(" : ").unwrap().1.split_whitespace().collect();
        assert_eq!(words, format!("start=2048,size={sectors},type={kind}"));
        assert_eq!(made.start, MIB);
        let verified = tool("fdisk", "sfdisk", &["--verify", text(&image.path())]);
        let verified = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(verified.contains("No errors detected"), "{verified}");
    }
}

/// Numbers of a boot sector that must be as `mkfs.vfat` has them, given the same clusters.
#[tokio::test]
async fn key_fields_are_those_of_mkfs_vfat() {
    for (size, bits) in [
        (2 * MIB, 12),
        (20 * MIB, 16),
        (100 * MIB, 32),
        (10 * GIB, 32),
        (64 * GIB, 32),
    ] {
        let (image, made) = Image::formatted(size, &options(FileSystem::Fat, Table::None, Some("FILMS"))).await;
        let other = image.path().with_extension("mkfs");
        std::fs::File::create(&other).unwrap().set_len(size).unwrap();
        let per_cluster = (made.cluster_size / 512).to_string();
        let bits = bits.to_string();
        let arguments = [
            "-F",
            &bits,
            "-s",
            &per_cluster,
            "-n",
            "FILMS",
            "-i",
            "1234abcd",
            text(&other),
        ];
        text_of("dosfstools", "mkfs.vfat", &arguments);
        let read = |path: &str| {
            use std::io::Read;
            let mut boot = [0; 512];
            std::fs::File::open(path).unwrap().read_exact(&mut boot).unwrap();
            boot
        };
        let (ours, theirs) = (read(text(&image.path())), read(text(&other)));
        // Sector and cluster size, copies of the table, media, FSInfo and backup, serial number, label, kind. Not the total:
        // mkfs.vfat cuts it to whole tracks.
        let same: &[std::ops::Range<usize>] = match made.kind {
            Kind::Fat32 => &[11..14, 16..22, 40..52, 64..65, 66..90, 510..512],
            _ => &[11..14, 16..22, 36..37, 38..62, 510..512],
        };
        for range in same {
            assert_eq!(ours[range.clone()], theirs[range.clone()], "{size}: bytes {range:?}");
        }
    }
}

#[tokio::test]
async fn disks_that_cannot_be_fat_are_refused_and_not_touched() {
    let refused = |size: u64, table| {
        volume::check(size, &options(FileSystem::Fat, table, None))
            .unwrap_err()
            .to_string()
    };
    assert!(refused(512 * KIB, Table::None).contains("at least 1048576"));
    assert!(refused(MIB, Table::Mbr).contains("at least 2097152"));
    assert!(refused(2048 * GIB + 512, Table::None).contains("take exFAT"));
    assert!(refused(2048 * GIB + 512, Table::Mbr).contains("exFAT without a partition table"));
    assert!(refused(GIB + 1, Table::Mbr).contains("512"));

    let image = Image::new(GIB).await;
    let error = image
        .format(&options(FileSystem::Fat, Table::Mbr, Some("Größe")))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("'ö'"), "{error}");
    let content = std::fs::read(image.path()).unwrap();
    assert!(content.iter().all(|&byte| byte == 0));
}
