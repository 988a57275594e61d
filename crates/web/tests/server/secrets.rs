//! A secret that goes in never comes out: not in an answer, an event, a line of the log, a message of a panic or a file.

use std::{
    fs,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Device, until};

/// Everything that is logged, and all messages of panics.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Captured {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn planted(n: usize) -> String {
    format!("planted-secret-{n}-do-not-tell")
}

/// Every request that takes a secret, well-formed and not. A `#` stands for a secret.
fn requests() -> Vec<(&'static str, &'static str, String)> {
    let mut all = vec![
        ("POST", "/claim", r##"{"code": "#", "password": "#"}"##.to_owned()),
        (
            "POST",
            "/claim",
            r##"{"code": "#", "password": "x", "name": "#"}"##.to_owned(),
        ),
        ("POST", "/session", r##"{"password": "#"}"##.to_owned()),
        ("PUT", "/password", r##"{"current": "#", "new": "#"}"##.to_owned()),
        (
            "POST",
            "/network/wifi/join",
            r##"{"ssid": "net", "password": "#"}"##.to_owned(),
        ),
        ("POST", "/configuration/backup", r##"{"passphrase": "#"}"##.to_owned()),
        (
            "POST",
            "/configuration/restore",
            r##"{"data": "#", "passphrase": "#"}"##.to_owned(),
        ),
    ];
    for way in ["folder", "wrong", "panic", "full"] {
        let settings = format!(r##"{{"type": "file", "way": "{way}", "values": {{"key": "#", "folder": "#"}}}}"##);
        all.push(("PUT", "/stores/card", settings.clone()));
        all.push(("POST", "/store-probes", format!(r#"{{"settings": {settings}}}"#)));
        all.push((
            "POST",
            "/store-places",
            format!(r#"{{"settings": {settings}, "name": "n"}}"#),
        ));
    }
    // The same in the wrong place, of the wrong kind, and broken off.
    for (method, path, body) in all.clone() {
        all.push((method, path, body.replace("\"#\"", "[\"#\"]")));
        all.push((method, path, body.replace("\"#\"", "{\"#\": \"#\"}")));
        all.push((method, path, body.replacen('{', "{\"unknown\": \"#\", ", 1)));
        all.push((method, path, body.replacen('{', "{\"#\": 1, ", 1)));
        all.push((method, path, body[..body.len() - 1].to_owned()));
        all.push((method, path, "\"#\"".to_owned()));
        all.push((method, path, body.replace(":", ": \"#\", ")));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_go_in_and_never_come_out() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(captured.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let (panics, usual) = (captured.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        let _ = writeln!(panics.clone(), "{panic}");
        usual(panic);
    }));

    let (device, owner) = Device::claimed().await;
    let mut stream = owner.events("?log=1").await.unwrap();
    stream.next().await.unwrap();
    let (mut count, mut seen) = (0, String::new());
    let all = requests();
    for (method, path, template) in &all {
        let mut body = String::new();
        for part in template.split_inclusive('#') {
            body.push_str(part.trim_end_matches('#'));
            if part.ends_with('#') {
                count += 1;
                body.push_str(&planted(count));
            }
        }
        let answer = owner.send(method, path, Some(body)).await;
        if answer.status == 429 {
            // Guessing has its own tests.
            device.clock.advance(std::time::Duration::from_secs(3600));
        }
        seen.push_str(&format!("{answer:?}\n"));
        until("there is room for another task", async || {
            let tasks = owner.get("/tasks").await.json();
            tasks.as_array().unwrap().iter().all(|task| task["state"] != "running")
        })
        .await;
    }
    assert!(count > 100, "{count}");
    // The device did get them, where they were in their place.
    let arrived = device.fake.secrets.lock().unwrap().clone();
    assert!(arrived.len() > 15 && arrived.iter().all(|secret| secret.starts_with("planted-secret-")));

    for path in [
        "/state",
        "/stores",
        "/log",
        "/log/file",
        "/tasks",
        "/tokens",
        "/store-types",
    ] {
        seen.push_str(&owner.get(path).await.text());
    }
    device.fake.write_log("the end");
    let mut events: Vec<Value> = Vec::new();
    while events.last().is_none_or(|event| event["data"]["text"] != "the end") {
        events.push(stream.next().await.unwrap());
    }
    let logged = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(
        logged.contains("asked for:") && logged.contains("wrong password"),
        "nothing was captured"
    );
    let kept = fs::read_to_string(device.file("access.json")).unwrap();
    for (what, text) in [
        ("an answer", seen),
        ("an event", json!(events).to_string()),
        ("the log", logged),
        ("access.json", kept),
    ] {
        if let Some(at) = text.find("planted-secret") {
            let from = text.floor_char_boundary(at.saturating_sub(200));
            let to = text.floor_char_boundary((at + 100).min(text.len()));
            panic!("{what} holds a secret: {}", &text[from..to]);
        }
    }
}
