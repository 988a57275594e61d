//! The stick in memory, its host played by mtools.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::path::PathBuf;

use block::{Disk, WriteFlags};
use support::{MIB, text, text_of};
use volume::{Limits, MemoryVolume, NewFile, ReadError};

fn initial() -> Vec<NewFile> {
    vec![
        NewFile::new("READ ME.html", &b"<!doctype html>"[..]),
        NewFile::new("READ ME.txt", &b"plug it in\r\n"[..]),
        NewFile::new("last-log.txt", vec![b'l'; 60_000]),
    ]
}

async fn stick() -> MemoryVolume {
    MemoryVolume::new("setup stick", "SETUP", initial()).await.unwrap()
}

/// What a host sees of a disk, as a file; and back to the disk.
struct Host {
    folder: tempfile::TempDir,
    disk: Disk,
}

impl Host {
    async fn new(disk: Disk) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = disk.read(0, disk.properties().size as u32).await.unwrap();
        std::fs::write(folder.path().join("stick.img"), image.to_vec()).unwrap();
        Self { folder, disk }
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("stick.img")
    }

    /// The volume, as mtools name it.
    fn volume(&self) -> String {
        format!("{}@@1M", text(&self.image()))
    }

    fn put(&self, name: &str, content: &[u8]) {
        let file = self.folder.path().join("file");
        std::fs::write(&file, content).unwrap();
        text_of(
            "mtools",
            "mcopy",
            &["-o", "-i", &self.volume(), text(&file), &format!("::{name}")],
        );
    }

    fn get(&self, name: &str) -> Vec<u8> {
        let file = self.folder.path().join("out");
        text_of(
            "mtools",
            "mcopy",
            &["-n", "-i", &self.volume(), &format!("::{name}"), text(&file)],
        );
        std::fs::read(file).unwrap()
    }

    fn change(&self, arguments: &[&str]) {
        let (program, rest) = arguments.split_first().unwrap();
        let volume = self.volume();
        text_of("mtools", program, &[&["-i", &volume], rest].concat());
    }

    /// Ejects: everything reaches the disk.
    async fn eject(&self) {
        let image = std::fs::read(self.image()).unwrap();
        self.disk.write(0, image.into(), WriteFlags::default()).await.unwrap();
    }

    fn check(&self) {
        let volume = self.folder.path().join("volume.img");
        std::fs::write(&volume, &std::fs::read(self.image()).unwrap()[MIB as usize..]).unwrap();
        let said = text_of("dosfstools", "fsck.vfat", &["-n", text(&volume)]);
        assert!(!said.contains("differ") && !said.contains("Dirty"), "{said}");
    }
}

#[tokio::test]
async fn hosts_see_the_files() {
    let stick = stick().await;
    let host = Host::new(stick.disk()).await;
    host.check();
    let partition = text_of("fdisk", "sfdisk", &["-d", text(&host.image())]);
    assert!(
        partition.contains("start=        2048, size=       14336, type=4"),
        "{partition}"
    );
    let listed = text_of("mtools", "mdir", &["-i", &host.volume(), "::"]);
    assert!(
        listed.contains("Volume in drive : is SETUP") && listed.contains("3 files"),
        "{listed}"
    );
    for file in initial() {
        assert_eq!(host.get(&file.name), file.content, "{}", file.name);
    }
    assert_eq!(stick.dropped_files(&Limits::default()).await.unwrap(), []);
}

#[tokio::test]
async fn what_the_host_drops_comes_back_byte_by_byte() {
    let stick = stick().await;
    let host = Host::new(stick.disk()).await;
    let keyring = vec![b'k'; 3000];
    host.put("gadget-manager.toml", b"[device]\nname = \"living room\"\n");
    host.put("ceph.conf", b"[global]\n");
    host.put("ceph.client.cloud stick.keyring", &keyring);
    host.put("READ ME.txt", b"changed");
    host.put("._gadget-manager.toml", b"left by a Mac");
    host.change(&["mmd", "::System Volume Information"]);
    host.change(&["mdel", "::last-log.txt"]);
    host.check();
    host.eject().await;
    let found = stick.dropped_files(&Limits::default()).await.unwrap();
    let mut found: Vec<(&str, &[u8])> = found
        .iter()
        .map(|file| (file.name.as_str(), file.content.as_deref().unwrap()))
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("READ ME.txt", &b"changed"[..]),
            ("ceph.client.cloud stick.keyring", &keyring),
            ("ceph.conf", b"[global]\n"),
            ("gadget-manager.toml", b"[device]\nname = \"living room\"\n"),
        ]
    );
    // No content in a log.
    assert!(!format!("{:?}", stick.dropped_files(&Limits::default()).await).contains("107, 107"));
}

#[tokio::test]
async fn limits_are_kept_file_by_file() {
    let stick = stick().await;
    let host = Host::new(stick.disk()).await;
    host.put("large.bin", &vec![1; 300_000]);
    host.put("small.txt", b"small");
    host.put("second.txt", b"second");
    host.eject().await;
    let of = |limits: Limits| {
        let stick = &stick;
        async move { stick.dropped_files(&limits).await }
    };
    let found = of(Limits::default()).await.unwrap();
    let large = found.iter().find(|file| file.name == "large.bin").unwrap();
    assert_eq!((large.size, large.content.is_err()), (300_000, true));
    assert_eq!(
        found
            .iter()
            .find(|file| file.name == "small.txt")
            .unwrap()
            .content
            .as_deref(),
        Ok(&b"small"[..])
    );

    let total_size = 60_000 + 27 + 8;
    let found = of(Limits {
        total_size,
        ..Limits::default()
    })
    .await
    .unwrap();
    let second = found.iter().find(|file| file.name == "second.txt").unwrap();
    assert!(matches!(second.content, Err(ReadError::TooLarge { .. })), "{found:?}");

    let too_many = of(Limits {
        files: 5,
        ..Limits::default()
    })
    .await;
    assert!(
        matches!(too_many, Err(ReadError::TooLarge { limit: 5, .. })),
        "{too_many:?}"
    );
}

#[tokio::test]
async fn a_stick_that_its_host_ruined_is_an_error() {
    let stick = stick().await;
    let disk = stick.disk();
    disk.write(MIB, vec![0xeb; 4096].into(), WriteFlags::default())
        .await
        .unwrap();
    assert!(matches!(
        stick.dropped_files(&Limits::default()).await,
        Err(ReadError::NotFat(_))
    ));
    disk.write(0, vec![0; 4096].into(), WriteFlags::default())
        .await
        .unwrap();
    assert!(matches!(
        stick.dropped_files(&Limits::default()).await,
        Err(ReadError::NotFat(_))
    ));
}

/// A host that formats the stick anew, in any way, and drops its file then.
#[tokio::test]
async fn a_stick_that_its_host_formatted_is_read() {
    for (bits, sectors_per_cluster) in [("12", "4"), ("16", "2")] {
        let stick = stick().await;
        let host = Host::new(stick.disk()).await;
        std::fs::File::create(host.image()).unwrap().set_len(8 * MIB).unwrap();
        let image = host.image();
        let arguments = ["-I", "-F", bits, "-s", sectors_per_cluster, text(&image)];
        text_of("dosfstools", "mkfs.vfat", &arguments);
        let file = host.folder.path().join("file");
        std::fs::write(&file, "name = 1").unwrap();
        text_of(
            "mtools",
            "mcopy",
            &["-i", text(&host.image()), text(&file), "::gadget-manager.toml"],
        );
        host.eject().await;
        let found = stick.dropped_files(&Limits::default()).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].name.as_str(), found[0].content.as_deref()),
            ("gadget-manager.toml", Ok(&b"name = 1"[..]))
        );
    }
}

#[tokio::test]
async fn files_that_cannot_be_there_are_refused() {
    let make = |name: &str, size: usize| {
        let file = NewFile::new(name, vec![0; size]);
        async move {
            MemoryVolume::new("stick", "SETUP", vec![file])
                .await
                .unwrap_err()
                .to_string()
        }
    };
    assert!(make("a/b", 1).await.contains("a/b"));
    assert!(make("large", 8 << 20).await.contains("does not fit"));
    let many = (0..300)
        .map(|n| NewFile::new(format!("a name that is long {n}"), &b""[..]))
        .collect();
    let error = MemoryVolume::new("stick", "SETUP", many).await.unwrap_err().to_string();
    assert!(error.contains("root directory"), "{error}");
}

#[tokio::test]
async fn a_disk_takes_memory_for_what_is_on_it_only() {
    let stick = stick().await;
    let disk = stick.disk();
    let extents = disk.extents(0, disk.properties().size).await.unwrap();
    let used: u64 = extents
        .iter()
        .filter(|extent| !extent.kind.is_zero())
        .map(|extent| extent.length)
        .sum();
    assert!(used <= 512 << 10, "{used} bytes");
}
