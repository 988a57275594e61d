//! A store in a real Azurite.

use serde_json::{Value, json};
use testkit::azurite::{Azurite, account_sas};

use crate::phone::{Device, Phone};

fn settings(way: &str, values: Value) -> Value {
    json!({"type": "azure", "way": way, "values": values})
}

async fn probe(phone: &Phone, settings: &Value) -> Value {
    phone
        .result(phone.post("/store-probes", json!({"settings": settings})).await)
        .await
}

fn bad(probe: &Value) -> Vec<&str> {
    let findings = probe["findings"].as_array().expect("findings").iter();
    findings
        .filter(|finding| finding["verdict"] == "bad")
        .map(|finding| finding["check"].as_str().expect("a name"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stick_in_the_cloud() {
    let azurite = Azurite::in_memory().await.expect("Azurite starts");
    let (device, phone) = Device::claimed("").await;
    let string = |container: Option<&str>| {
        let mut values = json!({"connection_string": azurite.connection_string(), "allow_http": true});
        if let Some(container) = container {
            values["container"] = json!(container);
        }
        settings("connection_string", values)
    };
    // Nothing is there yet: no container to choose from, so one is made.
    let found = probe(&phone, &string(None)).await;
    assert_eq!(
        (&found["usable"], &found["places"]),
        (&json!(true), &json!([])),
        "{found:#}"
    );
    let place = json!({"settings": string(None), "name": "sticks"});
    assert_eq!(phone.post("/store-places", place).await.ok()["name"], "sticks");
    let bad_name = json!({"settings": string(None), "name": "No"});
    assert_eq!(
        phone.post("/store-places", bad_name).await.is(400, "invalid")["field"],
        "/name"
    );
    let found = probe(&phone, &string(None)).await;
    assert_eq!(found["places"], json!([{"name": "sticks"}]), "{found:#}");
    let found = probe(&phone, &string(Some("sticks"))).await;
    assert!(
        found["usable"] == true && found["findings"].to_string().contains("delete blobs"),
        "{found:#}"
    );
    let found = probe(&phone, &string(Some("missing"))).await;
    assert_eq!(bad(&found), ["container"], "{found:#}");

    phone.put("/stores/cloud", string(Some("sticks"))).await.ok();
    let image = json!({
        "name": "my films", "size": 256 << 20, "filesystem": {"type": "fat", "label": "FILMS"},
    });
    let made = phone.result(phone.post("/stores/cloud/images", image).await).await;
    assert!(made["allocated"].as_u64().unwrap() > 0, "{made:#}");
    let disk = json!({"name": "films", "store": "cloud", "image": "my films"});
    phone.post("/disks", disk).await.ok();
    let state = phone
        .until("the disk is open", |state| state["disks"][0]["phase"] == "online")
        .await;
    assert_eq!(state["stores"][0]["secrets"], json!(["connection_string"]));
    assert_eq!(
        state["stores"][0]["values"],
        json!({"allow_http": true, "container": "sticks"})
    );
    let of_image = phone.get("/stores/cloud/images/my%20films").await.ok();
    assert!(
        of_image["owner"].is_string() && of_image["disk"] == "films",
        "{of_image:#}"
    );

    // The same store by another way; the secret of the first goes.
    let key = settings(
        "account_key",
        json!({"account": azurite.account(), "account_key": azurite.key(), "endpoint": azurite.endpoint(),
            "container": "sticks", "allow_http": true}),
    );
    phone.put("/stores/cloud", key).await.ok();
    assert_eq!(phone.get("/stores/cloud").await.ok()["secrets"], json!(["account_key"]));
    // Left out, the key stays; of another way there is none.
    let without = |way: &str| {
        settings(
            way,
            json!({"account": azurite.account(), "endpoint": azurite.endpoint(), "container": "sticks", "allow_http": true, "concurrency": 8}),
        )
    };
    phone.put("/stores/cloud", without("account_key")).await.ok();
    assert_eq!(phone.get("/stores/cloud").await.ok()["values"]["concurrency"], 8);
    let problem = phone.put("/stores/cloud", without("sas")).await.is(400, "invalid");
    assert_eq!(problem["field"], "/values/sas");
    phone
        .until("the disk is open", |state| state["disks"][0]["phase"] == "online")
        .await;
    // A key that is wrong is not kept while a disk lives in the store.
    let wrong = settings(
        "account_key",
        json!({"account": azurite.account(), "account_key": "d3Jvbmcga2V5", "endpoint": azurite.endpoint(),
            "container": "sticks", "allow_http": true}),
    );
    let problem = phone.put("/stores/cloud", wrong).await.is(409, "not_applied");
    assert!(problem["detail"].as_str().unwrap().contains("denied"), "{problem:#}");
    phone
        .until("the disk is open", |state| state["disks"][0]["phase"] == "online")
        .await;
    let snapshot = phone
        .post("/stores/cloud/images/my%20films/snapshots", json!({"label": "one"}))
        .await;
    phone.result(snapshot).await;
    assert!(device.home.ok(&["status"]).contains("online"));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_and_signatures_are_found_before_they_are_kept() {
    let azurite = Azurite::in_memory().await.expect("Azurite starts");
    let (device, phone) = Device::claimed("").await;
    let endpoint = azurite.endpoint();
    let with = |way: &str, key: &str, value: &str| {
        settings(
            way,
            json!({"account": azurite.account(), key: value, "endpoint": endpoint, "allow_http": true}),
        )
    };
    let good = probe(&phone, &with("account_key", "account_key", azurite.key())).await;
    assert_eq!(good["usable"], true, "{good:#}");
    let wrong = probe(&phone, &with("account_key", "account_key", "d3Jvbmcga2V5")).await;
    assert!(wrong["usable"] == false && bad(&wrong) == ["credential"], "{wrong:#}");
    let sas = azurite.sas().unwrap();
    assert_eq!(probe(&phone, &with("sas", "sas", &sas)).await["usable"], true);
    // As it is copied from the portal, with its address.
    let url = settings("sas", json!({"sas": format!("{endpoint}?{sas}"), "allow_http": true}));
    let found = probe(&phone, &url).await;
    assert_eq!(found["usable"], true, "{found:#}");
    let expired = account_sas(azurite.account(), azurite.key(), "rwdlacup", std::time::Duration::ZERO).unwrap();
    let found = probe(&phone, &with("sas", "sas", &expired)).await;
    assert!(
        found["usable"] == false && bad(&found).contains(&"shared access signature"),
        "{found:#}"
    );
    let nobody = settings(
        "account_key",
        json!({"account": "mine", "account_key": "eA==", "endpoint": "http://127.0.0.1:1/mine", "allow_http": true}),
    );
    let found = probe(&phone, &nobody).await;
    assert_eq!(bad(&found), ["connection"], "{found:#}");
    // What is no key at all says so at its field's name, and not what it was.
    let odd = probe(&phone, &with("account_key", "account_key", "not base64 at all")).await;
    assert!(
        odd["usable"] == false && !odd.to_string().contains("not base64 at all"),
        "{odd:#}"
    );
    assert_eq!(phone.get("/stores").await.ok(), json!([]), "nothing was kept");
    assert!(!device.home.join("secrets.toml").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_another_device_has_can_be_taken_over() {
    let azurite = Azurite::in_memory().await.expect("Azurite starts");
    let ((first, one), (_second, two)) = (Device::claimed("").await, Device::claimed("").await);
    let values = json!({"connection_string": azurite.connection_string(), "container": "sticks", "allow_http": true});
    let store = settings("connection_string", values);
    let place = json!({"settings": store, "name": "sticks"});
    one.post("/store-places", place).await.ok();
    let disk = json!({"name": "films", "store": "cloud", "image": "films"});
    for phone in [&one, &two] {
        phone.put("/stores/cloud", store.clone()).await.ok();
    }
    one.result(
        one.post("/stores/cloud/images", json!({"name": "films", "size": 8 << 20}))
            .await,
    )
    .await;
    one.post("/disks", disk.clone()).await.ok();
    // In use elsewhere: kept, with a warning, since that may pass.
    let added = two.post("/disks", disk).await.ok();
    assert!(added["warnings"].to_string().contains("in use"), "{added:#}");
    let state = two
        .until("the owner is named", |state| {
            state["disks"][0]["problem"]["code"] == "in_use"
        })
        .await;
    assert_eq!(state["disks"][0]["phase"], "opening");
    two.post("/disks/films/take-over", json!({"confirm": "x"}))
        .await
        .is(400, "not_confirmed");
    let taken = two.post("/disks/films/take-over", json!({"confirm": "films"})).await;
    assert_eq!(taken.status, 204, "{taken:?}");
    two.until("it has the disk", |state| state["disks"][0]["phase"] == "online")
        .await;
    let state = one
        .until("the first is fenced", |state| state["disks"][0]["phase"] == "fenced")
        .await;
    assert_eq!(state["disks"][0]["problem"]["code"], "fenced", "{state:#}");
    drop(first);
}
