//! HTTPS with the device's own certificate.

use serde_json::json;

use crate::support::{Client, Device, PASSWORD, Setup, until};

fn with_tls(device: &Device) -> Client {
    Client::tls(device.server.https()[0], device.server.certificate().unwrap())
}

#[tokio::test]
async fn an_owner_is_only_talked_to_with_tls() {
    let device = Setup::new().with_tls().start().await;
    let plain = device.client();
    assert_eq!(plain.get("/hello").await.status, 200);
    assert_eq!(
        with_tls(&device)
            .get("/hello")
            .await
            .header("strict-transport-security"),
        None
    );
    let owner = device.claim().await;
    let port = device.server.https()[0].port();
    for path in ["//", "//disks/films?x=1", "/state"] {
        let answer = plain.get(path).await;
        assert_eq!(answer.status, 308, "{answer:?}");
        let target = if path == "/state" { "/api/v1/state" } else { &path[1..] };
        assert_eq!(
            answer.header("location"),
            Some(format!("https://127.0.0.1:{port}{target}").as_str())
        );
    }
    let mut secure = with_tls(&device);
    let signed_in = secure.post("/session", json!({"password": PASSWORD})).await;
    assert_eq!(signed_in.header("strict-transport-security"), Some("max-age=31536000"));
    secure.remember(&signed_in);
    let cookie = signed_in.all("set-cookie")[0].to_owned();
    assert!(
        cookie.starts_with("__Host-session=") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    assert_eq!(secure.get("/state").await.status, 200);

    // The session of the claim began without TLS: with TLS it gets a new id, and the old one is worth nothing.
    let mut moved = with_tls(&device);
    moved.cookie.clone_from(&owner.cookie);
    let answer = moved.get("/session").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let old = moved.clone();
    moved.remember(&answer);
    assert!(moved.cookie.as_ref().unwrap().starts_with("__Host-session="));
    assert_eq!(moved.get("/session").await.status, 200);
    old.get("/session").await.is(401, "sign_in_needed");
}

#[tokio::test]
async fn the_certificate_lasts_over_restarts_and_follows_the_name_and_the_owner() {
    let setup = Setup::new().with_tls();
    let device = setup.start().await;
    let first = device.server.fingerprint().unwrap();
    device.claim().await;
    let device = device.restart().await;
    assert_eq!(device.server.fingerprint().unwrap(), first);
    let mut owner = with_tls(&device);
    let signed_in = owner.post("/session", json!({"password": PASSWORD})).await;
    owner.remember(&signed_in);
    assert_eq!(owner.put("/device/name", json!({"name": "films"})).await.status, 200);
    until("there is another certificate", async || {
        device.server.fingerprint().unwrap() != first
    })
    .await;
    let second = device.server.fingerprint().unwrap();
    let mut owner_again = with_tls(&device);
    owner_again.cookie.clone_from(&owner.cookie);
    owner_again.csrf.clone_from(&owner.csrf);
    let reset = owner_again
        .post("/device/factory-reset", json!({"confirm": "films"}))
        .await;
    assert_eq!(reset.status, 204, "{reset:?}");
    until("there is another certificate", async || {
        device.server.fingerprint().unwrap() != second
    })
    .await;
    with_tls(&device).get("/state").await.is(403, "unclaimed");
    assert_eq!(device.client().get("/hello").await.json()["claimed"], false);
}

#[tokio::test]
async fn somebody_who_only_connects_does_not_stay() {
    use tokio::io::AsyncReadExt as _;
    let setup = Setup::new().with_tls();
    let setup = setup.with(|options| options.limits.handshake = std::time::Duration::from_millis(200));
    let device = setup.start().await;
    let mut wire = Client::tcp(device.server.https()[0]).connect().await;
    let mut bytes = Vec::new();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), wire.read_to_end(&mut bytes)).await;
    ended.expect("it stays").unwrap();
    // The same bound holds for everybody, and a busy machine may not keep it at once: a client that is cut off panics.
    until("an honest client is served", async || {
        let client = with_tls(&device);
        let asked = tokio::spawn(async move { client.get("/hello").await.status });
        asked.await.is_ok_and(|status| status == 200)
    })
    .await;
}
