//! Guessing passwords.

use std::time::Duration;

use serde_json::json;

use crate::support::{Device, PASSWORD, address};

#[tokio::test]
async fn a_peer_that_guesses_waits_and_the_owner_does_not() {
    let (device, _) = Device::claimed().await;
    let guesser = device.client().from(address(2));
    let guess = json!({"password": "wrong horse"});
    for _ in 0..5 {
        guesser.post("/session", guess.clone()).await.is(401, "wrong_secret");
    }
    let refused = guesser.post("/session", json!({"password": PASSWORD})).await;
    refused.is(429, "too_many");
    assert_eq!(refused.header("retry-after"), Some("16"));
    device.sign_in().await;
    device.clock.advance(Duration::from_secs(15));
    guesser.post("/session", guess.clone()).await.is(401, "wrong_secret");
    device.clock.advance(Duration::from_secs(29));
    guesser.post("/session", guess).await.is(429, "too_many");
}

#[tokio::test]
async fn guessing_from_many_addresses_is_slowed_down_and_survives_a_power_cycle() {
    let (device, _) = Device::claimed().await;
    let guess = json!({"password": "wrong horse"});
    for n in 0..20 {
        let guesser = device.client().from(address(10 + n / 3));
        guesser.post("/session", guess.clone()).await.is(401, "wrong_secret");
    }
    let other = device.client().from(address(99));
    other.post("/session", guess.clone()).await.is(429, "too_many");
    let device = device.restart().await;
    let other = device.client().from(address(100));
    other.post("/session", guess).await.is(429, "too_many");
    device.clock.advance(Duration::from_secs(30));
    device.sign_in().await;
}

#[tokio::test]
async fn many_at_once_are_told_to_wait() {
    let (device, _) = Device::claimed().await;
    let all = (0..20).map(|_| {
        let client = device.client();
        async move { client.post("/session", json!({"password": PASSWORD})).await }
    });
    for answer in futures::future::join_all(all).await {
        if answer.status != 200 {
            answer.is(429, "too_many");
            assert!(answer.header("retry-after").is_some());
        }
    }
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let (device, mut owner) = Device::claimed().await;
    let other = device.sign_in().await;
    let wrong = json!({"current": "wrong horse", "new": "battery staple"});
    let refused = owner.put("/password", wrong).await;
    refused.is(401, "wrong_secret");
    assert_eq!(refused.json()["field"], "/current");
    let old = owner.clone();
    let answer = owner
        .put("/password", json!({"current": PASSWORD, "new": "battery staple"}))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    owner.remember(&answer);
    assert_ne!(owner.cookie, old.cookie);
    assert_eq!(owner.get("/session").await.status, 200);
    old.get("/session").await.is(401, "sign_in_needed");
    other.get("/session").await.is(401, "sign_in_needed");
    let client = device.client();
    client
        .post("/session", json!({"password": PASSWORD}))
        .await
        .is(401, "wrong_secret");
    assert_eq!(
        client
            .post("/session", json!({"password": "battery staple"}))
            .await
            .status,
        200
    );
}
