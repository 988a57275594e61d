//! Back-ups, and the way back to the factory.

use reqwest::Method;
use serde_json::{Value, json};

use crate::phone::{Device, Phone};

const SECRET: &str = "cGxhbnRlZC1zZWNyZXQ=";

fn cloud() -> Value {
    json!({"type": "azure", "way": "account_key", "values": {
        "account": "mine", "account_key": SECRET, "container": "sticks",
    }})
}

async fn back_up(phone: &Phone, body: Value) -> Vec<u8> {
    let request = phone.request(Method::POST, "/configuration/backup", Some(body));
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.bytes().await.expect("a file").to_vec()
}

fn base64(data: &[u8]) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(data)
}

async fn set_up(device: &Device, phone: &Phone) {
    phone.put("/device/name", json!({"name": "films"})).await.ok();
    device.add_card_with(phone, "a", 1 << 20, false).await;
    phone.put("/stores/cloud", cloud()).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_back_up_brings_another_device_to_the_same_state() {
    let (mut one, phone) = Device::claimed("").await;
    set_up(&one, &phone).await;
    let plain = back_up(&phone, json!({})).await;
    let text = String::from_utf8(plain.clone()).unwrap();
    assert!(
        text.contains("container = \"sticks\"") && !text.contains(SECRET),
        "{text}"
    );
    let short = phone
        .post("/configuration/backup", json!({"passphrase": "short"}))
        .await;
    assert_eq!(short.is(400, "invalid")["field"], "/passphrase");
    let whole = back_up(&phone, json!({"passphrase": "correct horse"})).await;
    assert!(!whole.windows(6).any(|part| part == b"sticks" || part == b"cGxhbn"));

    // The disk is an image file of this machine, which one of them can have.
    one.stop().await;
    let (other, second) = Device::claimed("").await;
    let restore = async |data: &[u8], passphrase: Option<&str>| {
        let mut body = json!({"data": base64(data)});
        if let Some(passphrase) = passphrase {
            body["passphrase"] = json!(passphrase);
        }
        second.ended(second.post("/configuration/restore", body).await).await
    };
    // Without its secrets the store in the cloud cannot be.
    let refused = restore(&plain, None).await;
    assert!(
        refused["problem"]["detail"].as_str().unwrap().contains("no secret"),
        "{refused:#}"
    );
    assert_eq!(
        restore(&whole, Some("wrong horse")).await["problem"]["code"],
        "wrong_secret"
    );
    assert_eq!(restore(&whole, None).await["problem"]["field"], "/passphrase");
    assert_eq!(restore(b"\xff\xfe", None).await["problem"]["field"], "/data");
    assert_eq!(restore(b"mistake = 1\n", None).await["problem"]["code"], "invalid");
    assert_eq!(second.get("/stores").await.ok(), json!([]));
    let done = restore(&whole, Some("correct horse")).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");
    let state = second
        .until("the disk is open", |state| state["disks"][0]["phase"] == "online")
        .await;
    assert_eq!(state["device"]["name"], "films");
    assert_eq!(state["stores"][1]["secrets"], json!(["account_key"]));
    let config = std::fs::read_to_string(other.home.config()).unwrap();
    assert!(
        config.contains(&other.home.path().display().to_string()),
        "its folders are its own: {config}"
    );
    // Now that the secret is there, a back-up without it does.
    second.put("/device/name", json!({"name": "changed"})).await.ok();
    assert_eq!(restore(&plain, None).await["state"], "succeeded");
    assert_eq!(second.get("/hello").await.ok()["name"], "films");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factory_reset_leaves_nothing_of_its_owner() {
    let (mut device, phone) = Device::claimed("").await;
    set_up(&device, &phone).await;
    let reset = |confirm: &str| phone.post("/device/factory-reset", json!({"confirm": confirm}));
    reset("cloud-stick").await.is(400, "not_confirmed");
    assert_eq!(reset("films").await.status, 204);
    let hello = device.phone().get("/hello").await.ok();
    assert_eq!(
        (&hello["claimed"], &hello["name"]),
        (&json!(false), &json!("cloud-stick"))
    );
    phone.get("/state").await.is(403, "unclaimed");
    for (folder, entries) in [("", 99), ("state", 99), ("state/versions", 1)] {
        let folder = device.home.join(folder);
        let files = std::fs::read_dir(&folder)
            .unwrap()
            .flatten()
            .filter(|entry| entry.path().is_file());
        let files: Vec<_> = files.map(|entry| entry.path()).collect();
        assert!(files.len() <= entries, "{files:?}");
        for file in files {
            let content = std::fs::read(&file).unwrap();
            let text = String::from_utf8_lossy(&content);
            assert!(!text.contains(SECRET) && !text.contains("sticks"), "{}", file.display());
        }
    }
    assert!(device.home.join("images/a").exists(), "what is in the stores stays");
    device.restart().await;
    let owner = device.claim().await;
    assert_eq!(owner.get("/state").await.ok()["disks"], json!([]));
}

/// A system that overwrites: it writes down what it is asked for, and whether there were a secret and an owner then.
fn wiping_system(device: &Device, fails: bool) -> String {
    use std::{fs, os::unix::fs::PermissionsExt};
    let folder = device.home.join("system");
    fs::create_dir_all(&folder).expect("a folder");
    let secrets = device.home.join("secrets.toml");
    for name in ["wipe", "restart"] {
        let program = folder.join(name);
        let text = format!(
            "#!/bin/sh\necho \"{name} $(grep -c '{SECRET}' '{}') $(grep -c argon2 '{}')\" >>'{}'\n{}\n",
            secrets.display(),
            device.home.join("state/web/access.json").display(),
            folder.join("asked").display(),
            if fails { "exit 1" } else { "" },
        );
        fs::write(&program, text).expect("a program");
        fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("its rights");
    }
    format!("CLOUD_STICK_SYSTEM={}", folder.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_overwrites_is_told_before_anything_is_removed_and_restarted_after_it() {
    let (mut device, phone) = Device::claimed("").await;
    set_up(&device, &phone).await;
    assert_eq!(phone.get("/device").await.ok()["wipes"], false);
    let asked = device.home.join("system/asked");
    let reset = || phone.post("/device/factory-reset", json!({"confirm": "films"}));

    let variable = wiping_system(&device, true);
    device.stop().await;
    device
        .start_under(std::path::Path::new("/usr/bin/env"), &[variable])
        .await;
    assert_eq!(phone.get("/device").await.ok()["wipes"], true);
    let refused = reset().await;
    assert!(
        refused.is(500, "internal")["detail"]
            .as_str()
            .unwrap()
            .contains("nothing was reset")
    );
    assert_eq!(std::fs::read_to_string(&asked).unwrap(), "wipe 1 1\n");
    assert_eq!(phone.get("/stores/cloud").await.ok()["secrets"], json!(["account_key"]));

    wiping_system(&device, false);
    std::fs::remove_file(&asked).unwrap();
    assert_eq!(reset().await.status, 204);
    assert_eq!(std::fs::read_to_string(&asked).unwrap(), "wipe 1 1\nrestart 0 0\n");
    assert_eq!(device.phone().get("/hello").await.ok()["claimed"], false);
}
