//! Planted secrets: they are in the file of secrets, and nowhere else. Whatever goes wrong.

use std::{fs, os::unix::fs::PermissionsExt};

use reqwest::Method;
use serde_json::{Value, json};

use crate::phone::{Device, PASSWORD, Phone};

const PLANTED: [&str; 4] = [
    "cGxhbnRlZC1rZXktb25l",
    "cGxhbnRlZC1rZXktdHdv",
    "cGxhbnRlZC1zaWduYXR1cmU%3D",
    "planted~client~secret",
];

fn requests() -> Vec<(Method, String, Value)> {
    let string = format!("AccountName=mine;AccountKey={};EndpointSuffix=core.invalid", PLANTED[1]);
    let ways = [
        ("account_key", json!({"account": "mine", "account_key": PLANTED[0]})),
        ("connection_string", json!({"connection_string": string})),
        (
            "sas",
            json!({"account": "mine", "sas": format!("sv=2022-11-02&sp=rl&sig={}", PLANTED[2])}),
        ),
        (
            "client_secret",
            json!({"account": "mine", "tenant": "t", "client_id": "c", "client_secret": PLANTED[3]}),
        ),
    ];
    let mut all = Vec::new();
    for (way, values) in ways {
        for (key, value) in [
            ("container", json!("sticks")),
            ("container", json!("No")),
            ("container", json!(7)),
            ("endpoint", json!("not an address")),
            ("endpoint", json!("http://127.0.0.1:1/mine")),
            ("no_such_field", json!("x")),
        ] {
            let mut values = values.clone();
            values["container"] = json!("sticks");
            values[key] = value;
            let settings = json!({"type": "azure", "way": way, "values": values});
            all.push((Method::POST, "/store-probes".to_owned(), json!({"settings": settings})));
            all.push((Method::PUT, "/stores/cloud".to_owned(), settings.clone()));
            all.push((
                Method::POST,
                "/store-places".to_owned(),
                json!({"settings": settings, "name": "new"}),
            ));
            // The same secrets where they do not belong.
            let all_wrong = json!({"type": "azure", "way": way, "values": {
                "container": values["container"], "account": PLANTED[0], "endpoint": PLANTED[1], PLANTED[2]: PLANTED[3],
            }});
            all.push((Method::PUT, "/stores/cloud".to_owned(), all_wrong));
        }
    }
    all
}

async fn told(phone: &Phone) -> String {
    let mut told = String::new();
    for path in [
        "/state",
        "/stores",
        "/stores/cloud",
        "/tasks",
        "/log",
        "/log/file",
        "/store-types",
        "/configuration/versions",
    ] {
        told.push_str(&phone.get(path).await.text);
    }
    let backup = phone.request(Method::POST, "/configuration/backup", Some(json!({})));
    told + &backup.send().await.expect("an answer").text().await.expect("a file")
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_in_their_file_and_nowhere_else() {
    let mut device = Device::new("[log]\nlevel = \"trace\"\n").await;
    let code = device.home.ok(&["claim-code"]).trim().to_owned();
    let phone = device.claim().await;
    let mut seen = String::new();
    for (method, path, body) in requests() {
        let answer = phone.send(method, &path, Some(body)).await;
        seen.push_str(&answer.text);
        if answer.status == 202 {
            seen.push_str(&phone.ended(answer).await.to_string());
        }
    }
    // A disk that cannot be opened says why for as long as it is tried.
    let disk = json!({"name": "films", "store": "cloud", "image": "films"});
    seen.push_str(&phone.post("/disks", disk).await.text);
    let doctor = phone.send(Method::POST, "/doctor", None).await;
    seen.push_str(&phone.ended(doctor).await.to_string());
    seen.push_str(&told(&phone).await);
    seen.push_str(&device.home.ok(&["status"]));
    seen.push_str(&device.home.status().unwrap().to_string());
    let path = device.home.join("secrets.toml");
    let secrets = fs::read_to_string(&path).unwrap();
    assert!(
        PLANTED.iter().any(|planted| secrets.contains(planted)),
        "the last settings were kept"
    );
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let arguments = fs::read(format!("/proc/{}/cmdline", device.daemon().id())).unwrap();
    seen.push_str(&String::from_utf8_lossy(&arguments));
    let log = device.stop().await;
    assert!(
        log.contains("TRACE") || log.contains("DEBUG"),
        "the log is not what it was asked to be"
    );
    let mut places = vec![("an answer", seen), ("the log", log)];
    let config = fs::read_to_string(device.home.config()).unwrap();
    places.push(("the configuration", config));
    for version in fs::read_dir(device.home.join("state/versions")).unwrap().flatten() {
        places.push(("a version", fs::read_to_string(version.path()).unwrap()));
    }
    places.push((
        "access.json",
        fs::read_to_string(device.home.join("state/web/access.json")).unwrap(),
    ));
    for (what, text) in places {
        for planted in PLANTED.iter().chain([&PASSWORD, &"cGxhbnRlZC1zaWduYXR1cmU="]) {
            if let Some(at) = text.find(planted) {
                let from = text.floor_char_boundary(at.saturating_sub(300));
                let to = text.floor_char_boundary((at + 100).min(text.len()));
                panic!("{what} holds a secret: {}", &text[from..to]);
            }
        }
        assert!(code.is_empty() || !text.contains(&code), "{what} holds the claim code");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_claim_code_is_on_the_console_and_in_no_log() {
    let mut device = Device::new("[log]\nlevel = \"trace\"\n").await;
    let code = device.home.ok(&["claim-code"]).trim().to_owned();
    let console = device.home.join("console");
    let shown = || async { fs::read_to_string(&console).is_ok_and(|text| text.contains(&code)) };
    device
        .daemon()
        .wait_until(crate::support::PATIENCE, "the console shows the code", shown)
        .await
        .unwrap();
    let stranger = device.phone();
    for path in ["/hello", "/state", "/log"] {
        assert!(!stranger.get(path).await.text.contains(&code));
    }
    let status = device.home.ok(&["status", "--json"]) + &device.home.status().unwrap().to_string();
    assert!(!status.contains(&code));
    let log = device.stop().await;
    assert!(!log.contains(&code), "{log}");
    // Once it is claimed there is nothing to show.
    device.start().await;
    device.claim().await;
    fs::write(&console, "").unwrap();
    device.restart().await;
    assert_eq!(fs::read_to_string(&console).unwrap(), "");
}
