//! The data path: what is advertised, what arrives, what fails and how.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

use block::{
    BlockDevice, BlockError, Properties,
    conformance::{Case, Options as SuiteOptions, Target},
};
use export_ublk::{Options, UblkDevice};
use rand::{Rng, RngCore, SeedableRng, rngs::SmallRng};

use crate::{
    Result, ensure,
    kernel_disk::{Direct, KernelDisk},
    lifecycle,
    test_disk::{Mood, TestDisk},
};

const MIB: u64 = 1 << 20;

/// A folder for state that is gone afterwards, and options that use it.
pub(crate) fn options() -> (tempfile::TempDir, Options) {
    let folder = tempfile::tempdir().expect("a folder in /tmp");
    let options = Options {
        state_dir: folder.path().join("state"),
        ..Options::default()
    };
    (folder, options)
}

/// Runs `work` in a thread, because it blocks.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}

/// Runs the checks whose names contain one of `words`, or all.
pub(crate) async fn run(words: &[&str]) -> Result {
    let mut failed = 0;
    macro_rules! checks {
        ($($name:literal => $check:expr),+ $(,)?) => {$(
            if words.is_empty() || words.iter().any(|word| $name.contains(word)) {
                let begin = Instant::now();
                let result = tokio::time::timeout(Duration::from_secs(120), $check).await;
                let seconds = begin.elapsed().as_secs_f32();
                match result.unwrap_or_else(|_| Err("did not end within 120 s".into())) {
                    Ok(()) => println!("ok: {} ({seconds:.1} s)", $name),
                    Err(error) => {
                        failed += 1;
                        println!("FAILED: {}: {error}", $name);
                    }
                }
            }
        )+};
    }
    checks! {
        "what the disk can do is advertised" => advertised(),
        "a read-only disk is read-only" => read_only(),
        "random direct I/O on all queues against a model" => random_io(),
        "the start reads nothing unless partitions are wanted" => partitions(),
        "discards and zeroes reach the disk as such" => ranges(),
        "flush and FUA reach the disk" => durability(),
        "each error reaches the reader with its number" => errors(),
        "a panic and a short read fail one request" => misbehaviour(),
        "a hanging disk hits the deadline" => deadline(),
        "many requests are under way at once" => parallel(),
        "a detached device is taken over under its users" => lifecycle::detach_and_recover(),
        "a disk that changed is not taken over" => lifecycle::changed_disks(),
        "removal writes dirty pages first" => lifecycle::removal_flushes(),
        "removal while open, and under I/O" => lifecycle::removal_under_use(),
        "removal with a hanging disk ends" => lifecycle::removal_of_a_hanging_disk(),
        "one name is served once, others' devices are left alone" => lifecycle::ownership(),
        "a size that cannot change says so" => lifecycle::resize(),
        "conformance through the kernel" => conformance(),
    }
    ensure!(failed == 0, "{failed} checks failed");
    Ok(())
}

fn attribute(device: &UblkDevice, name: &str) -> Result<String> {
    let path = format!("/sys/block/ublkb{}/{name}", device.id());
    Ok(fs::read_to_string(&path)
        .map_err(|error| format!("{path}: {error}"))?
        .trim()
        .to_owned())
}

async fn advertised() -> Result {
    let (_folder, options) = options();
    let properties = Properties {
        physical_block_size: 4096,
        preferred_request: 256 << 10,
        discard_granularity: 4096,
        ..Properties::new(64 * MIB)
    };
    for volatile in [false, true] {
        let disk = TestDisk::with(properties, volatile);
        let device = UblkDevice::start("advertised", disk, options.clone()).await?;
        ensure!(!device.recovered(), "nothing was left to recover");
        ensure!(Path::new(device.path()).exists(), "{:?} exists", device.path());
        let cache = if volatile { "write back" } else { "write through" };
        for (name, expected) in [
            ("size", "131072"),
            ("ro", "0"),
            ("queue/logical_block_size", "512"),
            ("queue/physical_block_size", "4096"),
            ("queue/minimum_io_size", "4096"),
            ("queue/optimal_io_size", "262144"),
            ("queue/discard_granularity", "4096"),
            ("queue/discard_max_hw_bytes", "268435456"),
            ("queue/write_zeroes_max_bytes", "268435456"),
            ("queue/max_hw_sectors_kb", "512"),
            ("queue/write_cache", cache),
            ("queue/fua", if volatile { "1" } else { "0" }),
        ] {
            let found = attribute(&device, name)?;
            ensure!(found == expected, "{name} is {found}, not {expected}");
        }
        let queues = fs::read_dir(format!("/sys/block/ublkb{}/mq", device.id()))?.count();
        ensure!(queues == usize::from(options.queues), "{queues} queues");
        device.remove().await?;
    }
    Ok(())
}

async fn read_only() -> Result {
    let (_folder, options) = options();
    let disk = TestDisk::with(
        Properties {
            read_only: true,
            ..Properties::new(MIB)
        },
        true,
    );
    let device = UblkDevice::start("read-only", disk, options).await?;
    ensure!(attribute(&device, "ro")? == "1", "the kernel knows");
    ensure!(attribute(&device, "queue/discard_max_bytes")? == "0", "no discard");
    let path = device.path().to_owned();
    let refused = blocking(move || {
        Direct::open(&path, 0).and_then(|direct| {
            if !direct.read_only()? {
                return Err(io::Error::other("writable"));
            }
            direct.write(0, &[1; 512])
        })
    })
    .await;
    let number = refused.err().and_then(|error| error.raw_os_error());
    ensure!(
        matches!(number, Some(libc::EPERM | libc::EACCES | libc::EROFS)),
        "a write is refused, got {number:?}"
    );
    device.remove().await?;
    Ok(())
}

async fn partitions() -> Result {
    let (_folder, options) = options();
    let disk = TestDisk::new(16 * MIB, true);
    // An MBR with one partition of type FAT32 at 1 MiB.
    let mut mbr = [0; 512];
    mbr[450] = 0x0c;
    mbr[454..458].copy_from_slice(&2048_u32.to_le_bytes());
    mbr[458..462].copy_from_slice(&4096_u32.to_le_bytes());
    mbr[510..].copy_from_slice(&[0x55, 0xaa]);
    disk.memory().write(0, mbr.to_vec().into(), Default::default()).await?;
    for scan_partitions in [false, true] {
        let options = Options {
            scan_partitions,
            ..options.clone()
        };
        disk.count.reads.store(0, SeqCst);
        let device = UblkDevice::start("partitions", disk.clone(), options).await?;
        let reads = disk.count.reads.load(SeqCst);
        ensure!((reads > 0) == scan_partitions, "{reads} reads at the start");
        let first = format!("{}p1", device.path().display());
        ensure!(Path::new(&first).exists() == scan_partitions, "{first}");
        device.remove().await?;
    }
    // So a store that hangs does not hang the start.
    disk.set(Mood::Hang);
    let device = UblkDevice::start("partitions", disk.clone(), options).await?;
    disk.set(Mood::Normal);
    device.remove().await?;
    Ok(())
}

async fn random_io() -> Result {
    const PARTS: u64 = 4;
    const PART: u64 = 8 * MIB;
    let (_folder, options) = options();
    let disk = TestDisk::new(PARTS * PART, true);
    let device = UblkDevice::start("random", disk.clone(), options).await?;
    let tasks = (0..PARTS).map(|part| {
        let path = device.path().to_owned();
        blocking(move || random_part(&path, part, part * PART, PART as usize))
    });
    for result in futures::future::join_all(tasks).await {
        result?;
    }
    let used = (0..2)
        .filter(|queue| fs::read_dir(format!("/sys/block/ublkb{}/mq/{queue}", device.id())).is_ok())
        .count();
    ensure!(used == 2, "two queues in a machine with two processors, not {used}");
    device.remove().await?;
    Ok(())
}

/// Writes, zeroes, discards and reads in a part of the device that no other thread uses; each thread on a processor of
/// its own, so that each queue has work.
fn random_part(path: &Path, seed: u64, base: u64, len: usize) -> Result {
    // SAFETY: a zeroed cpu_set_t is an empty set, of the size that is given.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET((seed % 2) as usize, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
    let direct = Direct::open(path, 0)?;
    let mut random = SmallRng::seed_from_u64(seed);
    let mut model = vec![0_u8; len];
    for round in 0..150 {
        let sectors = match random.random_range(0..10) {
            0..6 => random.random_range(1..64),
            6..9 => random.random_range(1..600),
            _ => random.random_range(1000..2200),
        };
        let size = sectors * 512;
        let at = random.random_range(0..=(len - size) / 512) * 512;
        let offset = base + at as u64;
        match random.random_range(0..8) {
            0..4 => {
                let mut data = vec![0; size];
                random.fill_bytes(&mut data);
                direct.write(offset, &data)?;
                model[at..at + size].copy_from_slice(&data);
            }
            4 => {
                direct.discard(offset, size as u64)?;
                model[at..at + size].fill(0);
            }
            5 => {
                direct.zero(offset, size as u64)?;
                model[at..at + size].fill(0);
            }
            _ => {}
        }
        let data = direct.read(offset, size)?;
        ensure!(
            data == model[at..at + size],
            "part {seed} round {round}: {size} bytes at {offset} differ"
        );
    }
    for at in (0..len).step_by(MIB as usize) {
        let data = direct.read(base + at as u64, MIB as usize)?;
        ensure!(
            data == model[at..at + MIB as usize],
            "part {seed}: the MiB at {at} differs at the end"
        );
    }
    Ok(())
}

async fn ranges() -> Result {
    let (_folder, options) = options();
    let disk = TestDisk::new(64 * MIB, false);
    let device = UblkDevice::start("ranges", disk.clone(), options).await?;
    let path = device.path().to_owned();
    blocking(move || -> Result {
        let direct = Direct::open(&path, 0)?;
        direct.write(0, &vec![7; 2 << 20])?;
        let writes = disk.count.writes.load(SeqCst);
        direct.discard(4096, 8192)?;
        ensure!(disk.count.discards.load(SeqCst) == 1, "one discard");
        ensure!(direct.read(4096, 8192)? == [0; 8192], "discarded");
        direct.zero(65536, 512)?;
        ensure!(disk.count.kept.load(SeqCst) == 1, "BLKZEROOUT keeps space");
        ensure!(direct.read(65536, 512)? == [0; 512], "zeroed");
        direct.punch(131_072, MIB)?;
        ensure!(disk.count.zeroes.load(SeqCst) == 2, "punched by zeroing");
        ensure!(disk.count.kept.load(SeqCst) == 1, "a punched hole need not keep space");
        direct.discard(0, 64 * MIB)?;
        ensure!(disk.count.discards.load(SeqCst) == 2, "the whole disk in one request");
        ensure!(direct.read(0, 1 << 20)? == vec![0; 1 << 20], "all discarded");
        ensure!(
            disk.count.writes.load(SeqCst) == writes,
            "zeroes were never sent as data"
        );
        Ok(())
    })
    .await?;
    device.remove().await?;
    Ok(())
}

async fn durability() -> Result {
    let (_folder, options) = options();
    for volatile in [true, false] {
        let disk = TestDisk::new(MIB, volatile);
        let device = UblkDevice::start("durability", disk.clone(), options.clone()).await?;
        let (path, counted) = (device.path().to_owned(), disk.clone());
        blocking(move || -> Result {
            let flushes = || counted.count.flushes.load(SeqCst);
            let expected = usize::from(volatile);
            let direct = Direct::open(&path, 0)?;
            direct.write(0, &[1; 4096])?;
            ensure!(flushes() == 0, "a plain write does not flush");
            direct.sync()?;
            ensure!(flushes() == expected, "fsync: {} flushes", flushes());
            let through = Direct::open(&path, libc::O_DSYNC)?;
            through.write(0, &[1; 4096])?;
            let fua = counted.count.fua.load(SeqCst);
            ensure!(fua == expected, "O_DSYNC: {fua} writes with FUA");
            Ok(())
        })
        .await?;
        device.remove().await?;
    }
    Ok(())
}

async fn errors() -> Result {
    let (_folder, options) = options();
    let disk = TestDisk::new(MIB, true);
    let device = UblkDevice::start("errors", disk.clone(), options).await?;
    let (fenced, corrupt) = (
        BlockError::Fenced {
            disk: "test".into(),
            detail: "taken".into(),
        },
        BlockError::Corrupt {
            disk: "test".into(),
            detail: "md5".into(),
        },
    );
    for (error, expected) in [
        (BlockError::unreachable("test", "no route"), libc::ENOLINK),
        (BlockError::no_space("test", "full"), libc::ENOSPC),
        (BlockError::denied("test", "key"), libc::EREMOTEIO),
        (BlockError::read_only("test"), libc::EREMOTEIO),
        (fenced, libc::EBADE),
        (corrupt, libc::EILSEQ),
        (BlockError::unsupported("test", "that"), libc::EOPNOTSUPP),
        (BlockError::out_of_range("test", 0, 1, 0), libc::EINVAL),
        (BlockError::io("test", "broken"), libc::EIO),
    ] {
        disk.set(Mood::Fail(error.clone()));
        let path = device.path().to_owned();
        let (read, write) = blocking(move || {
            let direct = Direct::open(&path, 0).expect("opening needs no request");
            (direct.read(0, 4096).err(), direct.write(0, &[1; 4096]).err())
        })
        .await;
        for (what, got) in [("read", read), ("write", write)] {
            let got = got.and_then(|error| error.raw_os_error());
            ensure!(got == Some(expected), "{error}: {what} got {got:?}, not {expected}");
        }
    }
    // A flush that the disk does not know must not look like one that is done.
    disk.set(Mood::Fail(BlockError::unsupported("test", "flush")));
    let path = device.path().to_owned();
    let flushed = blocking(move || Direct::open(&path, 0)?.sync()).await;
    ensure!(flushed.is_err(), "a flush that is not supported fails");
    disk.set(Mood::Normal);
    device.remove().await?;
    Ok(())
}

async fn misbehaviour() -> Result {
    let (_folder, options) = options();
    let disk = TestDisk::new(MIB, true);
    let device = UblkDevice::start("misbehaviour", disk.clone(), options).await?;
    for mood in [Mood::Panic, Mood::Short, Mood::Normal] {
        let fine = matches!(mood, Mood::Normal);
        disk.set(mood);
        let path = device.path().to_owned();
        let got = blocking(move || Direct::open(&path, 0)?.read(0, 4096)).await;
        match got {
            Ok(_) => ensure!(fine, "a failure is reported"),
            Err(error) => ensure!(!fine && error.raw_os_error() == Some(libc::EIO), "EIO, not {error}"),
        }
    }
    device.remove().await?;
    Ok(())
}

async fn deadline() -> Result {
    let (_folder, options) = options();
    let options = Options {
        deadline: Duration::from_millis(700),
        ..options
    };
    let disk = TestDisk::new(MIB, true);
    let device = UblkDevice::start("deadline", disk.clone(), options).await?;
    disk.set(Mood::Hang);
    let path = device.path().to_owned();
    let got = blocking(move || {
        let direct = Direct::open(&path, 0).expect("opening needs no request");
        [
            direct.read(0, 4096).err(),
            direct.write(0, &[1; 4096]).err(),
            direct.sync().err(),
        ]
    })
    .await;
    for error in got {
        let number = error.as_ref().and_then(io::Error::raw_os_error);
        ensure!(number == Some(libc::ETIMEDOUT), "ETIMEDOUT, not {error:?}");
    }
    ensure!(disk.count.under_way.load(SeqCst) == 0, "what is late is dropped");
    disk.set(Mood::Normal);
    let path = device.path().to_owned();
    blocking(move || Direct::open(&path, 0)?.read(0, 4096)).await?;
    device.remove().await?;
    Ok(())
}

async fn parallel() -> Result {
    let (_folder, options) = options();
    let options = Options { depth: 16, ..options };
    let disk = TestDisk::new(16 * MIB, true);
    let device = UblkDevice::start("parallel", disk.clone(), options).await?;
    let notify = Arc::new(tokio::sync::Notify::new());
    disk.set(Mood::Wait(notify.clone()));
    let done = Arc::new(Mutex::new(0));
    let readers: Vec<_> = (0..12_u64)
        .map(|n| {
            let (path, done) = (device.path().to_owned(), done.clone());
            std::thread::spawn(move || -> io::Result<()> {
                Direct::open(&path, 0)?.read(n * MIB, 65536)?;
                *done.lock().expect("no panic while held") += 1;
                Ok(())
            })
        })
        .collect();
    while disk.count.under_way.load(SeqCst) < 12 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ensure!(*done.lock().expect("no panic while held") == 0, "all wait");
    notify.notify_waiters();
    blocking(move || {
        readers
            .into_iter()
            .try_for_each(|reader| reader.join().expect("no panic"))
    })
    .await?;
    ensure!(disk.count.most.load(SeqCst) >= 12, "12 at once");
    disk.set(Mood::Normal);
    device.remove().await?;
    Ok(())
}

async fn conformance() -> Result {
    let (_folder, options) = options();
    let number = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let open = move |size| {
        let options = options.clone();
        let name = format!("suite-{}", number.fetch_add(1, SeqCst));
        async move {
            let memory = TestDisk::new(size, true);
            let properties = memory.properties();
            let device = UblkDevice::start(&name, memory, options).await.expect("a device");
            Arc::new(KernelDisk::new(device, properties).expect("its block device")) as block::Disk
        }
    };
    let suite = SuiteOptions {
        operations: 300,
        tasks: 8,
        ..SuiteOptions::default()
    };
    let target = Target::new(open, suite);
    for case in Case::ALL {
        target.check(*case).await.map_err(|failure| failure.to_string())?;
    }
    Ok(())
}
