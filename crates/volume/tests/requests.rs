//! What formatting asks of a device: little, aligned, and old content gone.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use block::{BlockDevice, BlockError, Extent, MemoryDevice, Payload, Properties, Status, WriteFlags, ZeroFlags};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use support::{GIB, Image, MIB, TIB, options, text, text_of};
use volume::{FileSystem, FormatOptions, Table};

/// One request that changes a device.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Request {
    Write(u64, usize),
    Zero(u64, u64),
    Flush,
}

/// A disk in memory that remembers what was asked of it.
struct Witness {
    inner: MemoryDevice,
    has_extents: bool,
    requests: Mutex<Vec<Request>>,
    fail_write: Option<usize>,
}

impl Witness {
    fn new(size: u64) -> Self {
        Self {
            inner: MemoryDevice::new(size).unwrap(),
            has_extents: true,
            requests: Mutex::default(),
            fail_write: None,
        }
    }

    fn note(&self, request: Request) {
        self.requests.lock().unwrap().push(request);
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    async fn format(&self, options: &FormatOptions) {
        volume::format(self, options, &|_, _| ()).await.unwrap();
    }
}

#[async_trait]
impl BlockDevice for Witness {
    fn properties(&self) -> Properties {
        let mut properties = self.inner.properties();
        properties.features.extents = self.has_extents;
        properties
    }
    fn name(&self) -> &str {
        "witness"
    }
    fn status(&self) -> tokio::sync::watch::Receiver<Status> {
        self.inner.status()
    }
    async fn read(&self, offset: u64, len: u32) -> block::Result<Payload> {
        self.inner.read(offset, len).await
    }
    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> block::Result<()> {
        let writes = self
            .requests()
            .iter()
            .filter(|request| matches!(request, Request::Write(..)))
            .count();
        if self.fail_write == Some(writes) {
            return Err(BlockError::unreachable("witness", "planned"));
        }
        self.note(Request::Write(offset, data.len()));
        self.inner.write(offset, data, flags).await
    }
    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> block::Result<()> {
        self.note(Request::Zero(offset, len));
        self.inner.write_zeroes(offset, len, flags).await
    }
    async fn discard(&self, offset: u64, len: u64) -> block::Result<()> {
        self.inner.discard(offset, len).await
    }
    async fn flush(&self) -> block::Result<()> {
        self.note(Request::Flush);
        self.inner.flush().await
    }
    async fn extents(&self, offset: u64, len: u64) -> block::Result<Vec<Extent>> {
        self.inner.extents(offset, len).await
    }
    async fn resize(&self, size: u64) -> block::Result<()> {
        self.inner.resize(size).await
    }
    async fn close(&self) -> block::Result<()> {
        self.inner.close().await
    }
}

#[tokio::test]
async fn a_fresh_disk_gets_a_handful_of_aligned_writes_and_the_table_after_all_others_are_durable() {
    for (file_system, most) in [(FileSystem::Fat, 5), (FileSystem::ExFat, 6)] {
        let disk = Witness::new(64 * GIB);
        disk.format(&options(file_system, Table::Mbr, Some("FILMS"))).await;
        let requests = disk.requests();
        let table = [Request::Flush, Request::Write(0, 4096), Request::Flush];
        let writes = requests.strip_suffix(&table).expect("the table comes last");
        assert!(writes.len() < most, "{writes:?}");
        for request in writes {
            let Request::Write(offset, length) = request else {
                panic!("{requests:?}")
            };
            assert!(offset % 4096 == 0 && length % 4096 == 0, "{request:?}");
        }
    }
}

#[tokio::test]
async fn without_extents_zeroes_are_written_in_bounded_steps() {
    let mut disk = Witness::new(2 * TIB);
    disk.has_extents = false;
    disk.format(&options(FileSystem::Fat, Table::None, None)).await;
    let zeroed: Vec<u64> = disk
        .requests()
        .iter()
        .filter_map(|request| match request {
            Request::Zero(_, length) => Some(*length),
            _ => None,
        })
        .collect();
    assert!(zeroed.iter().all(|length| *length <= 256 * MIB), "{zeroed:?}");
    assert!(zeroed.iter().sum::<u64>() < GIB, "{zeroed:?}");
}

#[tokio::test]
async fn progress_starts_at_nothing_and_ends_at_all() {
    let seen = Mutex::new(Vec::new());
    let disk = MemoryDevice::new(GIB).unwrap();
    let options = options(FileSystem::Fat, Table::Mbr, None);
    volume::format(&disk, &options, &|done, all| seen.lock().unwrap().push((done, all)))
        .await
        .unwrap();
    let seen = seen.into_inner().unwrap();
    let all = seen[0].1;
    assert!(seen.is_sorted() && seen.iter().all(|step| step.1 == all), "{seen:?}");
    assert_eq!((seen[0].0, seen.last().unwrap().0), (0, all));
}

/// Fills the places where tables and superblocks live, and a lot between them, with what looks like something.
async fn scribble(disk: &dyn BlockDevice, random: &mut SmallRng) {
    let size = disk.properties().size;
    let length = (4 * MIB).min(size);
    for start in [0, size - length, (size / 2) & !511] {
        let mut noise = vec![0; length.min(size - start) as usize];
        random.fill(&mut noise[..]);
        disk.write(start, noise.into(), WriteFlags::default()).await.unwrap();
    }
}

#[tokio::test]
async fn old_content_does_not_shine_through() {
    let mut random = SmallRng::seed_from_u64(1);
    for (file_system, table, size) in [
        (FileSystem::Fat, Table::Mbr, 64 * MIB),
        (FileSystem::Fat, Table::None, 3 * MIB),
        (FileSystem::Fat, Table::Mbr, 12 * MIB),
        (FileSystem::ExFat, Table::None, 64 * MIB),
        (FileSystem::ExFat, Table::Mbr, 3 * MIB),
        (FileSystem::ExFat, Table::Mbr, 2 * GIB),
    ] {
        let image = Image::new(size).await;
        scribble(&image.disk, &mut random).await;
        let made = image.format(&options(file_system, table, Some("FILMS"))).await.unwrap();
        let volume = image.volume(made.start).await;
        match file_system {
            FileSystem::Fat => {
                text_of("dosfstools", "fsck.vfat", &["-n", text(&volume)]);
                let listed = text_of("mtools", "mdir", &["-a", "-i", text(&volume), "::"]);
                assert!(listed.contains("No files"), "{listed}");
            }
            FileSystem::ExFat => {
                let said = text_of("exfatprogs", "fsck.exfat", &["-n", text(&volume)]);
                assert!(said.contains("clean. directories 1, files 0"), "{said}");
            }
        }
    }
}

/// Each after the others, as an owner tries them; `wipefs` sees one file system and never an old one.
#[tokio::test]
async fn of_an_older_file_system_no_signature_is_left() {
    let image = Image::new(300 * MIB).await;
    for program in ["mkfs.ext4", "mkfs.btrfs"] {
        let package = if program == "mkfs.ext4" {
            "e2fsprogs"
        } else {
            "btrfs-progs"
        };
        for (file_system, found) in [(FileSystem::Fat, "vfat"), (FileSystem::ExFat, "exfat")] {
            text_of(
                package,
                program,
                &[if program == "mkfs.ext4" { "-qF" } else { "-qf" }, text(&image.path())],
            );
            image.format(&options(file_system, Table::None, None)).await.unwrap();
            let found_types = text_of("util-linux", "wipefs", &["-J", "--no-act", text(&image.path())]);
            for old in ["ext4", "btrfs"] {
                assert!(
                    !found_types.contains(old) && found_types.contains(found),
                    "{found_types}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_fails_in_the_middle_leaves_no_boot_sector() {
    let mut disk = Witness::new(GIB);
    // Root directory and both tables are written; then come boot sector and partition table.
    disk.fail_write = Some(3);
    let failed = volume::format(&disk, &options(FileSystem::Fat, Table::Mbr, Some("FILMS")), &|_, _| ()).await;
    assert!(failed.unwrap_err().to_string().contains("planned"));
    for offset in [0, MIB] {
        assert!(disk.read(offset, 512).await.unwrap().is_zero(), "at {offset}");
    }
}

#[tokio::test]
async fn a_read_only_disk_is_refused() {
    let disk = MemoryDevice::new(GIB).unwrap().reopen(true);
    let failed = volume::format(&disk, &FormatOptions::new(FileSystem::Fat), &|_, _| ()).await;
    assert!(failed.unwrap_err().to_string().contains("read-only"));
}

/// Whatever the size, both checkers are content.
#[tokio::test]
async fn random_sizes_are_sound() {
    let mut random = SmallRng::seed_from_u64(0x5eed);
    for round in 0..40 {
        let bits = random.random_range(21..36);
        let size = random.random_range(1_u64 << bits..2 << bits) & !511;
        let table = if random.random() { Table::Mbr } else { Table::None };
        let fat = options(FileSystem::Fat, table, Some("R"));
        let (image, made) = Image::formatted(size, &fat).await;
        let volume = image.volume(made.start).await;
        text_of("dosfstools", "fsck.vfat", &["-n", text(&volume)]);
        let exfat = options(FileSystem::ExFat, table, Some("R"));
        let made = image.format(&exfat).await.unwrap();
        let volume = image.volume(made.start).await;
        let said = text_of("exfatprogs", "fsck.exfat", &["-n", text(&volume)]);
        assert!(said.contains("clean"), "round {round}, {size} bytes: {said}");
    }
}

#[tokio::test]
async fn a_disk_is_formatted_through_a_shared_handle() {
    let disk: block::Disk = Arc::new(MemoryDevice::new(GIB).unwrap());
    volume::format(&*disk, &FormatOptions::new(FileSystem::ExFat), &|_, _| ())
        .await
        .unwrap();
}
