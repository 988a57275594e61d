//! A device gets its owner once, from somebody who has it in their hands.

use std::{fs, time::Duration};

use serde_json::json;

use crate::support::{Device, PASSWORD, Setup};

#[tokio::test]
async fn an_unclaimed_device_accepts_nothing_but_its_claim() {
    let device = Device::unclaimed().await;
    let client = device.client();
    let hello = client.get("/hello").await.json();
    assert_eq!((&hello["claimed"], &hello["signed_in"]), (&json!(false), &json!(false)));
    assert_eq!(hello["name"], "my-stick");
    for path in ["/state", "/device", "/stores", "/events", "/log", "/tokens", "/session"] {
        client.get(path).await.is(403, "unclaimed");
    }
    client
        .put("/device/name", json!({"name": "mine"}))
        .await
        .is(403, "unclaimed");
    client
        .post("/session", json!({"password": PASSWORD}))
        .await
        .is(403, "unclaimed");
}

#[tokio::test]
async fn the_code_claims_the_device_once() {
    let device = Device::unclaimed().await;
    let mut client = device.client();
    let code = device.code();
    let claim = json!({"code": code.to_lowercase().replace('-', " "), "password": PASSWORD, "name": "films"});
    let answer = client.post("/claim", claim.clone()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    client.remember(&answer);
    let hello = client.get("/hello").await.json();
    assert_eq!(
        (&hello["claimed"], &hello["signed_in"], &hello["name"]),
        (&json!(true), &json!(true), &json!("films"))
    );
    assert_eq!(client.get("/state").await.status, 200);
    client.post("/claim", claim).await.is(409, "already_claimed");
    assert_eq!(device.server.access().claim_code(), None);
    let kept = fs::read_to_string(device.file("access.json")).unwrap();
    assert!(!kept.contains(&code) && !kept.contains(PASSWORD), "{kept}");
}

#[tokio::test]
async fn what_cannot_be_claimed_is_said_before_anything_counts() {
    let device = Device::unclaimed().await;
    let client = device.client();
    let code = device.code();
    for _ in 0..10 {
        let short = client.post("/claim", json!({"code": code, "password": "short"})).await;
        short.is(400, "invalid");
        assert_eq!(short.json()["field"], "/password");
        let name = client
            .post("/claim", json!({"code": code, "password": PASSWORD, "name": "a b"}))
            .await;
        assert_eq!(name.json()["field"], "/name");
        client
            .post("/claim", json!({"password": PASSWORD}))
            .await
            .is(401, "wrong_secret");
    }
    device.claim().await;
}

#[tokio::test]
async fn guessing_codes_has_to_wait_longer_and_longer_even_over_a_power_cycle() {
    let device = Device::unclaimed().await;
    let (client, code) = (device.client(), device.code());
    let guess = json!({"code": "22222222", "password": PASSWORD});
    for _ in 0..5 {
        client.post("/claim", guess.clone()).await.is(401, "wrong_secret");
    }
    let refused = client.post("/claim", json!({"code": code, "password": PASSWORD})).await;
    refused.is(429, "too_many");
    assert_eq!(
        refused.header("retry-after"),
        Some("61"),
        "the right code has to wait, too"
    );

    device.clock.advance(Duration::from_secs(50));
    let device = device.restart().await;
    let client = device.client();
    assert_eq!(device.code(), code);
    device.clock.advance(Duration::from_secs(30));
    client.post("/claim", guess.clone()).await.is(429, "too_many");
    device.clock.advance(Duration::from_secs(30));
    client.post("/claim", guess).await.is(401, "wrong_secret");
    device.clock.advance(Duration::from_secs(119));
    let refused = client.post("/claim", json!({"code": code, "password": PASSWORD})).await;
    refused.is(429, "too_many");
    device.clock.advance(Duration::from_secs(1));
    device.claim().await;
}

#[tokio::test]
async fn the_button_opens_one_claim_for_five_minutes() {
    let device = Device::unclaimed().await;
    let client = device.client();
    let claim = json!({"password": PASSWORD});
    device.server.access().press_button();
    assert_eq!(client.get("/hello").await.json()["button_pressed"], true);
    device.clock.advance(Duration::from_secs(300));
    assert_eq!(client.get("/hello").await.json()["button_pressed"], false);
    client.post("/claim", claim.clone()).await.is(401, "wrong_secret");
    device.server.access().press_button();
    assert_eq!(client.post("/claim", claim.clone()).await.status, 200);
    device.server.access().press_button();
    client.post("/claim", claim).await.is(409, "already_claimed");
}

#[tokio::test]
async fn a_device_that_forgot_its_owner_has_a_new_code() {
    let (device, owner) = Device::claimed().await;
    device.server.forget_owner().await.unwrap();
    owner.get("/state").await.is(403, "unclaimed");
    let owner = device.claim().await;
    assert_eq!(owner.get("/state").await.status, 200);
}

#[tokio::test]
async fn of_claims_at_the_same_moment_one_wins() {
    let device = Device::unclaimed().await;
    let claim = json!({"code": device.code(), "password": PASSWORD});
    let all = (0..4).map(|_| {
        let (client, claim) = (device.client(), claim.clone());
        async move { client.post("/claim", claim).await.status }
    });
    let mut all = futures::future::join_all(all).await;
    all.sort_unstable();
    assert_eq!(all, [200, 409, 409, 409]);
}

#[tokio::test]
async fn a_damaged_file_locks_the_door() {
    let folder = Setup::new().with(|options| options.socket = Some(options.folder.join("socket")));
    let device = folder.start().await;
    let code = device.code();
    device.claim().await;
    let path = device.file("access.json");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let device = device.restart().await;
    let client = device.client();
    assert_eq!(client.get("/hello").await.json()["claimed"], true);
    assert_eq!(device.server.access().claim_code(), None);
    client
        .post("/claim", json!({"code": code, "password": PASSWORD}))
        .await
        .is(409, "already_claimed");
    client
        .post("/session", json!({"password": PASSWORD}))
        .await
        .is(500, "internal");
    client.get("/state").await.is(401, "sign_in_needed");
    assert_eq!(
        fs::read(&path).unwrap().len(),
        whole.len() / 2,
        "it may still be of use to somebody"
    );

    let reset = device
        .local()
        .post("/device/factory-reset", json!({"confirm": "my-stick"}))
        .await;
    assert_eq!(reset.status, 204, "{reset:?}");
    assert_ne!(device.code(), code);
    device.claim().await;
}
