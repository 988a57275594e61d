//! From the claim to a disk that is served, and everything that is done to it later.

use serde_json::{Value, json};

use crate::{
    phone::{Device, PASSWORD, folder},
    support::{qemu_io, qemu_io_at},
};

fn phase<'a>(state: &'a Value, disk: &str) -> &'a str {
    let disks = state["disks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = disks.iter().find(|found| found["name"] == disk);
    found.and_then(|disk| disk["phase"].as_str()).unwrap_or("missing")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_device_becomes_a_stick() {
    let device = Device::new("").await;
    let stranger = device.phone();
    let hello = stranger.get("/hello").await.ok();
    assert_eq!(
        (&hello["claimed"], &hello["name"]),
        (&json!(false), &json!("cloud-stick"))
    );
    stranger.get("/state").await.is(403, "unclaimed");
    let wrong = json!({"code": "2222-2222", "password": PASSWORD});
    stranger.post("/claim", wrong).await.is(401, "wrong_secret");
    let phone = device.claim().await;
    let again = json!({"code": "2222-2222", "password": PASSWORD});
    stranger.post("/claim", again).await.is(409, "already_claimed");

    let renamed = phone.put("/device/name", json!({"name": "Films"})).await.ok();
    assert_eq!(renamed["replugged"], false);
    assert_eq!(phone.get("/hello").await.ok()["name"], "Films");

    let types = phone.get("/store-types").await.ok();
    let kinds: Vec<_> = types
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["key"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"azure") && kinds.contains(&"file"), "{kinds:?}");

    let place = device.home.join("images");
    let probe = phone
        .result(phone.post("/store-probes", json!({"settings": folder(&place)})).await)
        .await;
    assert_eq!(probe["usable"], true, "{probe:#}");
    assert!(!place.exists(), "a test changes nothing");
    phone.put("/stores/card", folder(&place)).await.ok();
    let store = phone.get("/stores/card").await.ok();
    assert_eq!(store["values"]["folder"], json!(place));

    let image = json!({
        "name": "films", "size": 64 << 20,
        "filesystem": {"type": "fat", "label": "FILMS", "table": "mbr"},
    });
    let made = phone.result(phone.post("/stores/card/images", image).await).await;
    assert_eq!(made["size"], 64 << 20, "{made:#}");
    let disk = json!({"name": "films", "store": "card", "image": "films", "insert": true});
    let added = phone.post("/disks", disk.clone()).await.ok();
    // There is no controller on this machine, and the answer says so.
    assert!(added["warnings"].to_string().contains("USB"), "{added:#}");
    phone.post("/disks", disk).await.is(409, "already_exists");
    let state = phone
        .until("the disk is open", |state| phase(state, "films") == "online")
        .await;
    assert_eq!(state["usb"]["luns"][0]["disk"], "films");
    assert_eq!(
        state["disks"][0]["path"].as_array().unwrap().last().unwrap()["state"],
        "good"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_sets_up_is_served_and_is_still_there_after_a_restart() {
    let (mut device, phone) = Device::claimed("").await;
    device.add_card(&phone).await;
    let image = json!({"name": "films", "size": 64 << 20, "filesystem": {"type": "fat", "label": "FILMS"}});
    phone.result(phone.post("/stores/card/images", image).await).await;
    let disk = json!({"name": "films", "store": "card", "image": "films"});
    phone.post("/disks", disk).await.ok();

    // What the page does not know is written by hand, and stays when the page changes something.
    device.serve("films");
    let served = |state: &Value| state["disks"][0]["path"].to_string().contains("nbd.sock");
    phone.until("the server listens", served).await;
    // A partition table, and in the partition a boot sector with the label's file system.
    let said = qemu_io(&device.home, "read -v 510 2");
    assert!(said.contains("55 aa"), "{said}");
    assert!(
        qemu_io(&device.home, "write -P 0x5a 32M 64k").contains("wrote 65536"),
        "{said}"
    );
    let limits = json!({"limits": {"write_bytes": 50_000_000}});
    phone.patch("/disks/films", limits).await.ok();
    let state = phone.until("the write is counted", |state| {
        state["disks"][0]["counters"]["write"]["bytes"] == 65536
    });
    assert_eq!(state.await["disks"][0]["limits"]["write_bytes"], 50_000_000);

    // Of an image that is served: a snapshot, more room, and the way back.
    let images = "/stores/card/images/films";
    let label = json!({"label": "before"});
    let snapshot = phone
        .result(phone.post(&format!("{images}/snapshots"), label).await)
        .await;
    let id = snapshot["id"].as_str().unwrap().to_owned();
    phone
        .until("the disk is open again", |state| phase(state, "films") == "online")
        .await;
    let resized = phone.put(&format!("{images}/size"), json!({"size": 80 << 20})).await;
    assert_eq!(phone.result(resized).await["size"], 80 << 20);
    let smaller = phone.put(&format!("{images}/size"), json!({"size": 16 << 20})).await;
    assert_eq!(phone.problem(smaller).await["code"], "invalid");
    phone
        .until("the disk has its new size", |state| {
            state["disks"][0]["size"] == 80 << 20
        })
        .await;
    phone.until("the server listens", served).await;
    assert!(qemu_io(&device.home, "write -P 0x11 32M 64k").contains("wrote 65536"));
    let restore = format!("{images}/snapshots/{}/restore", id.replace(':', "%3A"));
    phone
        .post(&restore, json!({"confirm": "music"}))
        .await
        .is(400, "not_confirmed");
    phone
        .result(phone.post(&restore, json!({"confirm": "films"})).await)
        .await;
    phone.until("the server listens", served).await;
    let said = qemu_io(&device.home, "read -P 0x5a 32M 64k");
    assert!(said.contains("read 65536/65536") && !said.contains("failed"), "{said}");
    let in_use = phone.delete(&format!("{images}?confirm=films")).await;
    assert_eq!(phone.problem(in_use).await["code"], "conflict");

    let before = phone.get("/configuration/versions").await.ok();
    device.restart().await;
    assert_eq!(phone.get("/configuration/versions").await.ok(), before);
    let state = phone.until("all is there again", |state| {
        phase(state, "films") == "online" && served(state)
    });
    let state = state.await;
    assert_eq!(state["disks"][0]["limits"]["write_bytes"], 50_000_000);
    assert_eq!(state["stores"][0]["disks"], json!(["films"]));
    let text = std::fs::read_to_string(device.home.config()).unwrap();
    assert!(text.contains("# by hand"), "{text}");

    phone.delete("/disks/films?confirm=films").await.ok();
    phone
        .result(phone.delete(&format!("{images}?confirm=films")).await)
        .await;
    phone.delete("/stores/card?confirm=card").await.ok();
    let state = phone.get("/state").await.ok();
    assert_eq!((&state["disks"], &state["stores"]), (&json!([]), &json!([])));
    assert!(device.home.join("images").exists(), "what is in a store stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_requests_back_until_it_is_lifted() {
    let (device, phone) = Device::claimed("").await;
    device.add_card_with(&phone, "films", 8 << 20, false).await;
    device.serve("films");
    phone
        .until("the server listens", |state| {
            state["disks"][0]["path"].to_string().contains("nbd.sock")
        })
        .await;
    // At a byte a second the first write takes what has gathered, and the next one would wait for the rest of the day.
    phone
        .patch("/disks/films", json!({"limits": {"write_bytes": 1}}))
        .await
        .ok();
    assert!(qemu_io(&device.home, "write -P 0x5a 0 4k").contains("wrote 4096"));
    let home = device.home.join("nbd.sock");
    let held = std::thread::spawn(move || qemu_io_at(&home, "write -P 0x11 4k 4k"));
    phone
        .until("the write is held", |state| {
            state["disks"][0]["counters"]["in_flight"] == 1
        })
        .await;
    // Reads have a limit of their own.
    assert!(qemu_io(&device.home, "read -P 0x5a 0 4k").contains("read 4096"));
    assert!(!held.is_finished());
    phone.patch("/disks/films", json!({"limits": {}})).await.ok();
    assert!(held.join().unwrap().contains("wrote 4096"));
    assert!(qemu_io(&device.home, "read -P 0x11 4k 4k").contains("read 4096"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_says_where() {
    let (device, phone) = Device::claimed("").await;
    let wrong = |values: Value| json!({"type": "file", "way": "folder", "values": values});
    for (values, field) in [
        (json!({}), "/values/folder"),
        (json!({"folder": "images"}), "/values/folder"),
        (json!({"folder": "/etc/x"}), "/values/folder"),
        (json!({"folder": "/tmp/../etc"}), "/values/folder"),
        (json!({"folder": 7}), "/values/folder"),
    ] {
        let problem = phone
            .put("/stores/card", wrong(values.clone()))
            .await
            .is(400, "invalid");
        assert_eq!(problem["field"], field, "{values}");
        let probe = phone.post("/store-probes", json!({"settings": wrong(values)})).await;
        assert_eq!(phone.problem(probe).await["field"], format!("/settings{field}"));
    }
    let azure = |values: Value| json!({"type": "azure", "way": "account_key", "values": values});
    let values = json!({"account": "x", "account_key": "eA==", "container": "No"});
    let problem = phone.put("/stores/cloud", azure(values)).await.is(400, "invalid");
    assert_eq!(problem["field"], "/values/container");
    let values = json!({"account": "x", "account_key": "eA==", "container": "sticks", "concurrency": 1000});
    let problem = phone.put("/stores/cloud", azure(values)).await.is(400, "invalid");
    assert_eq!(problem["field"], "/values/concurrency");
    device.add_card(&phone).await;
    let image = |image: Value| phone.post("/stores/card/images", image);
    let size = image(json!({"name": "a", "size": 512, "filesystem": {"type": "fat", "label": "A"}})).await;
    assert_eq!(phone.problem(size).await["field"], "/size");
    let label = image(json!({"name": "a", "size": 64 << 20, "filesystem": {"type": "fat", "label": "A/B"}})).await;
    assert_eq!(phone.problem(label).await["field"], "/filesystem/label");
    assert_eq!(
        phone.get("/stores/card/images").await.ok(),
        json!([]),
        "nothing is left behind"
    );
    let disk = json!({"name": "a", "store": "nowhere", "image": "a"});
    assert_eq!(phone.post("/disks", disk).await.is(404, "not_found")["field"], "/store");
    phone.get("/stores/nowhere/images").await.is(404, "not_found");
    phone.post("/usb/luns/0/eject", json!({})).await.is(409, "conflict");
    let wifi = phone
        .post("/network/wifi/join", json!({"ssid": "net", "password": "x"}))
        .await;
    assert_eq!(phone.problem(wifi).await["code"], "unsupported");
    let findings = phone
        .result(phone.send(reqwest::Method::POST, "/doctor", None).await)
        .await;
    assert!(findings["findings"].to_string().contains("Store card"), "{findings:#}");
}
