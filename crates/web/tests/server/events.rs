//! Live events.

use serde_json::json;

use crate::support::{Device, until};

#[tokio::test]
async fn a_stream_begins_with_everything_and_goes_on_with_what_changes() {
    let (device, owner) = Device::claimed().await;
    let mut stream = owner.events("").await.unwrap();
    let first = stream.next().await.unwrap();
    assert_eq!(first["event"], "state");
    assert_eq!(first["data"]["disks"][0]["name"], "films");
    device.fake.change(|live| live.disks[0].read_only = true);
    let disks = stream.next().await.unwrap();
    assert_eq!(
        (&disks["event"], &disks["data"][0]["read_only"]),
        (&json!("disks"), &json!(true))
    );
    device.fake.change(|live| live.network.wifi = false);
    let network = stream.next().await.unwrap();
    assert_eq!(
        (&network["event"], &network["data"]["wifi"]),
        (&json!("network"), &json!(false))
    );
    assert_eq!(owner.put("/device/name", json!({"name": "films"})).await.status, 200);
    assert_eq!(stream.next_of("device").await["name"], "films");
}

/// The state is looked at for the first frame and to be watched; a change between the two must show.
#[tokio::test]
async fn what_changes_while_a_stream_begins_is_not_lost() {
    let (device, owner) = Device::claimed().await;
    *device.fake.surprise.lock().unwrap() = Some(1);
    let mut stream = owner.events("").await.unwrap();
    let first = stream.next().await.unwrap();
    assert_eq!(*device.fake.surprise.lock().unwrap(), None);
    device.fake.change(|live| live.network.wifi = false);
    let mut read_only = first["data"]["disks"][0]["read_only"].clone();
    loop {
        let event = stream.next().await.unwrap();
        match event["event"].as_str() {
            Some("disks") => read_only = event["data"][0]["read_only"].clone(),
            Some("network") => break,
            _ => {}
        }
    }
    assert_eq!(read_only, true);
}

#[tokio::test]
async fn nothing_is_measured_while_nobody_listens() {
    let (device, owner) = Device::claimed().await;
    for _ in 0..2 {
        assert_eq!(device.fake.watchers(), 0);
        let mut streams = Vec::new();
        for _ in 0..3 {
            let mut stream = owner.events("").await.unwrap();
            stream.next().await.unwrap();
            streams.push(stream);
        }
        assert_eq!(device.fake.watchers(), 1, "once for all");
        drop(streams);
        // A change makes the server notice that nobody is there any more.
        until("the device is watched no longer", async || {
            device.fake.change(|live| live.configuration += 1);
            device.fake.watchers() == 0
        })
        .await;
    }
}

#[tokio::test]
async fn tasks_show_from_their_beginning_to_their_end() {
    let (_device, owner) = Device::claimed().await;
    let mut stream = owner.events("").await.unwrap();
    stream.next().await.unwrap();
    let id = owner.post("/doctor", json!({})).await.json()["task"].clone();
    let first = stream.next_of("task").await;
    assert_eq!((&first["id"], &first["state"]), (&id, &json!("running")));
    let mut last = first;
    while last["state"] == "running" {
        last = stream.next_of("task").await;
    }
    assert_eq!(
        (&last["state"], &last["result"]["type"]),
        (&json!("succeeded"), &json!("findings"))
    );
    assert_eq!(owner.delete(&format!("/tasks/{id}")).await.status, 204);
    assert_eq!(stream.next_of("task_gone").await["id"], id);
}

#[tokio::test]
async fn log_lines_come_to_who_asked_for_them() {
    let (device, owner) = Device::claimed().await;
    let mut with = owner.events("?log=1").await.unwrap();
    let mut without = owner.events("").await.unwrap();
    with.next().await.unwrap();
    without.next().await.unwrap();
    device.fake.write_log("a line");
    assert_eq!(with.next_of("log").await["text"], "a line");
    device.fake.change(|live| live.network.wifi = false);
    assert_eq!(without.next().await.unwrap()["event"], "network");
    owner.events("?log=yes").await.err().unwrap().is(400, "invalid");
    assert_eq!(owner.get("/log").await.json()[0]["text"], "a line");
    assert!(owner.get("/log/file").await.text().contains("a line"));
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let (device, owner) = Device::claimed().await;
    let other = device.sign_in().await;
    let mut ending = owner.events("").await.unwrap();
    let mut staying = other.events("").await.unwrap();
    ending.next().await.unwrap();
    staying.next().await.unwrap();
    assert_eq!(owner.delete("/session").await.status, 204);
    ending.end().await;
    device.fake.change(|live| live.network.wifi = false);
    assert_eq!(staying.next().await.unwrap()["event"], "network");
}

#[tokio::test]
async fn a_stream_of_a_token_ends_with_its_token() {
    let (device, owner) = Device::claimed().await;
    let made = owner.post("/tokens", json!({"name": "x"})).await.json();
    let bearer = format!("Bearer {}", made["secret"].as_str().unwrap());
    let mut stream = device
        .client()
        .header("authorization", &bearer)
        .events("")
        .await
        .unwrap();
    stream.next().await.unwrap();
    owner.delete(&format!("/tokens/{}", made["id"].as_str().unwrap())).await;
    stream.end().await;
}

#[tokio::test]
async fn streams_end_with_the_server() {
    let (device, owner) = Device::claimed().await;
    let mut stream = owner.events("").await.unwrap();
    stream.next().await.unwrap();
    device.server.stop().await;
    stream.end().await;
}

#[tokio::test]
async fn who_falls_behind_gets_everything_anew() {
    let (device, owner) = Device::claimed().await;
    let mut slow = owner.events("").await.unwrap();
    slow.next().await.unwrap();
    let mut quick = owner.events("").await.unwrap();
    quick.next().await.unwrap();
    // Far more than what fits into the kernel's buffers and the stream's queue together.
    for n in 0..400_u64 {
        let padding = "x".repeat(64 << 10);
        device
            .fake
            .change(|live| live.device.board = Some(format!("{n} {padding}")));
        loop {
            let device = quick.next().await.unwrap();
            let board = &device["data"]["board"];
            let board = if device["event"] == "state" {
                &device["data"]["device"]["board"]
            } else {
                board
            };
            if board.as_str().is_some_and(|board| board.starts_with(&format!("{n} "))) {
                break;
            }
        }
    }
    let everything = slow.next_of("state").await;
    let seen: u64 = everything["device"]["board"]
        .as_str()
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(seen > 64, "{seen}");
}
