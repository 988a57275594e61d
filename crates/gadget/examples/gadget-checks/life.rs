//! Processes that die, and gadgets that are not ours.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use gadget::{Force, GadgetError, MassStorageGadget};

use crate::{config, eventually, host, image, lun};

/// Another program's gadget, by plain configfs.
pub(crate) struct Foreign(PathBuf);

impl Foreign {
    pub(crate) fn create(name: &str, bound: bool) -> Self {
        let folder = Path::new("/sys/kernel/config/usb_gadget").join(name);
        for part in ["", "functions/mass_storage.0", "configs/c.1"] {
            fs::create_dir(folder.join(part)).unwrap();
        }
        std::os::unix::fs::symlink(folder.join("functions/mass_storage.0"), folder.join("configs/c.1/f")).unwrap();
        if bound {
            fs::write(folder.join("UDC"), &gadget::udcs()[0].name).unwrap();
        }
        Self(folder)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("UDC"), "\n");
        fs::remove_file(self.0.join("configs/c.1/f")).unwrap();
        for part in ["configs/c.1", "functions/mass_storage.0", ""] {
            fs::remove_dir(self.0.join(part)).unwrap();
        }
    }
}

/// Process of its own: creates and connects a gadget, says so, and waits to be killed.
pub(crate) async fn hold(name: &str) {
    let gadget = MassStorageGadget::create(config(name, vec![lun(Some("/tmp/held.img".into()))]))
        .await
        .unwrap();
    gadget.connect().await.unwrap();
    println!("held");
    std::future::pending::<()>().await;
}

fn holder(name: &str) -> Child {
    image("held", 8);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["hold", name])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "held\n");
    child
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

pub(crate) async fn leftovers_of_the_dead_are_removed_and_no_others() {
    let foreign = Foreign::create("somebody-elses", false);
    let live = holder("live");
    let error = MassStorageGadget::create(config("live", vec![lun(None)]))
        .await
        .unwrap_err();
    assert!(matches!(error, GadgetError::InUse { .. }), "{error}");
    assert_eq!(
        gadget::clean_leftovers(&[]).await.unwrap(),
        Vec::<String>::new(),
        "its process lives"
    );
    kill(live);
    assert_eq!(
        gadget::clean_leftovers(&["live"]).await.unwrap(),
        Vec::<String>::new(),
        "spared"
    );
    assert_eq!(gadget::clean_leftovers(&[]).await.unwrap(), ["cloud-stick-live"]);
    // Creating cleans by itself.
    kill(holder("live"));
    let gadget = MassStorageGadget::create(config("live", vec![lun(None)]))
        .await
        .unwrap();
    gadget.remove().await.unwrap();
    assert!(foreign.0.is_dir());
}

pub(crate) async fn a_killed_process_is_succeeded_unnoticed() {
    let held = config("live", vec![lun(Some("/tmp/held.img".into()))]);
    assert!(
        MassStorageGadget::adopt(held.clone()).await.unwrap().is_none(),
        "nothing to adopt"
    );
    let process = holder("live");
    let error = MassStorageGadget::adopt(held.clone()).await.unwrap_err();
    assert!(matches!(error, GadgetError::InUse { .. }), "{error}");
    let disk = eventually("the disk", || host::disk(0).filter(|disk| host::mark(disk).is_ok())).await;
    let number = host::text(&host::device().unwrap(), "devnum");
    kill(process);
    host::write(&disk, &[1; 512]).unwrap();

    let mut other = held.clone();
    other.product = "Other".into();
    assert!(
        MassStorageGadget::adopt(other).await.unwrap().is_none(),
        "another device"
    );
    let gadget = MassStorageGadget::adopt(held.clone()).await.unwrap().unwrap();
    assert_eq!(gadget.luns().await.unwrap()[0].medium, Some("/tmp/held.img".into()));
    assert!(gadget.state().await.bound);
    gadget.connect().await.unwrap();
    gadget.detach().await.unwrap();
    let gadget = MassStorageGadget::adopt(held).await.unwrap().unwrap();
    assert_eq!(
        host::text(&host::device().unwrap(), "devnum"),
        number,
        "the host has noticed nothing"
    );
    host::write(&disk, &[2; 512]).unwrap();
    assert_eq!(fs::read("/tmp/held.img").unwrap()[512], 2);

    // It can do everything a created one can.
    let mut events = gadget.events();
    gadget.swap(0, &image("two", 16), false, Force::No).await.unwrap();
    eventually("the second medium", || (host::mark(&disk).ok()? == "two").then_some(())).await;
    host::must("eject", &["-s", disk.to_str().unwrap()]);
    crate::until(&mut events, |event| {
        *event == gadget::GadgetEvent::HostEjected { lun: 0 }
    })
    .await;
    gadget.remove().await.unwrap();
}
