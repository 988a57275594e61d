//! Names that lead elsewhere.

use std::fs;

use serde_json::json;

use crate::support::Device;

#[tokio::test]
async fn names_in_paths_lead_nowhere_else() {
    let (device, owner) = Device::claimed().await;
    fs::write(device.file("outside"), vec![0; 4096]).unwrap();
    let bad = [
        "..%2foutside",
        "%2e%2e%2foutside",
        "..%2F..%2F..%2Fetc%2Fpasswd",
        "%2Fetc%2Fpasswd",
        "a%2F..%2F..%2Foutside",
        "..",
        "%2e%2e",
        ".",
        "x%00",
        "x%0a",
        "..%5coutside",
        "%ff%fe",
        "a%2F%2Fb",
    ];
    for name in bad {
        for path in [
            format!("/stores/card/images/{name}"),
            format!("/stores/card/images/{name}/snapshots"),
            format!("/stores/{name}"),
            format!("/disks/{name}"),
        ] {
            let answer = owner.get(&path).await;
            assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
        }
        let delete = owner
            .delete(&format!("/stores/card/images/{name}?confirm={name}"))
            .await;
        assert!(matches!(delete.status, 400 | 404), "{name}: {delete:?}");
    }
    assert!(device.file("outside").exists());
    let long = owner.get(&format!("/stores/card/images/{}", "x".repeat(2000))).await;
    long.is(400, "invalid");
}

#[tokio::test]
async fn names_in_bodies_lead_nowhere_else() {
    let (device, owner) = Device::claimed().await;
    for name in [
        "../outside",
        "/etc/passwd",
        "a/../../outside",
        "",
        ".",
        "a\u{0}",
        "..\\x",
    ] {
        let answer = owner
            .post("/stores/card/images", json!({"name": name, "size": 512}))
            .await;
        answer.is(400, "invalid");
        assert_eq!(answer.json()["field"], "/name");
    }
    assert!(!device.file("outside").exists());
}

#[tokio::test]
async fn destroying_needs_the_name_typed() {
    let (_device, owner) = Device::claimed().await;
    for path in [
        "/stores/card?confirm=",
        "/stores/card?confirm=Card",
        "/disks/films?confirm=film",
        "/stores/card/images/films?confirm=card",
        "/stores/card/images/films/snapshots/x?confirm=x",
    ] {
        owner.delete(path).await.is(400, "not_confirmed");
    }
    owner.delete("/disks/films").await.is(400, "invalid");
    owner
        .post("/disks/films/take-over", json!({"confirm": "x"}))
        .await
        .is(400, "not_confirmed");
    owner
        .post("/device/factory-reset", json!({"confirm": "x"}))
        .await
        .is(400, "not_confirmed");
    let shrink = json!({"size": 512, "shrink": true});
    owner
        .put("/stores/card/images/films/size", shrink)
        .await
        .is(400, "not_confirmed");
    let restore = "/stores/card/images/films/snapshots/x/restore";
    owner
        .post(restore, json!({"confirm": "x"}))
        .await
        .is(400, "not_confirmed");
    assert_eq!(owner.delete("/disks/films?confirm=films").await.status, 200);
}
