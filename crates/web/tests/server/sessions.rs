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

const PHONE: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537.36";

#[tokio::test]
async fn the_owner_sees_who_is_signed_in() {
    let (device, owner) = Device::claimed().await;
    device.clock.advance(2 * HOUR);
    let mut phone = device.client().header("user-agent", PHONE).from([127, 0, 0, 9].into());
    let answer = phone.post("/session", json!({"password": PASSWORD})).await;
    phone.remember(&answer);
    let list = phone.get("/sessions").await.json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2, "{list:?}");
    let (own, other) = (&list[0], &list[1]);
    assert_eq!(
        [
            &own["current"],
            &own["browser"],
            &own["system"],
            &own["address"],
            &own["encrypted"]
        ],
        [
            &json!(true),
            &json!("Chrome"),
            &json!("Android"),
            &json!("127.0.0.9"),
            &json!(false)
        ]
    );
    assert_eq!(other["current"], false);
    assert!(other.get("browser").is_none(), "{other:?}");
    assert!(own["since"].as_str() > other["since"].as_str(), "{list:?}");
    // As the owner sees it, it is the other way round.
    let seen = owner.get("/sessions").await.json();
    assert_eq!((&seen[0]["id"], &seen[1]["id"]), (&other["id"], &own["id"]));
    // Nothing in it opens anything.
    let text = phone.get("/sessions").await.text();
    for secret in [
        phone.cookie.as_deref().unwrap().split_once('=').unwrap().1,
        phone.csrf.as_deref().unwrap(),
    ] {
        assert!(!text.contains(secret));
    }
    let device = device.restart().await;
    let mut again = device.client();
    again.cookie.clone_from(&phone.cookie);
    assert_eq!(
        again.get("/sessions").await.json()[0]["browser"],
        "Chrome",
        "it survives a restart"
    );
}

#[tokio::test]
async fn the_owner_ends_one_session_or_all_others() {
    let (device, owner) = Device::claimed().await;
    let (first, second, third) = (device.sign_in().await, device.sign_in().await, device.sign_in().await);
    let own_id = async |client: &crate::support::Client| {
        client.get("/sessions").await.json()[0]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let path = format!("/sessions/{}", own_id(&first).await);
    assert_eq!(owner.delete(&path).await.status, 204);
    first.get("/state").await.is(401, "sign_in_needed");
    assert_eq!(second.get("/state").await.status, 200);
    owner.delete(&path).await.is(404, "not_found");
    owner.delete("/sessions/not%20an%20id").await.is(400, "invalid");
    assert_eq!(second.delete("/sessions").await.status, 204);
    for ended in [&owner, &third] {
        ended.get("/state").await.is(401, "sign_in_needed");
    }
    assert_eq!(second.get("/sessions").await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn sessions_are_seen_and_ended_by_their_owner_only() {
    let (device, owner) = Device::claimed().await;
    device.client().get("/sessions").await.is(401, "sign_in_needed");
    device.client().delete("/sessions").await.is(401, "sign_in_needed");
    let made = owner
        .post("/tokens", json!({"name": "script", "read_only": false}))
        .await
        .json();
    let bearer = format!("Bearer {}", made["secret"].as_str().unwrap());
    let script = device.client().header("authorization", &bearer);
    script.get("/sessions").await.is(403, "forbidden");
    script.delete("/sessions").await.is(403, "forbidden");
    let mut forged = owner.clone();
    forged.csrf = None;
    forged.delete("/sessions").await.is(403, "forbidden");
    assert_eq!(owner.get("/state").await.status, 200);
}

#[tokio::test]
async fn an_ended_session_loses_its_stream_of_events() {
    let (device, owner) = Device::claimed().await;
    let other = device.sign_in().await;
    let mut stream = other.events("").await.unwrap();
    stream.next_of("state").await;
    assert_eq!(owner.delete("/sessions").await.status, 204);
    stream.end().await;
}
