//! Clients that take more than their share.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Semaphore,
};
use web::server::{Limits, Rate};

use crate::support::{Answer, Device, Setup, address, until};

#[tokio::test]
async fn a_body_of_a_gibibyte_is_refused_before_it_comes() {
    let (_device, owner) = Device::claimed().await;
    for path in [
        "/api/v1/session",
        "/api/v1/device/name",
        "/api/v1/stores/card",
        "/api/v1/configuration/restore",
    ] {
        let method = match path {
            "/api/v1/device/name" | "/api/v1/stores/card" => "PUT",
            _ => "POST",
        };
        let mut wire = owner.connect().await;
        let more = "content-type: application/json\r\ncontent-length: 1073741824\r\n";
        let head = owner.head(method, path, None, more);
        wire.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        until("the answer is there", async || {
            let read = wire.read_buf(&mut bytes).await.unwrap_or(0);
            read == 0 || Answer::parse(&bytes).is_some_and(|answer| answer.text().ends_with('}'))
        })
        .await;
        Answer::parse(&bytes).unwrap().is(413, "too_large");
    }
}

#[tokio::test]
async fn a_body_without_an_end_is_cut_off() {
    let (_device, owner) = Device::claimed().await;
    let mut wire = owner.connect().await;
    let more = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    let head = owner.head("POST", "/api/v1/session", None, more);
    wire.write_all(head.as_bytes()).await.unwrap();
    let mut sent = 0;
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    // Until the server has had enough.
    while sent < 64 << 20 && wire.write_all(chunk.as_bytes()).await.is_ok() {
        sent += 0x1000;
    }
    assert!(sent < 64 << 20, "{sent} bytes were taken");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let device = Setup::new()
        .with(|options| options.limits.body = Duration::from_millis(300))
        .start()
        .await;
    let client = device.client();
    let mut wire = client.connect().await;
    let more = "content-type: application/json\r\ncontent-length: 100\r\nconnection: close\r\n";
    wire.write_all(client.head("POST", "/api/v1/claim", None, more).as_bytes())
        .await
        .unwrap();
    wire.write_all(b"{\"password\":").await.unwrap();
    let mut bytes = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(60), wire.read_to_end(&mut bytes)).await;
    ended.expect("it is waited for").unwrap();
    Answer::parse(&bytes).unwrap().is(408, "timeout");
}

#[tokio::test]
async fn two_hundred_slow_clients_do_not_stop_an_honest_one() {
    let device = Setup::new()
        .with(|options| options.limits.head = Duration::from_millis(1500))
        .start()
        .await;
    let owner = device.claim().await;
    let attacker = device.client().from(address(66));
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut wire = attacker.connect().await;
        let _ = wire.write_all(b"GET /api/v1/hello HTTP/1.1\r\nhost: ").await;
        slow.push(wire);
    }
    assert_eq!(owner.get("/state").await.status, 200);
    // One byte now and then buys no time: all of them end.
    for wire in &mut slow {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                let fed = wire.write_all(b"1").await;
                let read = tokio::time::timeout(Duration::from_millis(50), wire.read_buf(&mut rest)).await;
                if fed.is_err() || matches!(read, Ok(Ok(0) | Err(_))) {
                    return;
                }
            }
        });
        ended.await.expect("a slow client was never cut off");
    }
    assert_eq!(attacker.get("/hello").await.status, 200);
}

#[tokio::test]
async fn idle_connections_end() {
    let device = Setup::new()
        .with(|options| options.limits.head = Duration::from_millis(300))
        .start()
        .await;
    let client = device.client();
    let mut wire = client.connect().await;
    wire.write_all(client.head("GET", "/api/v1/hello", None, "").as_bytes())
        .await
        .unwrap();
    let mut bytes = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(60), wire.read_to_end(&mut bytes)).await;
    ended.expect("an idle connection stays").unwrap();
    assert_eq!(Answer::parse(&bytes).unwrap().status, 200);
}

#[tokio::test]
async fn ten_thousand_subscribers_are_refused_politely() {
    let (device, owner) = Device::claimed().await;
    // Each from an address of its own as far as that goes: the connections of one peer are bounded, too.
    let at_once = Arc::new(Semaphore::new(40));
    let all = (0..10_000_u32).map(|n| {
        let client = owner.clone().from(address(100 + (n % 20) as u8));
        let at_once = at_once.clone();
        async move {
            let turn = at_once.acquire().await.unwrap();
            let got = client.events("").await;
            drop(turn);
            got
        }
    });
    let (mut streams, mut refused) = (Vec::new(), 0);
    for got in futures::future::join_all(all).await {
        match got {
            Ok(stream) => streams.push(stream),
            Err(answer) => {
                refused += 1;
                assert!(matches!(answer.status, 429 | 503), "{answer:?}");
                assert_eq!(answer.code(), "too_many");
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            }
        }
    }
    assert_eq!((streams.len(), refused), (8, 9992), "one session has eight streams");
    let other = device.sign_in().await;
    let mut stream = other.events("").await.unwrap();
    assert_eq!(stream.next().await.unwrap()["event"], "state");
    streams.clear();
    until("there is room again", async || owner.events("").await.is_ok()).await;
}

#[tokio::test]
async fn all_sessions_together_have_twenty_four_streams() {
    let (device, owner) = Device::claimed().await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let client = device.sign_in().await;
        for _ in 0..8 {
            streams.push(client.events("").await.unwrap_or_else(|answer| panic!("{answer:?}")));
        }
    }
    owner.events("").await.err().unwrap().is(429, "too_many");
    drop(streams);
}

#[tokio::test]
async fn connections_of_one_peer_are_bounded_and_told_so() {
    let limits = Limits {
        connections_of_one: 4,
        ..Limits::default()
    };
    let device = Setup::new().with(|options| options.limits = limits).start().await;
    let client = device.client().from(address(66));
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(client.connect().await);
    }
    let refused = client.get("/hello").await;
    refused.is(503, "too_many");
    assert_eq!(refused.header("connection"), Some("close"));
    assert_eq!(device.client().from(address(67)).get("/hello").await.status, 200);
    drop(held);
    until("there is room again", async || client.get("/hello").await.status == 200).await;
}

#[tokio::test]
async fn requests_that_come_too_fast_are_told_to_wait() {
    let setup = Setup::new().with(|options| {
        options.limits.rate_of_one = Rate {
            burst: 10,
            per_second: 1,
        };
    });
    let device = setup.start().await;
    let client = device.client().from(address(66));
    for _ in 0..10 {
        assert_eq!(client.get("/hello").await.status, 200);
    }
    let refused = client.get("/hello").await;
    refused.is(429, "too_many");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(device.client().get("/hello").await.status, 200);
    device.clock.advance(Duration::from_secs(1));
    assert_eq!(client.get("/hello").await.status, 200);
}

#[tokio::test]
async fn nonsense_harms_nobody() {
    let device = Device::unclaimed().await;
    let client = device.client();
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000));
    let headers = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(5_000));
    let nonsense: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        long.as_bytes(),
        headers.as_bytes(),
    ];
    for bytes in nonsense {
        let mut wire = client.connect().await;
        let _ = wire.write_all(bytes).await;
        let _ = wire.shutdown().await;
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(60), wire.read_to_end(&mut answer)).await;
        assert!(
            ended.is_ok(),
            "{:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
        );
        assert!(
            !answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(client.get("/hello").await.status, 200);
    assert_eq!(client.post("/claim", json!("x")).await.status, 400);
}
