//! Devices that come and go: taken over, removed, left alone.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

use block::{BlockDevice, Properties};
use export_ublk::{DeviceState, Options, UblkDevice, UblkError, leftovers, remove_leftover};
use libublk::{UblkFlags, ctrl::UblkCtrlBuilder};

use crate::{
    Result,
    checks::{blocking, options},
    ensure,
    kernel_disk::Direct,
    test_disk::{Mood, TestDisk},
};

const MIB: u64 = 1 << 20;

pub(crate) async fn detach_and_recover() -> Result {
    let (_folder, options) = options();
    let disk = TestDisk::new(16 * MIB, true);
    let device = UblkDevice::start("recover", disk.clone(), options.clone()).await?;
    let (id, path) = (device.id(), device.path().to_owned());
    let opened = path.clone();
    let direct = Arc::new(blocking(move || Direct::open(&opened, 0)).await?);
    let user = direct.clone();
    blocking(move || user.write(0, &[1; 4096])).await?;
    let current = device_state(id, &options).await?;
    ensure!(current == Some(DeviceState::Live), "live, not {current:?}");
    let second = UblkDevice::start("recover", disk.clone(), options.clone()).await;
    ensure!(
        matches!(second, Err(UblkError::InUse { .. })),
        "served once: {second:?}"
    );
    device.detach().await;
    wait_for_state(id, &options, DeviceState::Quiesced).await?;
    // A user that comes while nobody serves waits, and is served by the next.
    let user = direct.clone();
    let waiting = tokio::spawn(blocking(move || user.write(MIB, &[2; 8192])));
    let device = UblkDevice::start("recover", disk.clone(), options.clone()).await?;
    ensure!(device.recovered(), "taken over");
    ensure!(device.id() == id, "same number");
    waiting.await??;
    let user = direct.clone();
    let back = blocking(move || user.read(0, 4096)).await?;
    ensure!(back == [1; 4096], "content is kept");
    // Dropped without a word: the same.
    drop(device);
    wait_for_state(id, &options, DeviceState::Quiesced).await?;
    let device = UblkDevice::start("recover", disk.clone(), options.clone()).await?;
    ensure!(device.recovered() && device.id() == id, "taken over again");
    let user = direct.clone();
    let back = blocking(move || user.read(MIB, 8192)).await?;
    ensure!(back == [2; 8192], "what was written meanwhile");
    drop(direct);
    device.remove().await?;
    ensure!(device_state(id, &options).await?.is_none(), "removed");
    Ok(())
}

async fn device_state(id: u32, options: &Options) -> Result<Option<DeviceState>> {
    let devices = leftovers(&options.state_dir).await?;
    Ok(devices
        .into_iter()
        .find(|device| device.id == id)
        .map(|device| device.state))
}

async fn wait_for_state(id: u32, options: &Options, state: DeviceState) -> Result {
    let begin = Instant::now();
    loop {
        let current = device_state(id, options).await?;
        if current == Some(state) {
            return Ok(());
        }
        ensure!(begin.elapsed() < Duration::from_secs(30), "{state:?}, not {current:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn changed_disks() -> Result {
    let (_folder, options) = options();
    let old = TestDisk::new(MIB, true);
    let other_identity = Options {
        identity: "another blob".into(),
        ..options.clone()
    };
    let read_only = Properties {
        read_only: true,
        ..Properties::new(MIB)
    };
    for (what, disk, new_options) in [
        ("another identity", TestDisk::new(MIB, true), &other_identity),
        ("another size", TestDisk::new(2 * MIB, true), &options),
        ("no cache any more", TestDisk::new(MIB, false), &options),
        ("read-only now", TestDisk::with(read_only, true), &options),
    ] {
        let device = UblkDevice::start("changed", old.clone(), options.clone()).await?;
        device.detach().await;
        let device = UblkDevice::start("changed", disk.clone(), new_options.clone()).await?;
        // A kernel that can resize takes over a disk of another size.
        let resizable = export_ublk::support().features.is_some_and(|bits| bits & 1024 != 0);
        let expected = resizable && what == "another size";
        ensure!(device.recovered() == expected, "{what}: taken over");
        let size: u64 = std::fs::read_to_string(format!("/sys/block/ublkb{}/size", device.id()))?
            .trim()
            .parse()?;
        ensure!(size * 512 == disk.properties().size, "{what}: size {size} sectors");
        device.remove().await?;
    }
    ensure!(
        leftovers(&options.state_dir).await?.iter().all(|device| !device.ours),
        "nothing is left"
    );
    Ok(())
}

pub(crate) async fn removal_flushes() -> Result {
    let (_folder, options) = options();
    let disk = TestDisk::new(16 * MIB, true);
    let device = UblkDevice::start("dirty", disk.clone(), options).await?;
    let path = device.path().to_owned();
    // Through the page cache, as a USB gadget writes, and never synced; still open when the device is removed.
    let file = blocking(move || -> std::io::Result<File> {
        let file = File::options().read(true).write(true).open(path)?;
        for block in 0..64_u64 {
            file.write_all_at(&[block as u8 + 1; 4096], block * 65536)?;
        }
        Ok(file)
    })
    .await?;
    device.remove().await?;
    for block in 0..64_u64 {
        let data = disk.memory().read(block * 65536, 4096).await?.to_vec();
        ensure!(data == [block as u8 + 1; 4096], "block {block} was lost");
    }
    ensure!(disk.count.flushes.load(SeqCst) >= 1, "and flushed");
    drop(file);
    // Cannot be written: removed, and said.
    let (_folder, options) = crate::checks::options();
    let device = UblkDevice::start("dirty", disk.clone(), options.clone()).await?;
    let path = device.path().to_owned();
    let file = blocking(move || -> std::io::Result<File> {
        let file = File::options().read(true).write(true).open(path)?;
        file.write_all_at(&[9; 4096], 0)?;
        Ok(file)
    })
    .await?;
    disk.set(Mood::Fail(block::BlockError::io("test", "broken")));
    let result = device.remove().await;
    ensure!(
        matches!(result, Err(UblkError::Unflushed { .. })),
        "said, not {result:?}"
    );
    drop(file);
    Ok(())
}

pub(crate) async fn removal_under_use() -> Result {
    let (_folder, options) = options();
    let disk = TestDisk::new(16 * MIB, true);
    let device = UblkDevice::start("used", disk.clone(), options.clone()).await?;
    let (id, path) = (device.id(), device.path().to_owned());
    let begun = Arc::new(tokio::sync::Notify::new());
    let started = begun.clone();
    let user = tokio::spawn(blocking(move || -> std::io::Result<u64> {
        let direct = Direct::open(&path, 0)?;
        let mut done = 0;
        while direct.write(done % 256 * 65536, &[3; 65536]).is_ok() {
            done += 1;
            if done == 20 {
                started.notify_one();
            }
        }
        // No data are invented once the device is gone.
        match direct.read(0, 4096) {
            Ok(_) => Err(std::io::Error::other("a removed device answers")),
            Err(_) => Ok(done),
        }
    }));
    begun.notified().await;
    let begin = Instant::now();
    device.remove().await?;
    ensure!(
        begin.elapsed() < Duration::from_secs(15),
        "removal took {:?}",
        begin.elapsed()
    );
    ensure!(
        !std::path::Path::new(&format!("/dev/ublkb{id}")).exists(),
        "the node is gone"
    );
    let done = user.await??;
    ensure!(done >= 20, "{done} writes");
    let again = UblkDevice::start("used", disk, options).await?;
    again.remove().await?;
    Ok(())
}

pub(crate) async fn removal_of_a_hanging_disk() -> Result {
    let (_folder, options) = options();
    let options = Options {
        deadline: Duration::from_secs(1),
        ..options
    };
    let disk = TestDisk::new(MIB, true);
    let device = UblkDevice::start("hanging", disk.clone(), options).await?;
    disk.set(Mood::Hang);
    let path = device.path().to_owned();
    let user = tokio::spawn(blocking(move || Direct::open(&path, 0)?.read(0, 4096)));
    while disk.count.under_way.load(SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let result = device.remove().await;
    // The flush of the removal hung as well, and says so; nothing was dirty, so either is right.
    ensure!(
        matches!(result, Ok(()) | Err(UblkError::Unflushed { .. })),
        "{result:?}"
    );
    let read = user.await?;
    ensure!(read.is_err(), "the user got an error");
    Ok(())
}

pub(crate) async fn ownership() -> Result {
    let (_folder, options) = options();
    let foreign = blocking(|| {
        let ctrl = UblkCtrlBuilder::default()
            .name("foreign")
            .dev_flags(UblkFlags::UBLK_DEV_F_ADD_DEV)
            .build()
            .expect("a device of somebody else");
        ctrl.disown();
        ctrl.dev_info().dev_id
    })
    .await;
    let listed = leftovers(&options.state_dir).await?;
    let device = listed.iter().find(|device| device.id == foreign);
    ensure!(
        device.is_some_and(|device| !device.ours),
        "listed as somebody else's: {device:?}"
    );
    let refused = remove_leftover(foreign, &options.state_dir).await;
    ensure!(
        matches!(refused, Err(UblkError::NotOurs { .. })),
        "left alone: {refused:?}"
    );

    let device = UblkDevice::start("mine", TestDisk::new(MIB, true), options.clone()).await?;
    let id = device.id();
    ensure!(id != foreign, "a number of its own");
    let refused = remove_leftover(id, &options.state_dir).await;
    ensure!(matches!(refused, Err(UblkError::InUse { .. })), "in use: {refused:?}");
    device.detach().await;
    wait_for_state(id, &options, DeviceState::Quiesced).await?;
    let listed = leftovers(&options.state_dir).await?;
    let found = listed.iter().find(|device| device.id == id);
    ensure!(
        found.is_some_and(|device| device.ours && device.name.as_deref() == Some("mine")),
        "known by its name: {found:?}"
    );
    // Without a state file the kernel's tag still says whose it is.
    std::fs::remove_file(options.state_dir.join("mine.json"))?;
    let listed = leftovers(&options.state_dir).await?;
    let found = listed.iter().find(|device| device.id == id);
    ensure!(
        found.is_some_and(|device| device.ours && device.name.is_none()),
        "ours: {found:?}"
    );
    remove_leftover(id, &options.state_dir).await?;
    remove_leftover(id, &options.state_dir).await?;
    let taken = UblkDevice::start(
        "mine",
        TestDisk::new(MIB, true),
        Options {
            id: Some(foreign),
            ..options.clone()
        },
    )
    .await;
    ensure!(
        matches!(taken, Err(UblkError::Control { .. })),
        "a taken number: {taken:?}"
    );
    ensure!(
        device_state(foreign, &options).await? == Some(DeviceState::Dead),
        "and its owner keeps it"
    );
    let numbered = Options {
        id: Some(foreign + 7),
        ..options.clone()
    };
    let device = UblkDevice::start("mine", TestDisk::new(MIB, true), numbered).await?;
    ensure!(device.id() == foreign + 7, "the number that was asked for");
    device.remove().await?;
    blocking(move || {
        let ctrl = libublk::ctrl::UblkCtrl::new_simple(foreign as i32).expect("it is there");
        ctrl.del_dev().expect("deleted");
    })
    .await;
    Ok(())
}

pub(crate) async fn resize() -> Result {
    let (_folder, options) = options();
    let disk = TestDisk::new(MIB, true);
    let device = UblkDevice::start("resize", disk, options).await?;
    let resizable = export_ublk::support().features.is_some_and(|bits| bits & 1024 != 0);
    match device.update_size().await {
        Ok(()) => ensure!(resizable, "this kernel cannot"),
        Err(UblkError::ResizeUnsupported { .. }) => ensure!(!resizable, "this kernel can"),
        Err(error) => return Err(error.into()),
    }
    device.remove().await?;
    Ok(())
}
