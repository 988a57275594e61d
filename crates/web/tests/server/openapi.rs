//! The description of the API, and whether it is true. Each exchange of the other tests is held to it as well.

use serde_json::{Value, json};

use crate::support::{Device, document};

#[tokio::test]
async fn the_description_is_served_and_the_committed_one_is_the_same() {
    let device = Device::unclaimed().await;
    let served = device.client().get("/openapi.json").await;
    assert_eq!(served.header("content-type"), Some("application/json"));
    assert_eq!(served.json(), *document());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == web::openapi::json(),
        "make it anew: cargo run -p web --example openapi > crates/web/openapi.json"
    );
}

/// Every operation: its method, a path with names in it, and whether it takes a body.
fn operations() -> Vec<(String, String, bool)> {
    let paths = document()["paths"].as_object().unwrap();
    let mut all = Vec::new();
    for (template, item) in paths {
        let path = template
            .replace("/api/v1", "")
            .replace("{store}", "card")
            .replace("{image}", "films")
            .replace("{disk}", "films")
            .replace("{lun}", "0")
            .replace("{task}", "1")
            .replace("{version}", "1");
        let path = path
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        for (method, operation) in item.as_object().unwrap() {
            if operation.get("responses").is_some() {
                all.push((
                    method.to_uppercase(),
                    path.clone(),
                    operation.get("requestBody").is_some(),
                ));
            }
        }
    }
    assert!(all.len() > 50, "{}", all.len());
    all
}

#[tokio::test]
async fn every_operation_is_there_and_shut() {
    let (device, _) = Device::claimed().await;
    let stranger = device.client();
    for (method, path, _) in operations() {
        let open =
            matches!(path.as_str(), "/hello" | "/claim") || (method.as_str(), path.as_str()) == ("POST", "/session");
        let answer = stranger.send(&method, &path, None).await;
        match open {
            true => assert!(matches!(answer.status, 200 | 415), "{method} {path}: {answer:?}"),
            false => answer.is(401, "sign_in_needed"),
        }
    }
}

#[tokio::test]
async fn every_operation_answers_nonsense_as_documented() {
    let (_device, owner) = Device::claimed().await;
    let bodies = [
        None,
        Some(""),
        Some("{"),
        Some("null"),
        Some("[]"),
        Some("{}"),
        Some(r#"{"confirm": 1}"#),
        Some(r#"{"\u0000": "x", "name": null, "password": 7, "size": -1}"#),
        Some(r#"{"size": 1e400}"#),
    ];
    for (method, path, takes_body) in operations() {
        if path == "/session" && method == "DELETE" || path == "/events" {
            continue;
        }
        for body in bodies.iter().take(if takes_body { bodies.len() } else { 1 }) {
            let answer = owner.send(&method, &path, body.map(str::to_owned)).await;
            assert_ne!(answer.status, 500, "{method} {path} {body:?}: {answer:?}");
            if answer.status >= 400 {
                answer.code();
            }
        }
        for query in ["?confirm=films&x=1", "?from=-1", "?%00=%ff", "?confirm=films"] {
            if method != "GET" && !takes_body {
                continue;
            }
            let answer = owner.send(&method, &format!("{path}{query}"), None).await;
            assert_ne!(answer.status, 500, "{method} {path}{query}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn what_does_well_is_as_documented() {
    let (_device, owner) = Device::claimed().await;
    let gets = [
        "/state",
        "/device",
        "/log",
        "/log/file",
        "/configuration/versions",
        "/store-types",
        "/stores",
        "/stores/card",
        "/stores/card/images",
        "/disks",
        "/disks/films",
        "/usb",
        "/network",
        "/tasks",
        "/tokens",
        "/session",
        "/hello",
    ];
    for path in gets {
        let answer = owner.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    let settings = json!({"type": "file", "way": "folder", "values": {"folder": "/x", "n": 3, "yes": true}});
    let changes: [(&str, &str, Value, u16); 14] = [
        ("PUT", "/stores/card", settings.clone(), 200),
        (
            "POST",
            "/store-places",
            json!({"settings": settings, "name": "new"}),
            201,
        ),
        ("POST", "/store-probes", json!({"settings": settings}), 202),
        (
            "POST",
            "/disks",
            json!({"name": "more", "store": "card", "image": "more"}),
            200,
        ),
        (
            "POST",
            "/disks",
            json!({"name": "films", "store": "card", "image": "more"}),
            409,
        ),
        (
            "PATCH",
            "/disks/films",
            json!({"read_only": true, "limits": {"read_bytes": 1}}),
            200,
        ),
        ("POST", "/disks/films/take-over", json!({"confirm": "films"}), 204),
        ("PATCH", "/usb/identity", json!({"product": "Stick"}), 200),
        (
            "PUT",
            "/usb/luns",
            json!([{"disk": null}, {"disk": "films", "cdrom": true}]),
            200,
        ),
        ("POST", "/usb/luns/0/insert", json!({}), 204),
        ("POST", "/usb/luns/0/eject", json!({"force": true}), 204),
        ("POST", "/usb/luns/7/eject", json!({}), 404),
        ("DELETE", "/network/wifi/my%20net", json!({}), 204),
        ("DELETE", "/stores/card?confirm=card", json!({}), 409),
    ];
    for (method, path, body, status) in changes {
        let answer = owner.send(method, path, Some(body.to_string())).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
    let backup = owner.post("/configuration/backup", json!({})).await;
    assert_eq!(backup.text(), "x = 1\n");
    let disposition = backup.header("content-disposition");
    assert_eq!(disposition, Some("attachment; filename=\"back-up.toml\""));
    for (way, status, code) in [("full", 507, "no_space"), ("late", 502, "unreachable")] {
        let settings = json!({"type": "file", "way": way, "values": {}});
        owner.put("/stores/card", settings).await.is(status, code);
    }
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_say_so() {
    let (_device, owner) = Device::claimed().await;
    owner.get("/nowhere").await.is(404, "not_found");
    owner.get("/stores/card/images/films/x").await.is(404, "not_found");
    let wrong = owner.send("DELETE", "/hello", None).await;
    wrong.is(405, "invalid");
    assert!(
        wrong.header("allow").is_some_and(|allow| allow.contains("GET")),
        "{wrong:?}"
    );
}
