//! What takes longer than a blink.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::support::{Client, Device, until};

fn probe(way: &str) -> Value {
    json!({"settings": {"type": "file", "way": way, "values": {}}})
}

async fn start(client: &Client, path: &str, body: Value) -> u64 {
    let answer = client.post(path, body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["task"].as_u64().unwrap()
}

async fn ended(client: &Client, task: u64) -> Value {
    let mut last = Value::Null;
    until("the task ends", async || {
        last = client.get(&format!("/tasks/{task}")).await.json();
        last["state"] != "running"
    })
    .await;
    last
}

#[tokio::test]
async fn an_image_is_made_and_its_result_waits_for_whoever_asks() {
    let (device, owner) = Device::claimed().await;
    let task = start(&owner, "/stores/card/images", json!({"name": "films", "size": 1 << 20})).await;
    let other = device.sign_in().await;
    let made = ended(&other, task).await;
    assert_eq!(
        (&made["state"], &made["kind"], &made["object"]),
        (&json!("succeeded"), &json!("create_image"), &json!("films"))
    );
    assert_eq!(made["result"]["size"], 1 << 20);
    assert_eq!(
        made["progress"],
        json!({"done": 1 << 20, "total": 1 << 20, "unit": "bytes"})
    );
    assert_eq!(std::fs::metadata(device.file("images/films")).unwrap().len(), 1 << 20);
    assert_eq!(other.get("/stores/card/images").await.json()[0]["name"], "films");

    let task = start(&owner, "/stores/card/images", json!({"name": "films", "size": 512})).await;
    let failed = ended(&owner, task).await;
    assert_eq!(
        (&failed["state"], &failed["problem"]["code"]),
        (&json!("failed"), &json!("already_exists"))
    );

    let task = start(
        &owner,
        "/stores/card/images/films/snapshots",
        json!({"label": "before"}),
    )
    .await;
    let snapshot = ended(&owner, task).await["result"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        owner.get("/stores/card/images/films/snapshots").await.json()[0]["label"],
        "before"
    );
    let path = format!("/stores/card/images/films/snapshots/{snapshot}");
    let task = start(&owner, &format!("{path}/restore"), json!({"confirm": "films"})).await;
    assert_eq!(ended(&owner, task).await["state"], "succeeded");
    let task = owner.delete(&format!("{path}?confirm=films")).await.json()["task"]
        .as_u64()
        .unwrap();
    assert_eq!(ended(&owner, task).await["state"], "succeeded");
    let task = owner.delete("/stores/card/images/films?confirm=films").await.json()["task"]
        .as_u64()
        .unwrap();
    assert_eq!(ended(&owner, task).await["state"], "succeeded");
    assert!(!device.file("images/films").exists());
}

#[tokio::test]
async fn a_cancelled_task_is_dropped() {
    let (device, owner) = Device::claimed().await;
    let task = start(&owner, "/store-probes", probe("hang")).await;
    until("it has begun", async || device.fake.probes.load(Ordering::SeqCst) == 1).await;
    assert_eq!(owner.delete(&format!("/tasks/{task}")).await.status, 409);
    assert_eq!(
        owner.post(&format!("/tasks/{task}/cancel"), json!({})).await.status,
        202
    );
    let cancelled = ended(&owner, task).await;
    assert_eq!(
        (&cancelled["state"], &cancelled["can_cancel"]),
        (&json!("cancelled"), &json!(false))
    );
    assert_eq!(device.fake.dropped.load(Ordering::SeqCst), 1);
    owner
        .post(&format!("/tasks/{task}/cancel"), json!({}))
        .await
        .is(409, "conflict");
    assert_eq!(owner.delete(&format!("/tasks/{task}")).await.status, 204);
    owner.get(&format!("/tasks/{task}")).await.is(404, "not_found");
    owner.post("/tasks/99/cancel", json!({})).await.is(404, "not_found");
}

#[tokio::test]
async fn a_panic_is_a_failed_task_and_no_more() {
    let (_device, owner) = Device::claimed().await;
    let task = start(&owner, "/store-probes", probe("panic")).await;
    let failed = ended(&owner, task).await;
    assert_eq!(
        (&failed["state"], &failed["problem"]["code"]),
        (&json!("failed"), &json!("internal"))
    );
    let settings = json!({"type": "file", "way": "panic", "values": {}});
    owner.put("/stores/card", settings).await.is(500, "internal");
    assert_eq!(owner.get("/state").await.status, 200);
}

#[tokio::test]
async fn sixteen_tasks_run_at_once_and_fifty_ended_ones_are_remembered() {
    let (device, owner) = Device::claimed().await;
    for _ in 0..16 {
        start(&owner, "/store-probes", probe("hang")).await;
    }
    let refused = owner.post("/store-probes", probe("hang")).await;
    refused.is(429, "too_many");
    assert!(refused.header("retry-after").is_some());
    for task in 1..=16 {
        owner.post(&format!("/tasks/{task}/cancel"), json!({})).await;
        ended(&owner, task).await;
    }
    let mut last = 0;
    for _ in 0..40 {
        last = start(&owner, "/network/wifi/scan", json!({})).await;
        ended(&owner, last).await;
    }
    let list = owner.get("/tasks").await.json();
    assert_eq!(list.as_array().unwrap().len(), 50);
    assert_eq!(list[0]["id"], last);
    let running = start(&owner, "/store-probes", probe("hang")).await;
    ended(&owner, last).await;
    let fake = device.fake.clone();
    let before = fake.dropped.load(Ordering::SeqCst);
    until("it has begun", async || fake.probes.load(Ordering::SeqCst) == 17).await;
    device.server.stop().await;
    assert_eq!(
        fake.dropped.load(Ordering::SeqCst),
        before + 1,
        "task {running} outlived the server"
    );
}

#[tokio::test]
async fn a_task_that_has_to_come_to_its_end_cannot_be_cancelled() {
    let (_device, owner) = Device::claimed().await;
    let task = start(&owner, "/configuration/versions/1/apply", json!({})).await;
    owner
        .post(&format!("/tasks/{task}/cancel"), json!({}))
        .await
        .is(409, "conflict");
    assert_eq!(ended(&owner, task).await["result"]["type"], "applied");
    let task = start(&owner, "/configuration/versions/9/apply", json!({})).await;
    assert_eq!(ended(&owner, task).await["problem"]["code"], "not_found");
}
