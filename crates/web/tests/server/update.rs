//! Updates: files that are taken as they come.

use serde_json::json;

use crate::support::{Client, Device, until};

const FILE: (&str, &str) = ("content-type", "application/octet-stream");

async fn ended(client: &Client, answer: &serde_json::Value) -> serde_json::Value {
    let path = format!("/tasks/{}", answer["task"]);
    let mut last = serde_json::Value::Null;
    until("the task ends", async || {
        last = client.get(&path).await.json();
        last["state"] != "running"
    })
    .await;
    last
}

#[tokio::test]
async fn a_bundle_is_passed_on_as_it_comes() {
    let (device, owner) = Device::claimed().await;
    let bundle = "x".repeat(3 << 20);
    let client = owner.clone().header(FILE.0, FILE.1);
    let answer = client
        .send("POST", "/update/install?allow_older=true", Some(bundle))
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let task = ended(&owner, &answer.json()).await;
    assert_eq!(
        (&task["state"], &task["kind"]),
        (&json!("succeeded"), &json!("install_update")),
        "{task}"
    );
    let last = owner.get("/device").await.json()["updates"]["last"].clone();
    assert_eq!(last["version"], "3145728 bytes, true");
    drop(device);
}

#[tokio::test]
async fn a_refused_bundle_is_read_to_its_end_so_that_a_browser_hears_of_it() {
    let (device, owner) = Device::claimed().await;
    let client = owner.clone().header(FILE.0, FILE.1);
    let answer = client.send("POST", "/update/install", Some("no".repeat(4 << 20))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let task = ended(&owner, &answer.json()).await;
    assert_eq!(
        (&task["state"], &task["problem"]["code"]),
        (&json!("failed"), &json!("untrusted")),
        "{task}"
    );
    drop(device);
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_no_bundle() {
    use tokio::io::AsyncWriteExt as _;
    let (device, owner) = Device::claimed().await;
    let mut wire = owner.connect().await;
    let client = owner.clone().header(FILE.0, FILE.1);
    let head = client.head("POST", "/api/v1/update/install", None, "content-length: 100000\r\n");
    wire.write_all(head.as_bytes()).await.unwrap();
    wire.write_all(&[b'x'; 5000]).await.unwrap();
    let task = async || owner.get("/tasks").await.json()[0].clone();
    until("the task begins", async || task().await["state"] == "running").await;
    drop(wire);
    until("the task ends", async || task().await["state"] == "failed").await;
    assert_eq!(task().await["problem"]["detail"], "the upload broke off");
    assert!(owner.get("/device").await.json()["updates"]["last"].is_null());
    drop(device);
}

#[tokio::test]
async fn what_is_no_file_or_too_long_or_not_of_the_owner_is_refused() {
    let (device, owner) = Device::claimed().await;
    owner.post("/update/install", json!({})).await.is(415, "invalid");
    let client = owner.clone().header(FILE.0, FILE.1);
    let long = client.header("content-length", "999999999999");
    long.send("POST", "/update/install", None).await.is(413, "too_large");
    let stranger = device.client().header(FILE.0, FILE.1);
    stranger
        .send("POST", "/update/install", Some("x".to_owned()))
        .await
        .is(401, "sign_in_needed");
    owner
        .post("/update/fetch", json!({"url": "x".repeat(3000)}))
        .await
        .is(400, "invalid");
    owner.post("/update/restart", json!({})).await.is(409, "conflict");
}

#[tokio::test]
async fn a_machine_without_slots_says_so() {
    let (device, owner) = Device::claimed().await;
    device.fake.change(|live| live.device.updates = None);
    let client = owner.clone().header(FILE.0, FILE.1);
    client
        .send("POST", "/update/install", Some("x".to_owned()))
        .await
        .is(422, "unsupported");
    owner
        .post("/update/fetch", json!({"url": "https://example.org/x"}))
        .await
        .is(422, "unsupported");
    owner.post("/update/restart", json!({})).await.is(422, "unsupported");
}
