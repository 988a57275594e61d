//! Pages of strangers in the owner's browser.

use serde_json::json;

use crate::support::Device;

#[tokio::test]
async fn a_change_needs_the_token_of_its_session() {
    let (device, owner) = Device::claimed().await;
    let other = device.sign_in().await;
    let rename = json!({"name": "evil"});
    let mut forged = owner.clone();
    for csrf in [None, Some(String::new()), Some("x".to_owned()), other.csrf.clone()] {
        forged.csrf = csrf;
        forged.put("/device/name", rename.clone()).await.is(403, "forbidden");
    }
    assert_eq!(owner.get("/hello").await.json()["name"], "my-stick");
    assert_eq!(owner.put("/device/name", rename).await.status, 200);
}

#[tokio::test]
async fn requests_of_foreign_pages_are_refused_even_with_the_token() {
    let (_device, owner) = Device::claimed().await;
    let rename = json!({"name": "evil"});
    let foreign = [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    for (name, value) in foreign {
        let refused = owner
            .clone()
            .header(name, value)
            .put("/device/name", rename.clone())
            .await;
        refused.is(403, "forbidden");
    }
    let own = owner.clone().header("origin", &format!("http://{}", owner.host));
    let own = own.header("sec-fetch-site", "same-origin");
    assert_eq!(own.put("/device/name", rename).await.status, 200);
}

#[tokio::test]
async fn a_foreign_page_can_neither_claim_nor_sign_in() {
    let device = Device::unclaimed().await;
    let foreign = device.client().header("origin", "http://evil.example");
    let claim = json!({"code": device.code(), "password": "evil password"});
    foreign.post("/claim", claim).await.is(403, "forbidden");
    device.claim().await;
    let foreign = device.client().header("sec-fetch-site", "cross-site");
    foreign
        .post("/session", json!({"password": crate::support::PASSWORD}))
        .await
        .is(403, "forbidden");
}

#[tokio::test]
async fn forms_are_not_json() {
    let (_device, owner) = Device::claimed().await;
    for form in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json-evil",
    ] {
        let sender = owner.clone().header("content-type", form);
        let refused = sender.put("/device/name", json!({"name": "evil"})).await;
        assert_eq!(refused.status, 415, "{form}: {refused:?}");
    }
}
