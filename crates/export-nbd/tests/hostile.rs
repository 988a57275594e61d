//! Clients that break the protocol, stall or vanish: the server stays up, others are not disturbed, nothing is written
//! that was not sent whole.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, their helpers too")]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use block::Operation;
use export_nbd::{Options, feed};
use support::{Running, devices::TestDevice, export, patient, pattern, raw::*, until};

const SIZE: u64 = 1 << 20;

async fn start(options: Options) -> (Arc<TestDevice>, Running, Bystander) {
    let device = TestDevice::new(SIZE);
    let server = Running::tcp(vec![export("disk", device.as_disk())], options).await;
    let (mut raw, ..) = Raw::enter(server.socket(), "disk", true).await;
    assert_eq!(raw.write(0, 0, &pattern(0, 512)).await.error(), 0);
    (device, server, Bystander(raw))
}

/// A well-behaved client who must not notice anything.
struct Bystander(Raw);

impl Bystander {
    async fn is_well(&mut self) {
        let Reply::Chunk { kind: 1, body, .. } = self.0.ask(DF, READ, 0, 512).await else {
            panic!("data")
        };
        assert!(body[8..] == pattern(0, 512));
    }
}

fn option(magic: u64, kind: u32, length: u32) -> Vec<u8> {
    let mut bytes = magic.to_be_bytes().to_vec();
    bytes.extend(kind.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes
}

#[tokio::test]
async fn a_broken_handshake_is_closed() {
    let (_device, server, mut bystander) = start(Options::default()).await;
    let hello = |flags: u32, rest: Vec<u8>| [flags.to_be_bytes().to_vec(), rest].concat();
    let broken = [
        hello(4, vec![]),
        hello(u32::MAX, vec![]),
        hello(3, option(0, OPT_LIST, 0)),
        hello(3, option(u64::from_be_bytes(*b"NBDMAGIC"), OPT_GO, 0)),
        hello(3, option(IHAVEOPT, OPT_GO, u32::MAX)),
        hello(3, option(IHAVEOPT, 4711, 1 << 20)),
        hello(3, option(IHAVEOPT, OPT_EXPORT_NAME, 300 << 10)),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
    ];
    let count = broken.len() as u64;
    for bytes in broken {
        let mut raw = Raw::connect(server.socket()).await;
        raw.take(18).await;
        raw.send(&bytes).await;
        assert!(raw.rest().await.is_empty(), "{bytes:?}");
        bystander.is_well().await;
    }
    assert_eq!(server.stop().await.violations, count);
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_says_who_was_closed_and_why() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (_device, server, _bystander) = start(Options::default()).await;
    let (mut raw, ..) = Raw::enter(server.socket(), "disk", true).await;
    let peer = raw.stream.local_addr().unwrap();
    raw.send(&[0; 28]).await;
    raw.rest().await;
    server.stop().await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = log.lines().find(|line| line.contains("WARN")).expect("a warning");
    assert!(line.contains(&format!("peer={peer}")), "{line}");
    assert!(line.contains("starts with 0x00000000"), "{line}");
}

#[tokio::test]
async fn endless_options_are_cut_off() {
    let (_device, server, mut bystander) = start(Options::default()).await;
    let mut raw = Raw::greet(server.socket(), 3).await;
    let mut sent = 0;
    let noise = [option(IHAVEOPT, 4711, 16 << 10), vec![0; 16 << 10]].concat();
    // The server may hang up in the middle of sending.
    while tokio::io::AsyncWriteExt::write_all(&mut raw.stream, &noise)
        .await
        .is_ok()
    {
        sent += noise.len();
        assert!(sent < 16 << 20, "still listening after {sent} bytes");
    }
    raw.rest().await;
    bystander.is_well().await;
    assert_eq!(server.stop().await.violations, 1);
}

#[tokio::test]
async fn a_slow_handshake_is_cut_off_as_a_whole() {
    let options = Options {
        handshake_timeout: Duration::from_millis(300),
        ..Options::default()
    };
    let (_device, server, mut bystander) = start(options).await;
    // One says nothing; one speaks a byte at a time and never ends; one asks on and on.
    let mut silent = Raw::connect(server.socket()).await;
    silent.take(18).await;
    let mut slow = Raw::greet(server.socket(), 3).await;
    let mut busy = Raw::greet(server.socket(), 3).await;
    let drip = async {
        for byte in option(IHAVEOPT, OPT_GO, 100_000).into_iter().cycle() {
            if tokio::io::AsyncWriteExt::write_all(&mut slow.stream, &[byte])
                .await
                .is_err()
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let chatter = async {
        while tokio::io::AsyncWriteExt::write_all(&mut busy.stream, &option(IHAVEOPT, OPT_LIST, 0))
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    patient(async { tokio::join!(drip, chatter) }).await;
    assert!(silent.rest().await.is_empty());
    bystander.is_well().await;
    assert_eq!(server.stop().await.violations, 3);
}

#[tokio::test]
async fn a_broken_request_is_closed_and_what_was_under_way_is_finished() {
    let (device, server, mut bystander) = start(Options::default()).await;
    let mut old_magic = request(0, READ, 1, 0, 512);
    old_magic[..4].copy_from_slice(&0x1256_0953_u32.to_be_bytes());
    let broken = [
        vec![0; 28],
        old_magic,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        request(0, WRITE, 1, 0, (32 << 20) + 512),
        request(0, WRITE, 1, 0, u32::MAX),
    ];
    let count = broken.len();
    for bytes in broken {
        let (mut raw, ..) = Raw::enter(server.socket(), "disk", true).await;
        raw.request(0, READ, 77, 0, 512).await;
        raw.send(&bytes).await;
        assert_eq!(raw.reply().await.cookie(), 77);
        assert!(raw.rest().await.is_empty());
        bystander.is_well().await;
    }
    assert_eq!(device.count(Operation::Write), 1, "the bystander's only");
    assert_eq!(server.stop().await.violations, count as u64);
}

#[tokio::test]
async fn half_a_write_is_no_write() {
    let (device, server, mut bystander) = start(Options::default()).await;
    for length in [512_usize, 64 << 10, 1 << 20] {
        for sent in [0, 1, length / 2, length - 1] {
            let (mut raw, ..) = Raw::enter(server.socket(), "disk", true).await;
            raw.request(0, WRITE, 1, 0, length as u32).await;
            raw.send(&vec![0xEE; sent]).await;
            tokio::io::AsyncWriteExt::shutdown(&mut raw.stream).await.unwrap();
            assert!(raw.rest().await.is_empty(), "no reply to {sent} of {length} bytes");
        }
    }
    bystander.is_well().await;
    assert_eq!(device.count(Operation::Write), 1);
    // Going away is no crime.
    assert_eq!(server.stop().await.violations, 0);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_no_longer_served() {
    const MEMORY: u32 = 1 << 20;
    let options = Options {
        memory_per_client: MEMORY,
        requests_per_client: 16,
        ..Options::default()
    };
    let (device, server, mut bystander) = start(options).await;
    device.log.lock().unwrap().clear();
    let (raw, ..) = Raw::enter(server.socket(), "disk", false).await;
    // Sent until the server takes no more, however long the others are served meanwhile. Replies carry data, since
    // simple ones know no holes.
    let greedy = async {
        loop {
            while raw.stream.try_write(&request(0, READ, 1, 0, 256 << 10)).is_ok() {}
            let before = device.count(Operation::Read);
            for _ in 0..20 {
                bystander.is_well().await;
            }
            if device.count(Operation::Read) == before + 20 {
                break;
            }
        }
    };
    patient(greedy).await;
    // What was read is what fits into the sockets' buffers and the budget, not what was asked for.
    let bytes: u64 = device.log.lock().unwrap().iter().map(|entry| entry.2).sum();
    assert!(bytes < 64 << 20, "{bytes} bytes read for a client that takes none");
}

#[tokio::test]
async fn requests_without_payload_are_bounded_too() {
    let options = Options {
        requests_per_client: 8,
        ..Options::default()
    };
    let (device, server, mut bystander) = start(options).await;
    let gate = device.hold(4096);
    let (mut raw, ..) = Raw::enter(server.socket(), "disk", true).await;
    for cookie in 0..100 {
        raw.request(0, TRIM, cookie, 4096, 512).await;
    }
    until("eight are at the disk", || device.count(Operation::Discard) == 8).await;
    bystander.is_well().await;
    assert_eq!(device.count(Operation::Discard), 8, "and no more");
    gate.close();
    for _ in 0..100 {
        assert_eq!(raw.reply().await.error(), 0);
    }
}

#[tokio::test]
async fn a_write_larger_than_the_budget_is_served_alone() {
    let options = Options {
        memory_per_client: 64 << 10,
        ..Options::default()
    };
    let (device, server, mut bystander) = start(options).await;
    let (mut raw, ..) = Raw::enter(server.socket(), "disk", true).await;
    assert_eq!(raw.write(0, 0, &pattern(0, 1 << 20)).await.error(), 0);
    assert_eq!(device.count(Operation::Write), 2);
    bystander.is_well().await;
}

#[tokio::test]
async fn too_many_clients_are_turned_away_until_one_leaves() {
    let options = Options {
        max_clients: 2,
        ..Options::default()
    };
    let (_device, server, mut bystander) = start(options).await;
    let (mut second, ..) = Raw::enter(server.socket(), "disk", true).await;
    let mut third = Raw::connect(server.socket()).await;
    assert!(third.rest().await.is_empty(), "not even greeted");
    bystander.is_well().await;
    second.request(0, DISC, 0, 0, 0).await;
    assert!(second.rest().await.is_empty());
    // The place is free a moment after the connection has ended.
    let again = async {
        loop {
            let mut raw = Raw::connect(server.socket()).await;
            let mut greeting = [0; 18];
            if tokio::io::AsyncReadExt::read_exact(&mut raw.stream, &mut greeting)
                .await
                .is_ok()
            {
                break;
            }
        }
    };
    patient(again).await;
    assert!(server.stop().await.refused >= 1);
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way_and_lets_nobody_in() {
    let (device, server, bystander) = start(Options::default()).await;
    let gate = device.hold(8192);
    let mut raw = bystander.0;
    raw.request(0, WRITE, 5, 8192, 512).await;
    raw.send(&pattern(0, 512)).await;
    until("the write is at the disk", || device.count(Operation::Write) == 2).await;
    let mut haggling = Raw::greet(server.socket(), 3).await;
    let address = server.socket();
    server.request_stop();
    assert!(haggling.rest().await.is_empty(), "a handshake is dropped");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens");
    gate.close();
    let reply = raw.reply().await;
    assert_eq!((reply.cookie(), reply.error()), (5, 0));
    assert!(raw.rest().await.is_empty());
    assert_eq!(server.stop().await.clients, 2);
}

#[tokio::test]
async fn stopping_waits_no_longer_than_the_grace_time() {
    let options = Options {
        grace: Duration::from_millis(50),
        ..Options::default()
    };
    let (device, server, bystander) = start(options).await;
    let _gate = device.hold(8192);
    let mut raw = bystander.0;
    raw.request(0, READ, 5, 8192, 512).await;
    until("the read is at the disk", || device.count(Operation::Read) == 1).await;
    server.stop().await;
    assert!(raw.rest().await.is_empty(), "closed without a reply");
}

#[test]
fn whole_conversations_can_be_fed_from_memory() {
    let hello = 3_u32.to_be_bytes();
    let enter = [&hello[..], &option(IHAVEOPT, OPT_EXPORT_NAME, 0)].concat();
    let transmission = [
        request(0, WRITE, 1, 0, 512),
        pattern(0, 512),
        request(0, READ, 2, 0, 512),
        request(0, DISC, 3, 0, 0),
    ];
    let conversation = [enter, transmission.concat()].concat();
    let (answer, ended) = feed(&conversation);
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(answer.len(), 18 + 10 + 16 + 16 + 512);
    assert!(answer.ends_with(&pattern(0, 512)));
    // Every cut and every flipped byte is survived.
    for at in 0..conversation.len() {
        let _ = feed(&conversation[..at]);
        let mut flipped = conversation.clone();
        flipped[at] ^= 0x81;
        let _ = feed(&flipped);
    }
}
