//! Strangers that take more than their share of the real program, within the bounds that it really has: an honest phone is
//! answered meanwhile, and the program does not grow.

use std::{future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use reqwest::Method;
use testkit::process::Process;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    time::timeout,
};

use crate::{
    phone::{Device, Phone},
    support::PATIENCE,
};

/// The most memory of its own that the program, built without optimisation, may ever have had. It has 12 MiB when it does
/// nothing, and 19 MiB more while a password is hashed, one at a time.
const MOST_KIB: u64 = 40 << 10;

/// A connection from 127.0.0.N, which is N's own peer.
async fn connect(phone: &Phone, n: u8) -> TcpStream {
    let address: SocketAddr = phone.base.trim_start_matches("http://").parse().expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, n], 0).into()).expect("an address of its own");
    let connected = timeout(PATIENCE, socket.connect(address)).await;
    connected.expect("in time").expect("a connection")
}

/// The head of a request as the phone would send it.
fn head(phone: &Phone, method: &str, path: &str, more: &str) -> String {
    let host = phone.base.trim_start_matches("http://");
    let cookie = phone.cookie.as_deref().unwrap_or_default();
    format!("{method} /api/v1{path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n{more}\r\n")
}

/// The status and head of an answer, or nothing if the connection ends before.
async fn answer(wire: &mut TcpStream) -> Option<(u16, String)> {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, async {
        while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
            if !matches!(wire.read_buf(&mut bytes).await, Ok(1..)) {
                return;
            }
        }
    });
    read.await.expect("an answer in time");
    let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let status = text.strip_prefix("http/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, text))
}

/// Lets an honest phone ask all the while, as often as a page would, and be answered well every time.
async fn honestly<T>(phone: &Phone, flood: impl Future<Output = T>) -> T {
    let mut flood = pin!(flood);
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    let mut answered = 0;
    loop {
        let ask = async {
            pace.tick().await;
            phone.get("/state").await
        };
        tokio::select! {
            done = &mut flood => {
                if answered == 0 {
                    // It was over before anybody had asked.
                    phone.get("/state").await.ok();
                }
                return done;
            }
            answer = ask => {
                answer.ok();
                answered += 1;
            }
        }
    }
}

/// The most memory that a program ever had, in KiB, without what is mapped of its file and its libraries: that is large without
/// optimisation, and no flood changes it.
fn peak(daemon: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("it runs");
    let kibibytes = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("a number of KiB")
    };
    kibibytes("VmHWM:").saturating_sub(kibibytes("RssFile:"))
}

#[track_caller]
fn has_not_grown(device: &Device) {
    let peak = peak(device.daemon());
    println!("at most {peak} KiB of its own");
    assert!(peak < MOST_KIB, "{peak} KiB were resident, {MOST_KIB} may be");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_slow_clients_do_not_stop_an_honest_one() {
    let (device, phone) = Device::claimed("").await;
    let attack = async {
        let mut slow = Vec::new();
        for _ in 0..200 {
            let mut wire = connect(&phone, 66).await;
            let _ = wire.write_all(b"GET /api/v1/hello HTTP/1.1\r\nhost: ").await;
            slow.push(wire);
        }
        // A byte now and then buys no time: all of them are cut off.
        for wire in &mut slow {
            let mut rest = Vec::new();
            let ends = timeout(PATIENCE, async {
                loop {
                    let fed = wire.write_all(b"1").await;
                    let read = timeout(Duration::from_millis(50), wire.read_buf(&mut rest)).await;
                    if fed.is_err() || matches!(read, Ok(Ok(0) | Err(_))) {
                        return;
                    }
                }
            });
            ends.await.expect("a slow client was never cut off");
        }
    };
    honestly(&phone, attack).await;
    let mut again = connect(&phone, 66).await;
    let asked = head(&phone, "GET", "/hello", "connection: close\r\n");
    again.write_all(asked.as_bytes()).await.unwrap();
    assert_eq!(
        answer(&mut again).await.expect("an answer").0,
        200,
        "there is room again"
    );
    has_not_grown(&device);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_subscribers_are_refused_politely() {
    let (device, phone) = Device::claimed("").await;
    // Somebody with a stolen session, at two addresses, each with fewer connections at once than one peer may have.
    let places = [66, 67].map(|n| (n, Arc::new(Semaphore::new(8))));
    let attack = async {
        let subscribers = (0..10_000_usize).map(|number| {
            let (n, at_once) = places[number % 2].clone();
            let phone = phone.clone();
            tokio::spawn(async move {
                let turn = at_once.acquire_owned().await.expect("nobody closes it");
                let mut wire = connect(&phone, n).await;
                let request = head(&phone, "GET", "/events", "connection: close\r\n");
                wire.write_all(request.as_bytes()).await.expect("it is taken");
                let (status, head) = answer(&mut wire).await.expect("nobody is cut off without a word");
                let stream = (status == 200).then_some(wire);
                drop(turn);
                (status, head, stream)
            })
        });
        let (mut streams, mut refused) = (Vec::new(), 0);
        for subscriber in subscribers.collect::<Vec<_>>() {
            let (status, head, stream) = subscriber.await.expect("no panic");
            match stream {
                Some(stream) => streams.push(stream),
                None => {
                    refused += 1;
                    assert!(
                        matches!(status, 429 | 503) && head.contains("\r\nretry-after: "),
                        "{head}"
                    );
                }
            }
        }
        assert_eq!((streams.len(), refused), (8, 9992), "one session has eight streams");
        streams
    };
    let streams = honestly(&phone, attack).await;
    has_not_grown(&device);
    drop(streams);
    assert_eq!(phone.get("/state").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_a_gibibyte_are_refused_and_held_nowhere() {
    let (device, phone) = Device::claimed("").await;
    let attack = async {
        let senders = (0..16_u8).map(|number| {
            let phone = phone.clone();
            tokio::spawn(async move {
                let mut wire = connect(&phone, 66).await;
                // Half of them say how much it will be, half of them do not.
                let length = match number % 2 {
                    0 => format!("content-length: {}\r\n", 1 << 30),
                    _ => "transfer-encoding: chunked\r\n".to_owned(),
                };
                let path = ["/session", "/claim"][usize::from(number / 2 % 2)];
                let more = format!("content-type: application/json\r\n{length}");
                let request = head(&phone, "POST", path, &more);
                wire.write_all(request.as_bytes()).await.expect("it is taken");
                let spaces = " ".repeat(0x1000);
                let piece = match number % 2 {
                    0 => spaces,
                    _ => format!("1000\r\n{spaces}\r\n"),
                };
                let mut sent = 0;
                let ends = timeout(PATIENCE, async {
                    while sent < 1 << 30 && wire.write_all(piece.as_bytes()).await.is_ok() {
                        sent += 0x1000;
                    }
                });
                ends.await.expect("the device neither takes it nor refuses it");
                sent
            })
        });
        for sender in senders.collect::<Vec<_>>() {
            let sent = sender.await.expect("no panic");
            assert!(sent < 64 << 20, "{sent} bytes were taken");
        }
    };
    honestly(&phone, attack).await;
    has_not_grown(&device);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_does_not_stop_the_device() {
    let (device, phone) = Device::claimed("").await;
    let body = "x".repeat(8 << 20);
    let big = phone
        .request(Method::PUT, "/stores/card", None)
        .header("content-type", "application/json")
        .body(body);
    // The answer may come before the body has gone out, which some clients take for an error.
    if let Ok(answer) = big.send().await {
        assert_eq!(answer.status(), 413);
    }
    let stranger = device.phone();
    let requests = (0..600).map(|_| {
        let request = stranger.request(Method::GET, "/hello", None);
        tokio::spawn(async move { request.send().await.map(|answer| answer.status().as_u16()) })
    });
    let mut refused = 0;
    for request in requests.collect::<Vec<_>>() {
        // Some are not even answered: their connection is one too many.
        refused += usize::from(matches!(request.await.expect("a client"), Ok(429 | 503) | Err(_)));
    }
    assert!(refused > 0, "nobody was told to slow down");
    // The command line of the device is not slowed down by anybody.
    assert_eq!(device.home.json(&["status"])["device"]["name"], "cloud-stick");
    has_not_grown(&device);
}
