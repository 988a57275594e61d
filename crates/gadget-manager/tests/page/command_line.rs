//! The command line of the device, which uses the same API through its socket.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::phone::{Device, PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_sees_and_does_what_the_page_does() {
    let mut device = Device::new("").await;
    let socket = device.home.join("run/control.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let state = device.home.json(&["status"]);
    assert_eq!(state["device"]["name"], "cloud-stick");
    let code = device.home.ok(&["claim-code"]);
    assert_eq!(code.trim().len(), 9, "{code}");
    // Nobody but the command line is told.
    let phone = device.claim().await;
    phone.get("/claim-code").await.is(403, "forbidden");
    phone.delete("/owner").await.is(403, "forbidden");
    assert!(device.home.fails(1, &["claim-code"]).contains("has an owner"));
    device.add_card_with(&phone, "films", 1 << 20, true).await;
    let text = device.home.ok(&["status"]);
    assert!(text.contains("LUN 0: films") && text.contains("online"), "{text}");
    assert!(device.home.fails(1, &["eject", "0"]).contains("no stick"));
    assert!(device.home.fails(1, &["forget-owner"]).contains("--yes"));
    device.home.ok(&["forget-owner", "--yes"]);
    phone.get("/state").await.is(403, "unclaimed");
    let new = device.home.ok(&["claim-code"]);
    assert_ne!(new, code);
    assert_eq!(device.home.json(&["status"])["disks"][0]["name"], "films", "disks stay");
    let again = json!({"code": code.trim(), "password": PASSWORD});
    device.phone().post("/claim", again).await.is(401, "wrong_secret");
    device.claim().await;
    device.stop().await;
    assert!(!socket.exists());
    assert!(device.home.fails(1, &["status"]).contains("gadget-manager run"));
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_a_socket_without_a_page() {
    let home = crate::support::Home::new("");
    let daemon = home.start(&["run"]);
    let answers = || async { home.run(&["status"]).status.success() };
    daemon
        .wait_until(crate::support::PATIENCE, "the socket is there", answers)
        .await
        .unwrap();
    assert!(home.json(&["status"])["network"]["urls"].as_array().unwrap().is_empty());
    assert!(daemon.stop(crate::support::PATIENCE).await.unwrap().success());
}
