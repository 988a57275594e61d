//! Attacks that need the real program: what a stranger in the same network can try. What the server does by itself is tested
//! where it is, in `web`.

use reqwest::Method;
use serde_json::json;

use crate::phone::{Device, PASSWORD, folder};

#[tokio::test(flavor = "multi_thread")]
async fn guessing_the_claim_code_is_slow_also_over_restarts() {
    let mut device = Device::new("").await;
    let guess = json!({"code": "2222-2222", "password": PASSWORD});
    for _ in 0..5 {
        device
            .phone()
            .post("/claim", guess.clone())
            .await
            .is(401, "wrong_secret");
    }
    let refused = device.phone().post("/claim", guess.clone()).await.is(429, "too_many");
    assert!(refused["retry_after"].as_u64().unwrap() > 30, "{refused:#}");
    device.restart().await;
    device.phone().post("/claim", guess).await.is(429, "too_many");
    let code = device.home.ok(&["claim-code"]);
    let right = json!({"code": code.trim(), "password": PASSWORD});
    device.phone().post("/claim", right).await.is(429, "too_many");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_strange_pages_get_nowhere() {
    let (device, phone) = Device::claimed("").await;
    let stranger = device.phone();
    stranger.get("/state").await.is(401, "sign_in_needed");
    stranger.get("/configuration/versions").await.is(401, "sign_in_needed");
    let mut forged = device.phone();
    forged.cookie = Some("session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned());
    forged.get("/state").await.is(401, "sign_in_needed");
    // The session of one device is worth nothing on another.
    let other = Device::new("").await;
    let mut foreign = other.claim().await;
    foreign.base = phone.base.clone();
    foreign.get("/state").await.is(401, "sign_in_needed");
    for (name, value) in [
        ("host", "evil.example"),
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let request = phone.request(Method::PUT, "/device/name", Some(json!({"name": "x"})));
        let answer = request.header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{name}: {value}");
    }
    let allowed = Device::claimed("").await;
    let request = allowed
        .1
        .request(Method::GET, "/hello", None)
        .header("host", "cloud-stick.local");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let mut without_csrf = device.phone();
    without_csrf.cookie = phone.cookie.clone();
    without_csrf
        .put("/device/name", json!({"name": "x"}))
        .await
        .is(403, "forbidden");
    // A replayed claim.
    let claim = json!({"code": "2222-2222", "password": "another horse"});
    stranger.post("/claim", claim).await.is(409, "already_claimed");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_lead_nowhere_else() {
    let (device, phone) = Device::claimed("").await;
    let images = device.home.join("images");
    phone.put("/stores/card", folder(&images)).await.ok();
    std::fs::write(device.home.join("outside"), "x").unwrap();
    for name in [
        "..%2Foutside",
        "%2E%2E%2Foutside",
        "a%2F..%2F..%2Foutside",
        "..%5Coutside",
        "%2Fetc%2Fpasswd",
        "a%00b",
    ] {
        for path in [
            format!("/stores/card/images/{name}"),
            format!("/stores/card/images/{name}/snapshots"),
        ] {
            let answer = phone.get(&path).await;
            assert!(answer.status.is_client_error(), "{path}: {answer:?}");
        }
        let delete = phone
            .delete(&format!("/stores/card/images/{name}?confirm={name}"))
            .await;
        assert!(delete.status.is_client_error() || phone.ended(delete).await["state"] == "failed");
    }
    for name in [
        "../outside",
        "/etc/passwd",
        "a/../../outside",
        ".hidden",
        "a\u{0}b",
        "a+b@c",
    ] {
        let begun = phone
            .post("/stores/card/images", json!({"name": name, "size": 1 << 20}))
            .await;
        let refused = begun.status.is_client_error() || phone.ended(begun).await["state"] == "failed";
        assert!(refused, "{name:?}");
        let disk = json!({"name": "x", "store": "card", "image": name});
        assert!(phone.post("/disks", disk).await.status.is_client_error(), "{name:?}");
    }
    for name in ["../x", "a/b", "a b", "", "[x]", "x\"\ny"] {
        let disk = json!({"name": name, "store": "card", "image": "a"});
        phone.post("/disks", disk).await.is(400, "invalid");
    }
    assert_eq!(std::fs::read_to_string(device.home.join("outside")).unwrap(), "x");
    assert_eq!(std::fs::read_dir(&images).unwrap().count(), 0);
    assert!(device.home.ok(&["check"]).contains("usable"));
}

/// Names of images and labels come from elsewhere: they are text, whatever they look like.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_text_is_text() {
    let (device, phone) = Device::claimed("").await;
    let images = device.home.join("images");
    phone.put("/stores/card", folder(&images)).await.ok();
    let names = [
        "<img src=x onerror=alert(1)>",
        "\"; rm -rf ~; \"",
        "${7*7}",
        "name = \"x\" # toml",
        "ünï\u{202e}cødé",
    ];
    for name in names {
        std::fs::File::create(images.join(name))
            .unwrap()
            .set_len(1 << 20)
            .unwrap();
    }
    let answer = phone.get("/stores/card/images").await;
    let list = answer.ok();
    for name in names {
        assert!(
            list.as_array().unwrap().iter().any(|image| image["name"] == name),
            "{name}: {list:#}"
        );
    }
    for (index, name) in names.iter().enumerate() {
        let disk = json!({"name": format!("disk{index}"), "store": "card", "image": name});
        phone.post("/disks", disk).await.ok();
    }
    let state = phone.until("all are open", |state| {
        state["disks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|disk| disk["phase"] == "online")
    });
    assert_eq!(state.await["disks"].as_array().unwrap().len(), names.len());
}
