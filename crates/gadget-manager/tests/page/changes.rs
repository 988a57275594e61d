//! Changes of the configuration: whole or not at all, whatever happens in the middle.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use testkit::program;

use crate::phone::{Device, folder};

async fn with_disk() -> (Device, crate::phone::Phone) {
    let (device, phone) = Device::claimed("").await;
    device.add_card_with(&phone, "films", 4 << 20, false).await;
    (device, phone)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_work_is_taken_back_and_explained() {
    let (device, phone) = with_disk().await;
    let config = fs::read_to_string(device.home.config()).unwrap();
    let missing = json!({"name": "music", "store": "card", "image": "nowhere"});
    let problem = phone.post("/disks", missing).await.is(409, "not_applied");
    assert!(problem["detail"].as_str().unwrap().contains("nowhere"), "{problem:#}");
    // A store in use that would not work any more.
    let elsewhere = folder(&device.home.join("elsewhere"));
    phone.put("/stores/card", elsewhere).await.is(409, "not_applied");
    // An image that is not there.
    phone
        .patch("/disks/films", json!({"image": "nowhere"}))
        .await
        .is(409, "not_applied");
    // A read-only disk that is to take over, an identity that no host would read.
    phone
        .patch("/usb/identity", json!({"serial": "not a serial"}))
        .await
        .is(400, "invalid");
    assert_eq!(
        fs::read_to_string(device.home.config()).unwrap(),
        config,
        "nothing has changed"
    );
    let state = phone
        .until("the disk is open again", |state| state["disks"][0]["phase"] == "online")
        .await;
    assert_eq!(state["disks"].as_array().unwrap().len(), 1);
    assert_eq!(state["disks"][0]["image"], "films");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_lead_back() {
    let (device, phone) = with_disk().await;
    let versions = phone.get("/configuration/versions").await.ok();
    let changes: Vec<_> = versions
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["change"].clone())
        .collect();
    assert_eq!(
        changes,
        ["disk films added", "store card added", "found at the start"],
        "{versions:#}"
    );
    assert_eq!(versions[0]["current"], true);
    phone.delete("/disks/films?confirm=films").await.ok();
    let back = phone
        .send(reqwest::Method::POST, "/configuration/versions/3/apply", None)
        .await;
    let applied = phone.result(back).await;
    assert_eq!(applied["version"], 5, "{applied:#}");
    phone
        .until("the disk is back", |state| state["disks"][0]["phase"] == "online")
        .await;
    let unknown = phone
        .send(reqwest::Method::POST, "/configuration/versions/99/apply", None)
        .await;
    assert_eq!(phone.problem(unknown).await["code"], "not_found");
    for number in 0..25 {
        phone
            .put("/device/name", json!({"name": format!("name-{number}")}))
            .await
            .ok();
    }
    let versions = phone.get("/configuration/versions").await.ok();
    assert_eq!(versions.as_array().unwrap().len(), 20, "a bounded number is kept");
    let mode = fs::metadata(device.home.join("state/versions/00000030.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_broken_by_hand_is_not_overwritten() {
    let (device, phone) = with_disk().await;
    let good = fs::read_to_string(device.home.config()).unwrap();
    fs::write(device.home.config(), format!("{good}\nbroken = \n")).unwrap();
    let problem = phone
        .put("/device/name", json!({"name": "new"}))
        .await
        .is(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("line"), "{problem:#}");
    fs::write(device.home.config(), format!("unknown = 1\n{good}")).unwrap();
    phone
        .put("/device/name", json!({"name": "new"}))
        .await
        .is(400, "invalid");
    fs::write(device.home.config(), &good).unwrap();
    phone.put("/device/name", json!({"name": "new"})).await.ok();
}

/// Kills the program with SIGKILL at each system call that gives a file of the configuration its name or takes the record of
/// the change away.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_middle_of_a_change_leaves_one_whole_configuration() {
    let (mut device, phone) = Device::claimed("").await;
    let azure = |name: &str| {
        json!({"type": "azure", "way": "sas", "values": {
            "account": name, "sas": format!("sv=2022-11-02&sp=racwdl&sig=c2lnbmF0dXJl{name}"), "container": "sticks",
        }})
    };
    phone.put("/stores/cloud", azure("first")).await.ok();
    // strace knows a rename by the old name, which is that of the file that is written aside.
    let renamed = [
        "..gadget-manager.toml.pending.new",
        ".secrets.toml.new",
        ".gadget-manager.toml.new",
    ];
    let record = ".gadget-manager.toml.pending";
    let cases = [
        ("rename", 1, &renamed[..], "first"),
        ("rename", 2, &renamed, "other"),
        ("rename", 3, &renamed, "other"),
        ("unlink", 1, &[record], "other"),
    ];
    for (call, when, names, expected) in cases {
        device.stop().await;
        let mut arguments = vec!["-f".to_owned(), "-qq".to_owned()];
        let path = |name: &str| device.home.join(name).display().to_string();
        arguments.extend(names.iter().flat_map(|name| ["-P".to_owned(), path(name)]));
        let inject = format!("inject={call}:signal=SIGKILL:when={when}");
        arguments.extend(["-e".to_owned(), format!("trace={call}"), "-e".to_owned(), inject]);
        device.start_under(&program::locate("strace"), &arguments).await;
        let request = phone.request(reqwest::Method::PUT, "/stores/cloud", Some(azure("other")));
        assert!(request.send().await.is_err(), "{call} {when}: the dead do not answer");
        device.has_died().await;
        device.start().await;
        let store = phone.get("/stores/cloud").await.ok();
        assert_eq!(store["values"]["account"], expected, "{call} {when}");
        let secrets = fs::read_to_string(device.home.join("secrets.toml")).unwrap();
        assert!(
            secrets.contains(&format!("c2lnbmF0dXJl{expected}")),
            "{call} {when}: settings and secrets differ"
        );
        assert!(!device.home.join(record).exists());
        phone.put("/stores/cloud", azure("first")).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_at_the_same_time_all_count() {
    let (device, phone) = with_disk().await;
    let images: Vec<String> = (0..6).map(|number| format!("image{number}")).collect();
    for image in &images {
        let begun = phone
            .post("/stores/card/images", json!({"name": image, "size": 1 << 20}))
            .await;
        phone.result(begun).await;
    }
    let adds = images.iter().map(|image| {
        let phone = phone.clone();
        let disk = json!({"name": image, "store": "card", "image": image, "insert": true});
        tokio::spawn(async move { phone.post("/disks", disk).await.status.as_u16() })
    });
    let adds: Vec<_> = adds.collect();
    for add in adds {
        assert_eq!(add.await.unwrap(), 200);
    }
    let state = phone.get("/state").await.ok();
    assert_eq!(state["disks"].as_array().unwrap().len(), 7);
    let in_luns: Vec<&Value> = state["usb"]["luns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lun| &lun["disk"])
        .collect();
    assert_eq!(in_luns.len(), 6, "{in_luns:?}");
    assert!(device.home.ok(&["check"]).contains("usable"));
}

/// A daemon that stops waits for the changes under way, and those need it.
#[tokio::test(flavor = "multi_thread")]
async fn changes_under_way_end_before_the_daemon_does() {
    let (mut device, phone) = with_disk().await;
    // Nobody listens there: what is new is given its time to work.
    let values = json!({
        "account": "mine", "account_key": "eA==", "container": "sticks",
        "endpoint": "http://127.0.0.1:1/mine", "allow_http": true,
    });
    let settings = json!({"type": "azure", "way": "account_key", "values": values});
    phone.put("/stores/cloud", settings).await.ok();
    let disk = json!({"name": "late", "store": "cloud", "image": "late"});
    let (adding, renaming) = (phone.clone(), phone.clone());
    let add = tokio::spawn(async move {
        adding
            .request(reqwest::Method::POST, "/disks", Some(disk))
            .send()
            .await
            .is_ok()
    });
    phone
        .until("the first change is being tried", |state| {
            state["disks"].as_array().is_some_and(|disks| disks.len() == 2)
        })
        .await;
    let name = json!({"name": "renamed"});
    let request = renaming.request(reqwest::Method::PUT, "/device/name", Some(name));
    let rename = tokio::spawn(async move { request.send().await.is_ok() });
    // The second waits for the first by the time that this is answered.
    phone.get("/state").await.ok();
    let log = device.stop().await;
    let _ = tokio::join!(add, rename);
    assert!(!log.contains("in the middle of a change"), "{log}");
    let config = fs::read_to_string(device.home.config()).unwrap();
    assert!(config.contains("\"late\""), "{config}");
    assert!(device.home.ok(&["check"]).contains("usable"));
}
