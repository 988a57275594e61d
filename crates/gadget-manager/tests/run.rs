//! `run` and `nbd`: the daemon starts, serves, reloads, is fenced and ends as promised. Without USB, which needs a
//! kernel of its own: the virtual TV shows that.

mod support;

use std::process::Command;

use nix::sys::signal::Signal;
use support::{Home, PATIENCE, phase, qemu_io};
use testkit::azurite::Azurite;

const BASE: &str = "[[store]]\nname = \"card\"\ntype = \"file\"\nfolder = \"@HOME@\"\n\
[[disk]]\nname = \"films\"\nstore = \"card\"\nimage = \"films\"\n";
const SERVER: &str = "[[nbd]]\nlisten = \"unix:@HOME@/nbd.sock\"\ndisks = [\"films\"]\n";

fn with_image(config: &str) -> Home {
    let home = Home::new(config);
    home.ok(&["disk", "create", "card/films", "--size", "8MiB"]);
    home
}

fn serves(status: &serde_json::Value) -> bool {
    status["nbd"][0]["address"].is_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_in_the_image_after_sigterm() {
    let home = with_image(&format!("{BASE}{SERVER}"));
    let daemon = home.start(&["run"]);
    home.wait_for_status(&daemon, "the server listens", serves).await;
    let said = qemu_io(&home, "write -P 0x5a 64k 4k");
    assert!(said.contains("wrote 4096/4096"), "{said}");
    let status = home.wait_for_status(&daemon, "the write is counted", |status| {
        status["disks"][0]["statistics"].to_string().contains("\"bytes\":4096")
    });
    assert_eq!(phase(&status.await, "films"), "open");
    assert!(daemon.stop(PATIENCE).await.unwrap().success(), "{}", daemon.log());
    assert!(home.status().is_none(), "the status goes with the daemon");
    let nbd = home.start(&[
        "nbd",
        "card/films",
        "--listen",
        &format!("unix:{}", home.join("nbd.sock").display()),
        "--export",
        "films",
    ]);
    nbd.wait_for_line(PATIENCE, |line| line.contains("nbd+unix"))
        .await
        .unwrap();
    let said = qemu_io(&home, "read -P 0x5a 64k 4k");
    assert!(said.contains("read 4096/4096"), "{said}");
    assert!(nbd.stop(PATIENCE).await.unwrap().success(), "{}", nbd.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_has_one_user() {
    let home = with_image(&format!("{BASE}{SERVER}"));
    let daemon = home.start(&["run"]);
    home.wait_for_status(&daemon, "the server listens", serves).await;
    let error = home.fails(7, &["nbd", "card/films", "--listen", "127.0.0.1:0"]);
    assert!(error.contains("in use"), "{error}");
    home.fails(7, &["disk", "resize", "card/films", "--size", "16MiB"]);
    home.fails(7, &["disk", "delete", "card/films", "--yes"]);
    let error = home.fails(1, &["run"]);
    assert!(error.contains("another gadget-manager"), "{error}");
    assert!(daemon.stop(PATIENCE).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_applies_what_changed_and_refuses_mistakes() {
    let home = with_image(BASE);
    home.ok(&["disk", "create", "card/music", "--size", "4MiB"]);
    let daemon = home.start(&["run"]);
    home.wait_for_status(&daemon, "the disk is open", |status| phase(status, "films") == "open")
        .await;
    home.configure("mistake = true\n");
    daemon.signal(Signal::SIGHUP);
    daemon
        .wait_for_line(PATIENCE, |line| line.contains("not reloaded"))
        .await
        .unwrap();
    home.configure(&format!("{BASE}[web]\nhttp = []\nhttps = []\n"));
    daemon.signal(Signal::SIGHUP);
    daemon
        .wait_for_line(PATIENCE, |line| line.contains("a new `web` needs a restart"))
        .await
        .unwrap();
    assert_eq!(phase(&home.status().unwrap(), "films"), "open");
    let music = "[[disk]]\nname = \"music\"\nstore = \"card\"\nimage = \"music\"\n";
    home.configure(&format!("{BASE}{music}{SERVER}"));
    daemon.signal(Signal::SIGHUP);
    let status = home.wait_for_status(&daemon, "the new server and disk", |status| {
        serves(status) && phase(status, "music") == "open"
    });
    assert_eq!(phase(&status.await, "films"), "open");
    assert!(qemu_io(&home, "write -P 1 0 512").contains("wrote 512/512"));
    home.configure(&format!("{}{music}", BASE.split("[[disk]]").next().unwrap()));
    daemon.signal(Signal::SIGHUP);
    home.wait_for_status(&daemon, "disk and server are gone", |status| {
        phase(status, "films") == "missing" && !serves(status)
    })
    .await;
    home.ok(&["disk", "delete", "card/films", "--yes"]);
    assert!(daemon.stop(PATIENCE).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_cannot_be_opened_yet_follows() {
    let home = Home::new(BASE);
    let daemon = home.start(&["run"]);
    let status = home
        .wait_for_status(&daemon, "the failure is told", |status| {
            status["disks"][0]["error"].is_string()
        })
        .await;
    assert_eq!(phase(&status, "films"), "opening");
    home.ok(&["disk", "create", "card/films", "--size", "8MiB"]);
    home.wait_for_status(&daemon, "the disk is open", |status| phase(status, "films") == "open")
        .await;
    assert!(daemon.stop(PATIENCE).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_over_fences_the_other_machine() {
    let azurite = Azurite::in_memory().await.expect("Azurite starts");
    let config = |take_over: bool| {
        format!(
            "[[store]]\nname = \"cloud\"\ntype = \"azure\"\nendpoint = \"{}\"\ncontainer = \"sticks\"\nallow_http = true\n\
             create_container = true\n[[disk]]\nname = \"films\"\nstore = \"cloud\"\nimage = \"films\"\ntake_over = {take_over}\n{SERVER}",
            azurite.endpoint()
        )
    };
    let secrets = format!(
        "[store.cloud]\nconnection_string = \"{}\"\n",
        azurite.connection_string()
    );
    // Two machines: each has an identity of its own in its state folder.
    let (first, second) = (Home::new(&config(false)), Home::new(&config(false)));
    first.secrets(&secrets);
    second.secrets(&secrets);
    first.ok(&["disk", "create", "cloud/films", "--size", "8MiB"]);
    let one = first.start(&["run"]);
    first.wait_for_status(&one, "the first serves", serves).await;
    assert!(qemu_io(&first, "write -P 0x11 0 4k").contains("wrote 4096/4096"));

    let two = second.start(&["run"]);
    let status = second
        .wait_for_status(&two, "the second is refused", |status| {
            status["disks"][0]["error"].is_string()
        })
        .await;
    assert!(
        status["disks"][0]["error"].as_str().unwrap().contains("in use"),
        "{status:#}"
    );
    assert!(two.stop(PATIENCE).await.unwrap().success());

    second.configure(&config(true));
    let two = second.start(&["run"]);
    second.wait_for_status(&two, "the second has taken over", serves).await;
    assert!(qemu_io(&second, "write -P 0x22 0 4k").contains("wrote 4096/4096"));
    let said = qemu_io(&first, "write -P 0x33 0 4k");
    assert!(!said.contains("wrote"), "the first must not write any more: {said}");
    first
        .wait_for_status(&one, "the first knows", |status| phase(status, "films") == "fenced")
        .await;
    assert!(qemu_io(&second, "read -P 0x22 0 4k").contains("read 4096/4096"));
    let end = one.stop(PATIENCE).await.unwrap();
    assert_eq!(end.code(), Some(7), "it says that it lost the disk: {}", one.log());
    assert!(two.stop(PATIENCE).await.unwrap().success(), "{}", two.log());
    for log in [one.log(), two.log()] {
        assert!(!log.contains(azurite.key()), "a secret in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_does_not_keep_the_daemon_from_ending() {
    let mut azurite = Azurite::in_memory().await.expect("Azurite starts");
    let home = Home::new(&format!(
        "[[store]]\nname = \"cloud\"\ntype = \"azure\"\nendpoint = \"{}\"\ncontainer = \"sticks\"\nallow_http = true\n\
         create_container = true\n[[disk]]\nname = \"films\"\nstore = \"cloud\"\nimage = \"films\"\n",
        azurite.endpoint()
    ));
    home.secrets(&format!("[store.cloud]\naccount_key = \"{}\"\n", azurite.key()));
    home.ok(&["disk", "create", "cloud/films", "--size", "8MiB"]);
    let daemon = home.start(&["run"]);
    home.wait_for_status(&daemon, "the disk is open", |status| phase(status, "films") == "open")
        .await;
    azurite.kill().await.unwrap();
    let end = daemon.stop(PATIENCE).await.unwrap();
    assert_eq!(end.code(), Some(6), "{}", daemon.log());
    let log = daemon.log();
    assert!(
        log.contains("no answer within") && log.contains("ends by itself"),
        "{log}"
    );
}

#[test]
fn why_a_start_failed_is_kept_for_the_setup_stick() {
    let home = Home::new("mistake = true\n");
    home.fails(3, &["run"]);
    let kept = std::fs::read_to_string(home.join("state/last-log.txt")).unwrap();
    assert!(
        kept.contains("gadget-manager.toml:3: ") && kept.contains("mistake"),
        "{kept}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_key_opens_the_disk_after_sighup() {
    let azurite = Azurite::in_memory().await.expect("Azurite starts");
    let home = Home::new(&format!(
        "[[store]]\nname = \"cloud\"\ntype = \"azure\"\nendpoint = \"{}\"\ncontainer = \"sticks\"\nallow_http = true\n\
         create_container = true\n[[disk]]\nname = \"films\"\nstore = \"cloud\"\nimage = \"films\"\n",
        azurite.endpoint()
    ));
    let right = format!("[store.cloud]\naccount_key = \"{}\"\n", azurite.key());
    home.secrets(&right);
    home.ok(&["disk", "create", "cloud/films", "--size", "8MiB"]);
    home.secrets("[store.cloud]\naccount_key = \"d3Jvbmcga2V5\"\n");
    let daemon = home.start(&["run"]);
    let denied = |status: &serde_json::Value| {
        status["disks"][0]["error"]
            .as_str()
            .is_some_and(|error| error.contains("denied"))
    };
    home.wait_for_status(&daemon, "the wrong key is told", denied).await;
    home.secrets(&right);
    daemon.signal(Signal::SIGHUP);
    home.wait_for_status(&daemon, "the disk is open", |status| phase(status, "films") == "open")
        .await;
    // And back: a disk that is open notices that its secret was changed.
    home.secrets("[store.cloud]\naccount_key = \"d3Jvbmcga2V5\"\n");
    daemon.signal(Signal::SIGHUP);
    home.wait_for_status(&daemon, "the wrong key is told again", denied)
        .await;
    assert!(daemon.stop(PATIENCE).await.unwrap().success(), "{}", daemon.log());
}

#[test]
fn secrets_come_from_the_environment_too() {
    let home = Home::new("[[store]]\nname = \"my.cloud\"\ntype = \"azure\"\naccount = \"a\"\ncontainer = \"sticks\"\n");
    let check = |variables: &[(&str, &str)]| {
        let program = env!("CARGO_BIN_EXE_gadget-manager");
        let output = Command::new(program)
            .arg("--config")
            .arg(home.config())
            .arg("check")
            .envs(variables.iter().copied())
            .output();
        let output = output.expect("gadget-manager starts");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, said) = check(&[]);
    assert!(code == Some(3) && said.contains("has no secret"), "{said}");
    assert_eq!(check(&[("CLOUD_STICK_MY_CLOUD_ACCOUNT_KEY", "a2V5")]).0, Some(0));
    // The environment counts instead of the file, not beside it.
    home.secrets("[store.\"my.cloud\"]\naccount_key = \"a2V5\"\n");
    assert_eq!(check(&[("CLOUD_STICK_MY_CLOUD_SAS", "sv=2022&sig=x")]).0, Some(0));
    let (code, said) = check(&[
        ("CLOUD_STICK_MY_CLOUD_SAS", "sv=2022&sig=x"),
        ("CLOUD_STICK_MY_CLOUD_ACCOUNT_KEY", "a2V5"),
    ]);
    assert!(code == Some(3) && said.contains("several secrets"), "{said}");
}

/// A manager whose one disk is the image `films` of a pool, served by NBD.
fn manager(ceph: &testkit::Ceph, more: &str) -> Home {
    let home = Home::new(&format!(
        "[[store]]\nname = \"ceph\"\ntype = \"rbd\"\npool = \"{}\"\nconf_file = \"{}\"\nuser = \"{}\"\nkeyring_file = \"{}\"\n\
         [[disk]]\nname = \"films\"\nstore = \"ceph\"\nimage = \"films\"\n{more}{SERVER}",
        ceph.pool(),
        ceph.conf().display(),
        ceph.user(),
        ceph.keyring(ceph.user()).display(),
    ));
    std::fs::create_dir_all(home.join("state")).expect("a folder");
    home
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_managers_on_one_ceph_image_one_writes() {
    let ceph = testkit::Ceph::small().await.expect("a cluster starts");
    let (first, second) = (manager(&ceph, ""), manager(&ceph, "take_over = true\n"));
    let third = manager(&ceph, "");
    first.ok(&["disk", "create", "ceph/films", "--size", "8MiB"]);
    let old = first.start(&["run"]);
    first.wait_for_status(&old, "the server listens", serves).await;
    assert!(qemu_io(&first, "write -P 0x11 0 4k").contains("wrote 4096/4096"));
    let refused = third.fails(7, &["nbd", "ceph/films", "--listen", "127.0.0.1:0"]);
    assert!(
        refused.contains("in use by") && refused.contains("127.0.0.1"),
        "{refused}"
    );
    let new = second.start(&["run"]);
    second.wait_for_status(&new, "the server listens", serves).await;
    assert!(qemu_io(&second, "write -P 0x22 4k 4k").contains("wrote 4096/4096"));
    let late = qemu_io(&first, "write -P 0x99 0 12k");
    assert!(!late.contains("wrote 12288"), "{late}");
    first
        .wait_for_status(&old, "fenced", |status| phase(status, "films") == "fenced")
        .await;
    for (place, byte) in [("0 4k", "0x11"), ("4k 4k", "0x22"), ("8k 4k", "0")] {
        let read = qemu_io(&second, &format!("read -P {byte} {place}"));
        assert!(
            read.contains("read 4096/4096") && !read.contains("verification failed"),
            "{read}"
        );
    }
    assert!(old.stop(PATIENCE).await.is_ok());
    // Killed, the new owner's successor on the same device gets the image back at once, without taking it over.
    new.kill().await.unwrap();
    let again = manager(&ceph, "");
    std::fs::copy(second.join("state/owner-id"), again.join("state/owner-id")).expect("an identity");
    let successor = again.start(&["run"]);
    again.wait_for_status(&successor, "the server listens", serves).await;
    assert!(qemu_io(&again, "read -P 0x22 4k 4k").contains("read 4096/4096"));
    let status = successor.stop(PATIENCE).await.unwrap();
    assert!(status.success(), "{status}\n{}", successor.log());
}
