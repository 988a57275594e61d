//! Sessions of browsers.

use std::{fs, time::Duration};

use serde_json::json;
use time::OffsetDateTime;
use web::access::Clock as _;

use crate::support::{Device, PASSWORD, until};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_session_is_a_cookie_that_scripts_and_strangers_do_not_get() {
    let (device, _) = Device::claimed().await;
    let answer = device.client().post("/session", json!({"password": PASSWORD})).await;
    let cookies = answer.all("set-cookie");
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let parts: Vec<&str> = cookies[0].split("; ").collect();
    assert!(
        parts[0].starts_with("session=") && parts[0].len() == "session=".len() + 43,
        "{parts:?}"
    );
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(parts.contains(&part), "{parts:?}");
    }
    assert!(!answer.text().contains(&parts[0]["session=".len()..]));
    let kept = fs::read_to_string(device.file("access.json")).unwrap();
    assert!(!kept.contains(&parts[0]["session=".len()..]), "{kept}");
}

#[tokio::test]
async fn foreign_and_invented_sessions_are_nobody() {
    let (device, owner) = Device::claimed().await;
    let (other, _) = Device::claimed().await;
    let mut stranger = other.client();
    stranger.cookie.clone_from(&owner.cookie);
    stranger.get("/state").await.is(401, "sign_in_needed");
    let mut client = device.client();
    for id in ["", "x", "null", "../../etc/passwd", &"A".repeat(43), &"A".repeat(4000)] {
        client.cookie = Some(format!("session={id}"));
        client.get("/state").await.is(401, "sign_in_needed");
    }
}

#[tokio::test]
async fn signing_in_never_takes_over_an_id_that_was_there() {
    let (device, owner) = Device::claimed().await;
    let mut victim = device.client();
    victim.cookie = Some(format!("session={}", "B".repeat(43)));
    let planted = victim.clone();
    let answer = victim.post("/session", json!({"password": PASSWORD})).await;
    assert_eq!(answer.status, 200);
    victim.remember(&answer);
    assert_ne!(victim.cookie, planted.cookie);
    planted.get("/session").await.is(401, "sign_in_needed");
    // Signed in once more, a browser gets yet another.
    let again = owner.post("/session", json!({"password": PASSWORD})).await;
    let mut second = owner.clone();
    second.remember(&again);
    assert_ne!(second.cookie, owner.cookie);
}

#[tokio::test]
async fn signing_out_ends_a_session() {
    let (_device, owner) = Device::claimed().await;
    let answer = owner.delete("/session").await;
    assert_eq!(answer.status, 204);
    let cookies = answer.all("set-cookie");
    assert!(
        cookies.iter().all(|cookie| cookie.contains("Max-Age=0")) && cookies.len() == 2,
        "{cookies:?}"
    );
    owner.get("/session").await.is(401, "sign_in_needed");
}

#[tokio::test]
async fn sessions_end_when_they_are_not_used() {
    let (device, owner) = Device::claimed().await;
    device.clock.advance(13 * 24 * HOUR);
    assert_eq!(owner.get("/session").await.status, 200);
    device.clock.advance(15 * 24 * HOUR);
    owner.get("/session").await.is(401, "sign_in_needed");
}

#[tokio::test]
async fn sessions_end_at_last_however_much_they_are_used() {
    let (device, owner) = Device::claimed().await;
    for n in 0..8 {
        device.clock.advance(11 * 24 * HOUR);
        assert_eq!(owner.get("/session").await.status, 200);
        // The use is noted behind the answer.
        until("the use is noted", async || {
            let answer = owner.get("/session").await.json();
            let expires = OffsetDateTime::parse(
                answer["expires"].as_str().unwrap(),
                &time::format_description::well_known::Rfc3339,
            );
            let left = expires.unwrap() - device.clock.now();
            left >= time::Duration::days(if n < 7 { 13 } else { 2 })
        })
        .await;
    }
    device.clock.advance(3 * 24 * HOUR);
    owner.get("/session").await.is(401, "sign_in_needed");
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let (device, owner) = Device::claimed().await;
    let device = device.restart().await;
    let mut again = device.client();
    again.cookie.clone_from(&owner.cookie);
    assert_eq!(
        again.get("/session").await.json()["csrf_token"].as_str(),
        owner.csrf.as_deref()
    );
}

#[tokio::test]
async fn a_board_that_starts_in_1970_ends_no_session_when_it_learns_the_time() {
    let (device, owner) = Device::claimed().await;
    let right = device.clock.now();
    device.clock.set(OffsetDateTime::UNIX_EPOCH + HOUR);
    owner.get("/session").await.is(401, "sign_in_needed");
    let early = device.sign_in().await;
    assert_eq!(early.get("/session").await.status, 200);
    // A power cut, and the clock begins anew.
    let device = device.restart().await;
    device.clock.set(OffsetDateTime::UNIX_EPOCH);
    let (mut owner_again, mut early_again) = (device.client(), device.client());
    owner_again.cookie.clone_from(&owner.cookie);
    early_again.cookie.clone_from(&early.cookie);
    assert_eq!(early_again.get("/session").await.status, 200);
    device.clock.set(right + HOUR);
    assert_eq!(owner_again.get("/session").await.status, 200);
    let ends = async || early_again.get("/session").await.json()["expires"].clone();
    let first = ends().await;
    assert!(
        first.as_str().is_some_and(|first| !first.starts_with("1970")),
        "{first}"
    );
    // From then on it ends like any other.
    until("it is noted when it began", async || {
        let before = ends().await;
        device.clock.advance(Duration::from_secs(1));
        ends().await == before
    })
    .await;
    device.clock.advance(15 * 24 * HOUR);
    early_again.get("/session").await.is(401, "sign_in_needed");
}

#[tokio::test]
async fn there_are_at_most_sixteen_sessions() {
    let (device, _) = Device::claimed().await;
    let mut all = Vec::new();
    for _ in 0..17 {
        device.clock.advance(Duration::from_secs(1));
        all.push(device.sign_in().await);
    }
    all[0].get("/session").await.is(401, "sign_in_needed");
    assert_eq!(all[1].get("/session").await.status, 200);
    assert_eq!(all[16].get("/session").await.status, 200);
}
