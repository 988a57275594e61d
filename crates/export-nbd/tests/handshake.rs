//! The handshake, byte by byte: every option, and every way to get one wrong.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, their helpers too")]

mod support;

use export_nbd::{Export, Options};
use support::{Running, export, memory, raw::*};

const SIZE: u64 = 1 << 20;

async fn server() -> Running {
    let read_only = Export {
        read_only: true,
        ..export("second", memory(2 * SIZE))
    };
    Running::tcp(vec![export("first", memory(SIZE)), read_only], Options::default()).await
}

async fn greeted(server: &Running) -> Raw {
    Raw::greet(server.socket(), FIXED_NEWSTYLE | NO_ZEROES).await
}

/// Type and text of the one reply there must be.
fn refusal(replies: &[(u32, Vec<u8>)]) -> u32 {
    assert_eq!(replies.len(), 1, "{replies:?}");
    assert!(
        std::str::from_utf8(&replies[0].1).is_ok_and(|text| !text.is_empty()),
        "a text for people"
    );
    replies[0].0
}

#[tokio::test]
async fn exports_are_listed_with_their_descriptions() {
    let server = server().await;
    let mut raw = greeted(&server).await;
    let replies = raw.option(OPT_LIST, b"").await;
    assert_eq!(
        replies,
        [
            (REP_SERVER, b"\0\0\0\x05firstThe first disk".to_vec()),
            (REP_SERVER, b"\0\0\0\x06secondThe second disk".to_vec()),
            (REP_ACK, vec![]),
        ]
    );
    assert_eq!(refusal(&raw.option(OPT_LIST, b"x").await), ERR_INVALID);
    assert_eq!(raw.option(OPT_ABORT, b"").await, [(REP_ACK, vec![])]);
    assert!(raw.rest().await.is_empty(), "closed after the goodbye");
    assert_eq!(server.stop().await.violations, 0);
}

#[tokio::test]
async fn info_tells_what_was_asked_for_and_stays_in_the_handshake() {
    let server = server().await;
    let mut raw = greeted(&server).await;
    let replies = raw.option(OPT_INFO, &go("", &[1, 2, 3, 77])).await;
    let fact = |kind: u16| {
        let mut facts = replies
            .iter()
            .filter(|(reply, body)| *reply == REP_INFO && be16(body) == kind);
        let found = facts.next().map(|(_, body)| body[2..].to_vec());
        assert!(facts.next().is_none(), "fact {kind} comes once");
        found
    };
    assert_eq!(
        fact(1).unwrap(),
        b"first",
        "the default export is the first, by its canonical name"
    );
    assert_eq!(fact(2).unwrap(), b"The first disk");
    let sizes = fact(3).unwrap();
    assert_eq!(
        [be32(&sizes), be32(&sizes[4..]), be32(&sizes[8..])],
        [512, 4096, 32 << 20]
    );
    assert_eq!(be64(&fact(0).unwrap()), SIZE);
    assert_eq!(fact(77), None);
    let flags = be16(&fact(0).unwrap()[8..]);
    assert_eq!(flags & (1 << 7), 0, "DF only with structured replies");
    assert_ne!(flags & (1 << 8), 0, "several connections may share a disk");

    assert_eq!(refusal(&raw.option(OPT_INFO, &go("third", &[])).await), ERR_UNKNOWN);
    assert_eq!(refusal(&raw.option(OPT_GO, &go("third", &[])).await), ERR_UNKNOWN);
    let replies = raw.option(OPT_GO, &go("second", &[])).await;
    let (_, fact) = &replies[0];
    assert_eq!((be16(fact), be64(&fact[2..])), (0, 2 * SIZE));
    assert_eq!(be16(&fact[10..]) & 2, 2, "read-only");
}

#[tokio::test]
async fn the_old_way_in_works_with_and_without_zeroes() {
    let server = server().await;
    for (flags, padding) in [(FIXED_NEWSTYLE | NO_ZEROES, 0), (FIXED_NEWSTYLE, 124), (0, 124)] {
        let mut raw = Raw::greet(server.socket(), flags).await;
        raw.send_option(OPT_EXPORT_NAME, b"second").await;
        let answer = raw.take(10 + padding).await;
        assert_eq!(be64(&answer), 2 * SIZE);
        assert!(answer[10..].iter().all(|&byte| byte == 0));
        // Simple replies: no structured ones were negotiated.
        assert_eq!(
            raw.ask(0, FLUSH, 0, 0).await,
            Reply::Simple {
                error: 0,
                cookie: 0x1234
            }
        );
    }
}

#[tokio::test]
async fn an_unknown_export_by_the_old_way_ends_the_session() {
    let server = server().await;
    for name in [&b"third"[..], b"\xff\xfe", &[b'n'; 5000]] {
        let mut raw = greeted(&server).await;
        raw.send_option(OPT_EXPORT_NAME, name).await;
        assert!(raw.rest().await.is_empty());
    }
    assert_eq!(server.stop().await.violations, 3);
}

#[tokio::test]
async fn unknown_options_are_skipped_with_their_data() {
    let server = server().await;
    let mut raw = greeted(&server).await;
    for (option, data) in [
        (OPT_STARTTLS, vec![]),
        (OPT_EXTENDED, vec![]),
        (4, vec![1, 2, 3]),
        (4711, vec![0; 30_000]),
    ] {
        assert_eq!(refusal(&raw.option(option, &data).await), ERR_UNSUP, "option {option}");
    }
    assert_eq!(refusal(&raw.option(OPT_STARTTLS, b"x").await), ERR_INVALID);
    assert_eq!(refusal(&raw.option(4711, &[0; 60_000]).await), ERR_TOO_BIG);
    assert_eq!(raw.option(OPT_LIST, b"").await.len(), 3, "still in step");
}

#[tokio::test]
async fn malformed_options_are_refused_and_the_session_goes_on() {
    let server = server().await;
    let mut raw = greeted(&server).await;
    raw.option(OPT_STRUCTURED, b"").await;
    let mut long_name = go("first", &[]);
    long_name[..4].copy_from_slice(&u32::MAX.to_be_bytes());
    let mut many_infos = go("first", &[3]);
    many_infos[9..11].copy_from_slice(&u16::MAX.to_be_bytes());
    let mut many_queries = meta("first", &["base:allocation"]);
    many_queries[9..13].copy_from_slice(&u32::MAX.to_be_bytes());
    for (option, data) in [
        (OPT_GO, vec![]),
        (OPT_GO, long_name.clone()),
        (OPT_INFO, many_infos),
        (OPT_INFO, b"\0\0\0\x02\xff\xff\0\0".to_vec()),
        (OPT_GO, [go("first", &[]), vec![0]].concat()),
        (OPT_STRUCTURED, b"data".to_vec()),
        (OPT_SET_META, many_queries),
        (OPT_SET_META, long_name),
        (OPT_LIST_META, meta("first", &["no colon"])),
    ] {
        assert_eq!(
            refusal(&raw.option(option, &data).await),
            ERR_INVALID,
            "option {option} {data:?}"
        );
    }
    assert_eq!(raw.option(OPT_GO, &go("first", &[])).await.last().unwrap().0, REP_ACK);
}

#[tokio::test]
async fn metadata_contexts_need_structured_replies_and_an_export() {
    let server = server().await;
    let mut raw = greeted(&server).await;
    for option in [OPT_LIST_META, OPT_SET_META] {
        assert_eq!(refusal(&raw.option(option, &meta("first", &[])).await), ERR_INVALID);
    }
    raw.option(OPT_STRUCTURED, b"").await;
    for option in [OPT_LIST_META, OPT_SET_META] {
        assert_eq!(
            refusal(&raw.option(option, &meta("third", &["base:allocation"])).await),
            ERR_UNKNOWN
        );
    }
    let listed = |id: u8| {
        vec![
            (REP_META, [&[0, 0, 0, id], &b"base:allocation"[..]].concat()),
            (REP_ACK, vec![]),
        ]
    };
    for queries in [
        &[][..],
        &["base:"],
        &["base:allocation"],
        &["qemu:x", "base:allocation"],
    ] {
        assert_eq!(
            raw.option(OPT_LIST_META, &meta("first", queries)).await,
            listed(0),
            "{queries:?}"
        );
    }
    assert_eq!(
        raw.option(OPT_LIST_META, &meta("first", &["qemu:"])).await,
        [(REP_ACK, vec![])]
    );
    for queries in [&[][..], &["base:"], &["qemu:dirty-bitmap:x"], &["base:other"]] {
        assert_eq!(
            raw.option(OPT_SET_META, &meta("first", queries)).await,
            [(REP_ACK, vec![])],
            "{queries:?} chooses nothing"
        );
    }
    assert_eq!(
        raw.option(OPT_SET_META, &meta("first", &["base:allocation"])).await,
        listed(1)
    );
}

#[tokio::test]
async fn block_status_needs_a_context_chosen_for_this_very_export() {
    let server = server().await;
    for (chosen, entered, works) in [
        (&["first"][..], "first", true),
        (&[""], "first", true),
        (&["second"], "first", false),
        (&[], "first", false),
        (&["first", "nonexistent"], "first", false),
    ] {
        let mut raw = greeted(&server).await;
        raw.option(OPT_STRUCTURED, b"").await;
        for name in chosen {
            raw.option(OPT_SET_META, &meta(name, &["base:allocation"])).await;
        }
        raw.option(OPT_GO, &go(entered, &[])).await;
        let error = raw.ask(0, BLOCK_STATUS, 0, 4096).await.error();
        assert_eq!(
            error,
            if works { 0 } else { 22 },
            "chosen for {chosen:?}, entered {entered}"
        );
    }
}

#[tokio::test]
async fn an_export_may_be_resized_and_new_clients_see_it() {
    let disk = memory(SIZE);
    let server = Running::tcp(vec![export("disk", disk.clone())], Options::default()).await;
    let (mut old, _, size) = Raw::enter(server.socket(), "disk", true).await;
    assert_eq!(size, SIZE);
    disk.resize(2 * SIZE).await.unwrap();
    let (mut new, _, size) = Raw::enter(server.socket(), "disk", true).await;
    assert_eq!(size, 2 * SIZE);
    assert_eq!(new.ask(0, READ, SIZE, 512).await.error(), 0);
    assert_eq!(
        old.ask(0, READ, SIZE, 512).await.error(),
        22,
        "not what this client agreed to"
    );
    disk.resize(SIZE / 2).await.unwrap();
    assert_eq!(new.ask(0, READ, SIZE, 512).await.error(), 22, "gone");
    assert_eq!(new.ask(0, READ, 0, 512).await.error(), 0);
}
