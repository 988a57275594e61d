//! Tokens of scripts.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Answer, Client, Device, until};

async fn token(owner: &Client, name: &str, read_only: bool) -> Value {
    let made = owner
        .post("/tokens", json!({"name": name, "read_only": read_only}))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()
}

fn script(device: &Device, token: &Value) -> Client {
    let secret = token["secret"].as_str().unwrap();
    device.client().header("authorization", &format!("Bearer {secret}"))
}

#[tokio::test]
async fn a_token_opens_the_door_until_it_is_revoked() {
    let (device, owner) = Device::claimed().await;
    let made = token(&owner, "backup", false).await;
    let script = script(&device, &made);
    assert_eq!(script.get("/state").await.status, 200);
    assert_eq!(
        script.put("/device/name", json!({"name": "films"})).await.status,
        200,
        "no CSRF token needed"
    );
    until("its use is noted", async || {
        owner.get("/tokens").await.json()[0]["used"].is_string()
    })
    .await;
    let list = owner.get("/tokens").await;
    let secret = made["secret"].as_str().unwrap();
    assert!(!list.text().contains(secret));
    assert!(!fs::read_to_string(device.file("access.json")).unwrap().contains(secret));
    let id = made["id"].as_str().unwrap();
    assert_eq!(owner.delete(&format!("/tokens/{id}")).await.status, 204);
    script.get("/state").await.is(401, "sign_in_needed");
    owner.delete(&format!("/tokens/{id}")).await.is(404, "not_found");
}

#[tokio::test]
async fn a_token_that_is_revoked_while_the_body_comes_changes_nothing() {
    let (device, owner) = Device::claimed().await;
    let made = token(&owner, "backup", false).await;
    let script = script(&device, &made);
    let body = json!({"name": "films"}).to_string();
    let more = "expect: 100-continue\r\nconnection: close\r\n";
    let request = script.head("PUT", "/api/v1/device/name", Some(&body), more);
    let mut wire = script.connect().await;
    let mut bytes = Vec::new();
    wire.write_all(request.strip_suffix(&body).unwrap().as_bytes())
        .await
        .unwrap();
    // Said when somebody wants the body (RFC 9110, 10.1.1): the script has been let in.
    until("it may go on", async || {
        wire.read_buf(&mut bytes).await.unwrap();
        bytes.ends_with(b"\r\n\r\n")
    })
    .await;
    assert!(bytes.starts_with(b"HTTP/1.1 100 "), "{bytes:?}");
    let path = format!("/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(owner.delete(&path).await.status, 204);
    wire.write_all(body.as_bytes()).await.unwrap();
    bytes.clear();
    let ended = tokio::time::timeout(Duration::from_secs(60), wire.read_to_end(&mut bytes)).await;
    ended.expect("no answer").unwrap();
    Answer::parse(&bytes).unwrap().is(401, "sign_in_needed");
    assert_eq!(owner.get("/hello").await.json()["name"], "my-stick");
}

#[tokio::test]
async fn a_read_only_token_only_looks() {
    let (device, owner) = Device::claimed().await;
    let script = script(&device, &token(&owner, "monitor", true).await);
    assert_eq!(script.get("/state").await.status, 200);
    script
        .put("/device/name", json!({"name": "films"}))
        .await
        .is(403, "forbidden");
    script.post("/doctor", json!({})).await.is(403, "forbidden");
    script.delete("/stores/card?confirm=card").await.is(403, "forbidden");
}

#[tokio::test]
async fn no_token_makes_tokens_or_changes_the_owner() {
    let (device, owner) = Device::claimed().await;
    let script = script(&device, &token(&owner, "script", false).await);
    script.get("/tokens").await.is(403, "forbidden");
    script
        .post("/tokens", json!({"name": "more"}))
        .await
        .is(403, "forbidden");
    script
        .put("/password", json!({"current": "x", "new": "y"}))
        .await
        .is(403, "forbidden");
    script
        .post("/device/factory-reset", json!({"confirm": "my-stick"}))
        .await
        .is(403, "forbidden");
    script
        .post("/configuration/backup", json!({}))
        .await
        .is(403, "forbidden");
    script.get("/session").await.is(404, "not_found");
}

#[tokio::test]
async fn odd_tokens_are_refused_even_beside_a_session() {
    let (_device, owner) = Device::claimed().await;
    for value in ["Bearer", "Bearer ", "Bearer x", "Basic eDp5", "x"] {
        owner
            .clone()
            .header("authorization", value)
            .get("/state")
            .await
            .is(401, "sign_in_needed");
    }
}

#[tokio::test]
async fn an_unknown_token_is_not_taken_for_nobody() {
    let device = Device::unclaimed().await;
    let script = device.client().header("authorization", "Bearer x");
    script.get("/hello").await.is(401, "sign_in_needed");
    script
        .post("/claim", json!({"code": device.code(), "password": "correct horse"}))
        .await
        .is(401, "sign_in_needed");
}

#[tokio::test]
async fn tokens_have_one_name_each_and_are_bounded() {
    let (_device, owner) = Device::claimed().await;
    token(&owner, "0", false).await;
    owner
        .post("/tokens", json!({"name": "0"}))
        .await
        .is(409, "already_exists");
    owner.post("/tokens", json!({"name": ""})).await.is(400, "invalid");
    for n in 1..32 {
        token(&owner, &n.to_string(), false).await;
    }
    owner.post("/tokens", json!({"name": "32"})).await.is(409, "conflict");
}
