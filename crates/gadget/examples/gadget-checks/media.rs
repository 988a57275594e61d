//! LUNs and what is in them.

use std::{fs, path::Path, process::Command, time::Duration};

use gadget::{DeviceState, Environment, Force, GadgetError, GadgetEvent, LunConfig, MassStorageGadget, MediumProblem};

use crate::{config, connected, eventually, host, image, lun, until};

pub(crate) async fn eight_luns_each_with_its_own_nature() {
    let mut luns: Vec<_> = (0..8)
        .map(|index| lun(Some(image(&format!("eight-{index}"), 4 + index))))
        .collect();
    luns[1].read_only = true;
    luns[2].removable = false;
    luns[3].no_fua = true;
    luns[7].medium = None;
    let (gadget, _events) = connected(config("eight", luns)).await;
    for index in 0..7_u64 {
        let disk = eventually("a disk", || host::disk(index as usize)).await;
        eventually("its medium", || {
            (host::mark(&disk).ok()? == format!("eight-{index}")).then_some(())
        })
        .await;
        assert_eq!(host::size(&disk).unwrap(), (4 + index) << 20);
        let block = Path::new("/sys/class/block").join(disk.file_name().unwrap());
        let see = |attribute| host::text(&block, attribute).unwrap();
        assert_eq!(see("ro"), if index == 1 { "1" } else { "0" });
        assert_eq!(see("removable"), if index == 2 { "0" } else { "1" });
        let written = host::write(&disk, &[index as u8; 512]);
        assert_eq!(written.is_ok(), index != 1, "LUN {index}: {written:?}");
        let sector = fs::read(format!("/tmp/eight-{index}.img")).unwrap()[512];
        assert_eq!(
            u64::from(sector),
            if index == 1 { 0 } else { index },
            "what reached the medium"
        );
    }
    let states = gadget.luns().await.unwrap();
    assert_eq!(states.len(), 8);
    assert!(states[1].read_only && !states[2].removable && states[3].no_fua && states[7].medium.is_none());
    let error = gadget.eject(2, Force::Yes).await.unwrap_err();
    assert!(matches!(error, GadgetError::NotRemovable { lun: 2 }), "{error}");
    gadget.remove().await.unwrap();
}

/// Wants `/tmp/cd.iso` with a file `HELLO.TXT` that says "hello".
pub(crate) async fn an_iso_is_a_cdrom() {
    let drive = LunConfig {
        cdrom: true,
        ..lun(Some("/tmp/cd.iso".into()))
    };
    let (gadget, _events) = connected(config("cd", vec![lun(Some(image("beside", 8))), drive])).await;
    let disk = eventually("the drive", || host::disk(1)).await;
    assert!(disk.to_string_lossy().starts_with("/dev/sr"), "{}", disk.display());
    eventually("the disc", || host::size(&disk).ok().filter(|&size| size > 0)).await;
    fs::create_dir_all("/mnt/cd").unwrap();
    host::must(
        "mount",
        &["-t", "iso9660", "-o", "ro", disk.to_str().unwrap(), "/mnt/cd"],
    );
    let file = fs::read_dir("/mnt/cd").unwrap().flatten().next().unwrap().path();
    assert_eq!(fs::read_to_string(file).unwrap().trim(), "hello");
    // Mounting a disc locks the drive.
    let error = gadget.eject(1, Force::No).await.unwrap_err();
    assert!(matches!(error, GadgetError::Locked { lun: 1 }), "{error}");
    host::must("umount", &["/mnt/cd"]);
    gadget.eject(1, Force::No).await.unwrap();
    assert!(gadget.luns().await.unwrap()[1].read_only);
    gadget.insert(1, Path::new("/tmp/cd.iso"), false).await.unwrap();
    gadget.remove().await.unwrap();
}

pub(crate) async fn media_change_without_reenumeration() {
    let (one, two) = (image("one", 8), image("two", 16));
    let (gadget, _events) = connected(config("swap", vec![lun(None)])).await;
    let disk = eventually("the disk", || host::disk(0)).await;
    let number = host::text(&host::device().unwrap(), "devnum");
    let shows = |name: &'static str, mebibytes: u64| {
        let disk = disk.clone();
        move || (host::mark(&disk).ok()? == name && host::size(&disk).ok()? == mebibytes << 20).then_some(())
    };
    assert!(host::mark(&disk).is_err(), "an empty drive");
    gadget.insert(0, &one, false).await.unwrap();
    eventually("the first medium", shows("one", 8)).await;
    assert!(matches!(
        gadget.insert(0, &two, false).await,
        Err(GadgetError::Occupied { lun: 0, .. })
    ));
    gadget.swap(0, &two, false, Force::No).await.unwrap();
    eventually("the second medium", shows("two", 16)).await;
    gadget.swap(0, &one, true, Force::No).await.unwrap();
    eventually("the first medium again", shows("one", 8)).await;
    assert!(host::write(&disk, &[1; 512]).is_err(), "it is write-protected now");
    gadget.eject(0, Force::No).await.unwrap();
    eventually("an empty drive", || host::mark(&disk).is_err().then_some(())).await;
    gadget.insert(0, &one, false).await.unwrap();
    eventually("the first medium, writable", || host::write(&disk, &[7; 512]).ok()).await;
    assert_eq!(fs::read(&one).unwrap()[512], 7);
    assert_eq!(
        host::text(&host::device().unwrap(), "devnum"),
        number,
        "the same enumeration all the time"
    );
    gadget.remove().await.unwrap();
}

pub(crate) async fn the_hosts_lock_is_respected_until_forced() {
    let (one, two) = (image("one", 8), image("two", 16));
    let (gadget, _events) = connected(config("lock", vec![lun(Some(one.clone()))])).await;
    let disk = eventually("the disk", || host::disk(0).filter(|disk| host::mark(disk).is_ok())).await;
    // By the generic node: closing the disk itself would unlock it again.
    let generic = host::generic(0).unwrap();
    host::must("sg_prevent", &["--prevent=1", generic.to_str().unwrap()]);
    for result in [
        gadget.eject(0, Force::No).await,
        gadget.swap(0, &two, false, Force::No).await,
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, GadgetError::Locked { lun: 0 }), "{error}");
    }
    assert_eq!(gadget.luns().await.unwrap()[0].medium.as_ref(), Some(&one));
    host::must("sg_prevent", &["--allow", generic.to_str().unwrap()]);
    gadget.swap(0, &two, false, Force::No).await.unwrap();
    // A mounted file system, or any open disk, locks too.
    let open = eventually("the second medium", || fs::File::open(&disk).ok()).await;
    assert!(matches!(
        gadget.eject(0, Force::No).await,
        Err(GadgetError::Locked { lun: 0 })
    ));
    gadget.swap(0, &one, false, Force::Yes).await.unwrap();
    drop(open);
    eventually("the first medium", || (host::mark(&disk).ok()? == "one").then_some(())).await;
    gadget.eject(0, Force::Yes).await.unwrap();
    eventually("an empty drive", || host::mark(&disk).is_err().then_some(())).await;
    gadget.remove().await.unwrap();
}

pub(crate) async fn the_hosts_eject_is_noticed() {
    let one = image("one", 8);
    let (gadget, mut events) = connected(config("eject", vec![lun(None), lun(Some(one.clone()))])).await;
    let disk = eventually("the disk", || host::disk(1).filter(|disk| host::mark(disk).is_ok())).await;
    host::must("eject", &["-s", disk.to_str().unwrap()]);
    until(&mut events, |event| *event == GadgetEvent::HostEjected { lun: 1 }).await;
    assert_eq!(gadget.luns().await.unwrap()[1].medium, None);
    gadget.insert(1, &one, false).await.unwrap();
    eventually("the medium again", || (host::mark(&disk).ok()? == "one").then_some(())).await;
    // What this side ejects is not told as the host's doing.
    gadget.eject(1, Force::No).await.unwrap();
    gadget.insert(1, &one, false).await.unwrap();
    // The first command after a change of medium is answered with a unit attention, and tried again.
    let generic = host::generic(1).unwrap();
    eventually("the host's eject", || {
        host::run("sg_start", &["--eject", generic.to_str().unwrap()])
            .status
            .success()
            .then_some(())
    })
    .await;
    let mut ejects = Vec::new();
    until(&mut events, |event| matches!(event, GadgetEvent::HostEjected { .. })).await;
    while let Ok(event) = events.try_recv() {
        ejects.push(event);
    }
    assert_eq!(ejects, []);
    gadget.remove().await.unwrap();
}

pub(crate) async fn bad_media_change_nothing() {
    let one = image("one", 8);
    let (gadget, _events) = connected(config("bad", vec![lun(Some(one.clone())), lun(None)])).await;
    fs::write("/tmp/short.img", [0; 100]).unwrap();
    let problem = |result: Result<(), GadgetError>| match result {
        Err(GadgetError::Medium { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    let swap = |path: &'static str| gadget.swap(0, Path::new(path), false, Force::No);
    assert_eq!(problem(swap("/tmp/none.img").await), MediumProblem::Missing);
    assert_eq!(problem(swap("/tmp").await), MediumProblem::WrongType);
    assert_eq!(problem(swap("/dev/null").await), MediumProblem::WrongType);
    assert_eq!(problem(swap("one.img").await), MediumProblem::NotAbsolute);
    assert!(matches!(
        problem(swap("/tmp/short.img").await),
        MediumProblem::TooSmall { size: 100, .. }
    ));
    assert_eq!(
        problem(gadget.insert(1, &one, false).await),
        MediumProblem::InLun { lun: 0 }
    );
    assert_eq!(
        problem(swap("/dev/vda").await),
        MediumProblem::InUse,
        "the mounted root file system"
    );
    // A file on a read-only file system: the kernel would take it, read-only.
    host::must("mkfs.ext4", &["-q", "-F", image("readonly", 16).to_str().unwrap()]);
    fs::create_dir_all("/mnt/ro").unwrap();
    host::must("mount", &["-o", "loop", "/tmp/readonly.img", "/mnt/ro"]);
    fs::write("/mnt/ro/disk", vec![0; 1 << 20]).unwrap();
    host::must("mount", &["-o", "remount,ro", "/mnt/ro"]);
    assert_eq!(problem(swap("/mnt/ro/disk").await), MediumProblem::NotWritable);
    let lun = &gadget.luns().await.unwrap()[0];
    assert_eq!((lun.medium.as_ref(), lun.read_only), (Some(&one), false));
    gadget
        .swap(0, Path::new("/mnt/ro/disk"), true, Force::No)
        .await
        .unwrap();
    gadget.remove().await.unwrap();
    unmounted("/mnt/ro").await;
}

/// Unmounts a file system whose file was a medium: the kernel lets go of it a moment after the gadget is gone (it is closed by
/// a worker thread, `delayed_fput` of fs/file_table.c).
async fn unmounted(folder: &str) {
    eventually("the file system to be let go of", || {
        host::run("umount", &[folder]).status.success().then_some(())
    })
    .await;
}

/// A frozen file system holds the kernel's mass-storage thread in a write, as a disk does that does not answer.
pub(crate) async fn a_stalled_disk_is_an_error_in_time() {
    host::must("mkfs.ext4", &["-q", "-F", image("frozen", 32).to_str().unwrap()]);
    fs::create_dir_all("/mnt/frozen").unwrap();
    host::must("mount", &["-o", "loop", "/tmp/frozen.img", "/mnt/frozen"]);
    fs::write("/mnt/frozen/disk", vec![0; 4 << 20]).unwrap();
    let environment = Environment {
        patience: Duration::from_secs(5),
        ..Environment::default()
    };
    let config = config("stalled", vec![lun(Some("/mnt/frozen/disk".into()))]);
    let gadget = MassStorageGadget::create_in(config, environment).await.unwrap();
    gadget.connect().await.unwrap();
    let disk = eventually("the disk", || host::disk(0).filter(|disk| host::mark(disk).is_ok())).await;
    host::must("fsfreeze", &["--freeze", "/mnt/frozen"]);
    let output = format!("of={}", disk.display());
    let mut writer = Command::new("dd")
        .args(["if=/dev/zero", &output, "bs=4096", "count=1", "oflag=direct"])
        .spawn()
        .unwrap();
    let stuck = || {
        let threads = fs::read_dir("/proc").ok()?.flatten();
        let mut threads = threads.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
        threads.any(|stat| stat.contains("(file-storage) D")).then_some(())
    };
    eventually("the mass-storage thread to be stuck", stuck).await;
    let error = gadget.eject(0, Force::Yes).await.unwrap_err();
    assert!(matches!(error, GadgetError::Stalled { .. }), "{error}");
    assert_eq!(
        gadget.state().await.state,
        DeviceState::Configured,
        "the state is told all the same"
    );
    host::must("fsfreeze", &["--unfreeze", "/mnt/frozen"]);
    writer.wait().unwrap();
    assert_eq!(gadget.luns().await.unwrap()[0].medium, None, "the eject came true");
    gadget.remove().await.unwrap();
    unmounted("/mnt/frozen").await;
}
