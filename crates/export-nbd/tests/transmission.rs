//! The transmission phase, byte by byte: commands, flags, order of replies, errors.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, their helpers too")]

mod support;

use std::sync::Arc;

use block::{BlockError, Operation};
use export_nbd::{Export, Options};
use support::{Running, devices::TestDevice, export, memory, pattern, raw::*, until};

const SIZE: u64 = 1 << 20;

async fn serve(device: &Arc<TestDevice>) -> Running {
    Running::tcp(vec![export("disk", device.as_disk())], Options::default()).await
}

async fn start() -> (Arc<TestDevice>, Running, Raw) {
    let device = TestDevice::new(SIZE);
    let server = serve(&device).await;
    let (raw, ..) = Raw::enter(server.socket(), "disk", true).await;
    (device, server, raw)
}

fn chunk(done: bool, kind: u16, body: Vec<u8>) -> Reply {
    Reply::Chunk {
        done,
        kind,
        cookie: 0x1234,
        body,
    }
}

fn at(offset: u64, data: &[u8]) -> Vec<u8> {
    [&offset.to_be_bytes(), data].concat()
}

#[tokio::test]
async fn replies_come_as_requests_get_done_not_as_they_came() {
    let (device, _server, mut raw) = start().await;
    let gate = device.hold(0);
    raw.request(0, READ, 1, 0, 512).await;
    raw.request(0, READ, 2, 4096, 512).await;
    raw.request(0, FLUSH, 3, 0, 0).await;
    // The flush is held too: it is logged at offset 0.
    assert_eq!(raw.reply().await.cookie(), 2, "the second overtakes the first");
    gate.close();
    let mut rest = [raw.reply().await.cookie(), raw.reply().await.cookie()];
    rest.sort_unstable();
    assert_eq!(rest, [1, 3]);
}

#[tokio::test]
async fn reads_are_data_and_holes_and_unfragmented_ones_data_only() {
    let (_device, _server, mut raw) = start().await;
    let data = pattern(0, 64 << 10);
    assert_eq!(raw.write(0, 64 << 10, &data).await.error(), 0);
    // MemoryDevice allocates 64 KiB at a time: a hole, data, a hole.
    raw.request(0, READ, 0x1234, 0, 192 << 10).await;
    let hole = |offset: u64| at(offset, &(64_u32 << 10).to_be_bytes());
    assert_eq!(raw.reply().await, chunk(false, 2, hole(0)));
    assert_eq!(raw.reply().await, chunk(false, 1, at(64 << 10, &data)));
    assert_eq!(raw.reply().await, chunk(true, 2, hole(128 << 10)));
    let whole = [vec![0; 64 << 10], data, vec![0; 64 << 10]].concat();
    assert_eq!(raw.ask(DF, READ, 0, 192 << 10).await, chunk(true, 1, at(0, &whole)));
    assert_eq!(
        raw.ask(0, READ, 512, 512).await,
        chunk(true, 2, at(512, &512_u32.to_be_bytes()))
    );
    assert_eq!(
        raw.ask(0, READ, 512, 0).await,
        chunk(true, 0, vec![]),
        "nothing is read as nothing"
    );
}

#[tokio::test]
async fn simple_replies_carry_their_data_or_an_error() {
    let device = TestDevice::new(SIZE);
    let server = serve(&device).await;
    let (mut raw, flags, _) = Raw::enter(server.socket(), "disk", false).await;
    assert_eq!(flags & (1 << 7), 0);
    let data = pattern(0, 4096);
    assert_eq!(raw.write(0, 0, &data).await.error(), 0);
    assert_eq!(raw.ask(0, READ, 0, 8192).await.error(), 0);
    assert_eq!(raw.take(8192).await, [data, vec![0; 4096]].concat());
    assert_eq!(
        raw.ask(DF, READ, 0, 4096).await,
        Reply::Simple {
            error: 22,
            cookie: 0x1234
        }
    );
    assert_eq!(
        raw.ask(0, BLOCK_STATUS, 0, 4096).await,
        Reply::Simple {
            error: 22,
            cookie: 0x1234
        }
    );
    device.fail(Some(BlockError::io("test", "broken")));
    assert_eq!(
        raw.ask(0, READ, 0, 4096).await,
        Reply::Simple {
            error: 5,
            cookie: 0x1234
        }
    );
    device.fail(None);
    assert_eq!(raw.ask(0, FLUSH, 0, 0).await.error(), 0, "no data came with the error");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_and_reach_no_disk() {
    let (device, _server, mut raw) = start().await;
    for (flags, command, offset, length, error) in [
        (0, READ, 1, 512, 22),
        (0, READ, 0, 511, 22),
        (0, READ, SIZE, 512, 22),
        (0, READ, SIZE - 512, 1024, 22),
        (0, READ, u64::MAX - 511, 512, 22),
        (0, READ, u64::MAX - 511, 1024, 22),
        (0, READ, 0, u32::MAX - 511, 22),
        (NO_HOLE, READ, 0, 512, 22),
        (1 << 15, READ, 0, 512, 22),
        (0, TRIM, SIZE, 512, 22),
        (0, TRIM, 0, u32::MAX - 511, 22),
        (DF, TRIM, 0, 512, 22),
        (0, WRITE_ZEROES, SIZE, 512, 28),
        (0, WRITE_ZEROES, 100, 512, 22),
        (REQ_ONE, WRITE_ZEROES, 0, 512, 22),
        (0, CACHE, SIZE, 512, 22),
        (DF, CACHE, 0, 512, 22),
        (DF, FLUSH, 0, 0, 22),
        (0, BLOCK_STATUS, 0, 0, 22),
        (0, BLOCK_STATUS, SIZE, 512, 22),
        (FAST_ZERO, BLOCK_STATUS, 0, 512, 22),
        (0, 8, 0, 512, 22),
        (0, 999, 0, 0, 22),
        (0, u16::MAX, u64::MAX, u32::MAX, 22),
    ] {
        let reply = raw.ask(flags, command, offset, length).await;
        assert_eq!(
            reply.error(),
            error,
            "command {command} flags {flags} {offset}+{length}: {reply:?}"
        );
        let Reply::Chunk {
            done: true,
            kind: 0x8001,
            body,
            ..
        } = reply
        else {
            panic!("an error chunk with a text")
        };
        assert!(body.len() > 6);
    }
    assert!(device.log.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_payload_of_a_refused_write_is_skipped() {
    let (device, _server, mut raw) = start().await;
    for (flags, offset, length, error) in [
        (0, 1, 512, 22),
        (0, 0, 1000, 22),
        (0, SIZE, 512, 28),
        (0, SIZE - 512, 100 << 10, 28),
        (DF, 0, 70 << 10, 22),
        (0, u64::MAX - 511, 4096, 28),
    ] {
        assert_eq!(
            raw.write(flags, offset, &pattern(0, length)).await.error(),
            error,
            "{offset}+{length}"
        );
    }
    assert_eq!(raw.ask(0, FLUSH, 0, 0).await.error(), 0, "still in step");
    assert_eq!(device.count(Operation::Write), 0);
}

#[tokio::test]
async fn writes_of_every_size_arrive_whole() {
    let (_device, _server, mut raw) = start().await;
    let mut at = 0;
    // Around the sizes at which payloads take another way in.
    for length in [
        512,
        7 << 10,
        8 << 10,
        16 << 10,
        (16 << 10) + 512,
        24 << 10,
        100 << 10,
        512 << 10,
    ] {
        let data = pattern(at, length);
        assert_eq!(raw.write(0, at, &data).await.error(), 0);
        raw.request(DF, READ, 7, at, length as u32).await;
        let Reply::Chunk { body, .. } = raw.reply().await else {
            panic!("data")
        };
        assert!(body[8..] == data, "{length} bytes");
        at += length as u64;
    }
    // Requests one behind the other in one segment of the stream.
    let mut burst = Vec::new();
    for index in 0..60_u64 {
        burst.extend(request(0, WRITE, index, index * 1024, 1024));
        burst.extend(pattern(index, 1024));
    }
    raw.send(&burst).await;
    for _ in 0..60 {
        assert_eq!(raw.reply().await.error(), 0);
    }
    for index in 0..60_u64 {
        let Reply::Chunk { body, .. } = raw.ask(DF, READ, index * 1024, 1024).await else {
            panic!("data")
        };
        assert!(body[8..] == pattern(index, 1024));
    }
}

#[tokio::test]
async fn flags_reach_the_disk_and_fua_is_taken_everywhere() {
    let (device, _server, mut raw) = start().await;
    assert_eq!(raw.write(FUA, 0, &pattern(0, 512)).await.error(), 0);
    for command in [READ, FLUSH, CACHE, BLOCK_STATUS, WRITE_ZEROES] {
        assert_eq!(raw.ask(FUA, command, 0, 512).await.error(), 0, "command {command}");
    }
    assert_eq!(device.count(Operation::Flush), 1);
    assert_eq!(raw.ask(FUA, TRIM, 0, 512).await.error(), 0);
    assert_eq!(device.count(Operation::Flush), 2, "a durable trim needs a flush");
    assert_eq!(
        raw.ask(NO_HOLE | FAST_ZERO | FUA, WRITE_ZEROES, 0, 512).await.error(),
        0
    );
}

#[tokio::test]
async fn zeroes_that_cannot_be_fast_are_not_supported_only_if_they_had_to_be() {
    let (device, _server, mut raw) = start().await;
    device.fail(Some(BlockError::Unsupported {
        disk: "test".into(),
        operation: "fast zeroes".into(),
    }));
    assert_eq!(raw.ask(FAST_ZERO, WRITE_ZEROES, 0, 512).await.error(), 95);
    assert_eq!(raw.ask(0, WRITE_ZEROES, 0, 512).await.error(), 22);
}

#[tokio::test]
async fn a_failure_of_the_disk_is_told_in_words() {
    let (device, _server, mut raw) = start().await;
    device.fail(Some(BlockError::no_space("test", "the quota is used up")));
    let Reply::Chunk { kind, body, .. } = raw.write(0, 0, &pattern(0, 512)).await else {
        panic!("an error chunk")
    };
    assert_eq!((kind, be32(&body)), (0x8001, 28));
    assert_eq!(&body[6..], b"test: no space left: the quota is used up");
    device.fail(None);
    assert_eq!(raw.write(0, 0, &pattern(0, 512)).await.error(), 0);
}

#[tokio::test]
async fn block_status_is_the_disks_extents() {
    let (_device, _server, mut raw) = start().await;
    raw.write(0, 64 << 10, &pattern(0, 512)).await;
    let extents = |reply: Reply| match reply {
        Reply::Chunk {
            done: true,
            kind: 5,
            body,
            ..
        } => {
            assert_eq!(be32(&body), 1);
            body[4..]
                .chunks(8)
                .map(|pair| (be32(pair), be32(&pair[4..])))
                .collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let all = extents(raw.ask(0, BLOCK_STATUS, 0, SIZE as u32).await);
    assert_eq!(all, [(64 << 10, 3), (64 << 10, 0), (SIZE as u32 - (128 << 10), 3)]);
    assert_eq!(extents(raw.ask(REQ_ONE, BLOCK_STATUS, 512, 4096).await), [(4096, 3)]);
    assert_eq!(
        extents(raw.ask(REQ_ONE, BLOCK_STATUS, 0, SIZE as u32).await),
        [(64 << 10, 3)]
    );
}

#[tokio::test]
async fn a_read_only_export_cannot_be_changed() {
    let device = TestDevice::new(SIZE);
    let read_only = Export {
        read_only: true,
        ..export("disk", device.as_disk())
    };
    let server = Running::tcp(vec![read_only], Options::default()).await;
    let (mut raw, flags, _) = Raw::enter(server.socket(), "disk", true).await;
    assert_eq!(flags & 2, 2);
    assert_eq!(raw.write(0, 0, &pattern(0, 4096)).await.error(), 1);
    for command in [TRIM, WRITE_ZEROES] {
        assert_eq!(raw.ask(0, command, 0, 512).await.error(), 1);
    }
    for command in [READ, FLUSH, BLOCK_STATUS, CACHE] {
        assert_eq!(raw.ask(0, command, 0, 512).await.error(), 0);
    }
    assert_eq!(device.count(Operation::Write), 0);
}

#[tokio::test]
async fn read_ahead_reads_only_where_it_was_asked_for() {
    for (cache_reads, reads) in [(false, 0), (true, 3)] {
        let device = TestDevice::new(4 * SIZE);
        let options = Options {
            cache_reads,
            ..Options::default()
        };
        let server = Running::tcp(vec![export("disk", device.as_disk())], options).await;
        let (mut raw, ..) = Raw::enter(server.socket(), "disk", true).await;
        assert_eq!(raw.ask(0, CACHE, 512, (2 << 20) + 512).await.error(), 0);
        assert_eq!(device.count(Operation::Read), reads);
    }
}

#[tokio::test]
async fn a_flush_on_one_connection_finds_the_writes_of_another() {
    let (device, server, mut raw) = start().await;
    let (mut other, ..) = Raw::enter(server.socket(), "disk", false).await;
    raw.write(0, 0, &pattern(0, 512)).await;
    assert_eq!(other.ask(0, FLUSH, 0, 0).await.error(), 0);
    let log: Vec<_> = device.log.lock().unwrap().iter().map(|entry| entry.0).collect();
    assert_eq!(log, [Operation::Write, Operation::Flush], "one disk below both");
}

#[tokio::test]
async fn a_goodbye_waits_for_what_is_under_way() {
    for half_close in [false, true] {
        let (device, _server, mut raw) = start().await;
        let gate = device.hold(4096);
        raw.request(0, WRITE, 1, 4096, 512).await;
        raw.send(&pattern(0, 512)).await;
        if half_close {
            // A client may also just stop sending.
            tokio::io::AsyncWriteExt::shutdown(&mut raw.stream).await.unwrap();
        } else {
            raw.request(0, DISC, 2, 0, 0).await;
        }
        until("the write is at the disk", || device.count(Operation::Write) == 1).await;
        gate.close();
        assert_eq!(raw.reply().await.cookie(), 1);
        assert!(raw.rest().await.is_empty(), "closed, and no reply to the goodbye");
    }
}

#[tokio::test]
async fn many_exports_keep_apart() {
    let exports = (0..5).map(|n| export(&format!("disk{n}"), memory(SIZE << n))).collect();
    let server = Running::tcp(exports, Options::default()).await;
    for n in 0..5_u64 {
        let (mut raw, _, size) = Raw::enter(server.socket(), &format!("disk{n}"), true).await;
        assert_eq!(size, SIZE << n);
        assert_eq!(raw.write(0, 0, &pattern(n, 512)).await.error(), 0);
    }
    for n in 0..5_u64 {
        let (mut raw, ..) = Raw::enter(server.socket(), &format!("disk{n}"), true).await;
        let Reply::Chunk { body, .. } = raw.ask(DF, READ, 0, 512).await else {
            panic!("data")
        };
        assert!(body[8..] == pattern(n, 512));
    }
}
