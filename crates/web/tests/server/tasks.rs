//! What takes longer than a blink.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinHandle,
};

use crate::support::{Client, Device, Fake, Setup, until};

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

/// Asserts that a stop ends after what waits for the gate, and not before.
async fn is_waited_for(fake: &Fake, stopping: JoinHandle<()>) {
    // Turns for everybody else, to do the wrong thing.
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(!stopping.is_finished(), "the server has stopped");
    }
    fake.gate.add_permits(1);
    stopping.await.unwrap();
    assert_eq!(fake.applied.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stopping_server_waits_for_a_task_that_cannot_be_cancelled() {
    let (Device { server, fake, .. }, owner) = Device::claimed().await;
    start(&owner, "/configuration/versions/2/apply", json!({})).await;
    until("it has begun", async || fake.waiting.load(Ordering::SeqCst) == 1).await;
    let stopping = tokio::spawn(server.stop());
    is_waited_for(&fake, stopping).await;
}

#[tokio::test]
async fn a_stopping_server_waits_for_a_change_longer_than_for_who_asked() {
    let device = Setup::new()
        .with(|options| options.limits.stop = Duration::from_millis(50))
        .start()
        .await;
    let owner = device.claim().await;
    let mut wire = owner.connect().await;
    let body = json!({"type": "file", "way": "wait", "values": {}}).to_string();
    let request = owner.head("PUT", "/api/v1/stores/card", Some(&body), "");
    wire.write_all(request.as_bytes()).await.unwrap();
    let Device { server, fake, .. } = device;
    until("it has begun", async || fake.waiting.load(Ordering::SeqCst) == 1).await;
    let stopping = tokio::spawn(server.stop());
    let cut_off = tokio::time::timeout(Duration::from_secs(60), wire.read_to_end(&mut Vec::new())).await;
    let _ = cut_off.expect("the connection stays");
    is_waited_for(&fake, stopping).await;
}

#[tokio::test]
async fn a_stopping_server_does_not_wait_for_ever() {
    let device = Setup::new()
        .with(|options| options.limits.finish = Duration::from_millis(50))
        .start()
        .await;
    let owner = device.claim().await;
    start(&owner, "/configuration/versions/2/apply", json!({})).await;
    let stopped = tokio::time::timeout(Duration::from_secs(60), device.server.stop()).await;
    stopped.expect("it waits for ever");
}

#[tokio::test]
async fn a_reset_cancels_tasks_and_waits_for_no_other() {
    let (device, owner) = Device::claimed().await;
    let probe = start(&owner, "/store-probes", probe("hang")).await;
    let apply = start(&owner, "/configuration/versions/2/apply", json!({})).await;
    let fake = &device.fake;
    until("both have begun", async || {
        fake.probes.load(Ordering::SeqCst) == 1 && fake.waiting.load(Ordering::SeqCst) == 1
    })
    .await;
    let reset = json!({"confirm": "my-stick"});
    let refused = owner.post("/device/factory-reset", reset.clone()).await;
    refused.is(409, "conflict");
    assert!(refused.text().contains(&format!("task {apply}")), "{refused:?}");
    assert_eq!(owner.get(&format!("/tasks/{probe}")).await.json()["state"], "running");
    fake.gate.add_permits(1);
    ended(&owner, apply).await;
    let mut stream = owner.events("").await.unwrap();
    stream.next().await.unwrap();
    assert_eq!(owner.post("/device/factory-reset", reset).await.status, 204);
    assert_eq!(fake.dropped.load(Ordering::SeqCst), 1, "the probe goes on");
    stream.end().await;
    let next_owner = device.claim().await;
    assert_eq!(next_owner.get("/tasks").await.json(), json!([]));
}

#[tokio::test]
async fn nobody_sees_the_tasks_of_an_owner_before() {
    let (device, owner) = Device::claimed().await;
    let scan = start(&owner, "/network/wifi/scan", json!({})).await;
    ended(&owner, scan).await;
    let apply = start(&owner, "/configuration/versions/2/apply", json!({})).await;
    until("it has begun", async || device.fake.waiting.load(Ordering::SeqCst) == 1).await;
    device.server.forget_owner().await.unwrap();
    let next_owner = device.claim().await;
    assert_eq!(next_owner.get("/tasks").await.json(), json!([]));
    device.fake.gate.add_permits(1);
    until("it has ended", async || device.fake.applied.load(Ordering::SeqCst) == 1).await;
    next_owner.get(&format!("/tasks/{apply}")).await.is(404, "not_found");
    assert_eq!(next_owner.get("/tasks").await.json(), json!([]));
}
