//! Answers that Azurite never gives: overload, broken bodies, wrong checksums, clocks, nonsense.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::time::Duration;

use block::{BlockDevice, BlockError, Health};
use support::{
    random, read, scripted,
    service::{Answer, Fate, Request, Service},
    until, write,
};
use tokio::time::Instant;

const SIZE: usize = 1 << 20;

/// The first `times` requests that `wanted` picks get another fate.
fn first(service: &Service, times: usize, wanted: fn(&Request) -> bool, fate: impl Fn() -> Fate + Send + 'static) {
    let mut left = times;
    service.script(move |request| {
        if left > 0 && wanted(request) {
            left -= 1;
            return fate();
        }
        Fate::Normal
    });
}

async fn service_with(data: &[u8]) -> std::sync::Arc<Service> {
    let service = Service::start(SIZE).await;
    service.blob.lock().unwrap().data[..data.len()].copy_from_slice(data);
    service
}

#[tokio::test]
async fn a_busy_service_is_given_the_time_it_asks_for() {
    let data = random(1, 4096);
    let service = service_with(&data).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    for answer in [
        Answer::error(429, "").with("retry-after", "1"),
        Answer::error(503, "ServerBusy").with("retry-after", "1"),
    ] {
        first(&service, 1, Request::is_read, move || Fate::Instead(answer.clone()));
        let start = Instant::now();
        assert_eq!(read(&disk, 0, 4096).await, data);
        assert!(
            start.elapsed() >= Duration::from_secs(1),
            "it came back before its time"
        );
    }
    let answer = Answer::error(429, "").with("retry-after", "3000");
    first(&service, 1, Request::is_read, move || Fate::Instead(answer.clone()));
    let refused = disk.read(0, 4096).await.unwrap_err();
    let BlockError::Unreachable { retry_after, .. } = refused else {
        panic!("{refused}")
    };
    assert!(retry_after.unwrap() > Duration::from_secs(1000));
}

#[tokio::test]
async fn truncated_lost_and_failed_answers_are_asked_for_again() {
    let data = random(2, 65536);
    let service = service_with(&data).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    let cut = || {
        Fate::Change(Box::new(|answer| Answer {
            cut: Some(1000),
            ..answer
        }))
    };
    first(&service, 2, Request::is_read, cut);
    assert_eq!(read(&disk, 0, 65536).await, data);
    first(&service, 2, Request::is_read, || Fate::LoseAnswer);
    assert_eq!(read(&disk, 0, 65536).await, data);
    first(&service, 2, Request::is_read, || {
        Fate::Instead(Answer::error(500, "InternalError"))
    });
    assert_eq!(read(&disk, 0, 65536).await, data);
    // A proxy that answers with fewer bytes and says so.
    let short = || {
        Fate::Change(Box::new(|answer: Answer| Answer {
            body: answer.body[..100].to_vec(),
            ..answer
        }))
    };
    first(&service, 1, Request::is_read, short);
    assert_eq!(read(&disk, 0, 65536).await, data);
}

#[tokio::test]
async fn a_flipped_bit_is_an_error_and_not_data() {
    let data = random(3, 4096);
    let service = service_with(&data).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    let flip = || {
        Fate::Change(Box::new(|mut answer: Answer| {
            answer.body[77] ^= 4;
            answer
        }))
    };
    first(&service, 1, Request::is_read, flip);
    assert_eq!(read(&disk, 0, 4096).await, data, "the second time it was right");
    first(&service, usize::MAX, Request::is_read, flip);
    assert!(matches!(disk.read(0, 4096).await, Err(BlockError::Corrupt { .. })));
    let strip = || {
        Fate::Change(Box::new(|mut answer: Answer| {
            answer.headers.retain(|(name, _)| name != "content-md5");
            answer
        }))
    };
    first(&service, 1, Request::is_read, strip);
    assert_eq!(read(&disk, 0, 4096).await, data);
    let reads = service.count(Request::is_read);
    assert_eq!(reads, 6, "an answer without the MD5 that was asked for proves nothing");
    // On the way there the service notices.
    first(&service, usize::MAX, Request::is_write, || {
        Fate::Instead(Answer::error(400, "Md5Mismatch"))
    });
    let refused = disk.write(0, data.into(), Default::default()).await;
    assert!(matches!(refused, Err(BlockError::Corrupt { .. })), "{refused:?}");
    let log = service.log.lock().unwrap();
    assert!(
        log.iter()
            .filter(|request| request.is_write())
            .all(|request| !request.header("content-md5").is_empty())
    );
}

#[tokio::test]
async fn another_range_than_was_asked_for_is_not_delivered() {
    let service = service_with(&random(4, 8192)).await;
    let disk = scripted(&service, |config| config.deadline_seconds = 2, |_| {})
        .await
        .unwrap();
    let other = || {
        Fate::Change(Box::new(|answer: Answer| {
            answer.with("content-range", "bytes 4096-8191/1048576")
        }))
    };
    first(&service, usize::MAX, Request::is_read, other);
    assert!(
        disk.read(0, 4096)
            .await
            .unwrap_err()
            .to_string()
            .contains("another range")
    );
    let whole = || Fate::Change(Box::new(|answer: Answer| Answer { status: 200, ..answer }));
    first(&service, usize::MAX, Request::is_read, whole);
    assert!(disk.read(0, 4096).await.is_err());
    let longer = || {
        Fate::Change(Box::new(|mut answer: Answer| {
            answer.body.resize(100_000, 0);
            answer
        }))
    };
    first(&service, usize::MAX, Request::is_read, longer);
    assert!(disk.read(0, 4096).await.is_err());
}

#[tokio::test]
async fn a_wrong_clock_is_told_in_minutes() {
    let service = Service::start(SIZE).await;
    let ahead = std::time::SystemTime::now() + Duration::from_secs(47 * 60 + 20);
    let date = httpdate::fmt_http_date(ahead);
    service.script(move |_| Fate::Instead(Answer::error(403, "AuthenticationFailed").with("date", &date)));
    let error = scripted(&service, |_| {}, |_| {}).await.err().unwrap().to_string();
    assert!(error.contains("clock is 47 minutes behind"), "{error}");
}

#[tokio::test]
async fn a_lease_lost_between_two_writes_fences_at_once() {
    let service = Service::start(SIZE).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    write(&disk, 0, vec![1; 512]).await;
    // Another lease is another owner. No lease is one too, unless the service renews ours.
    for (code, gone) in [
        ("LeaseIdMismatchWithBlobOperation", false),
        ("LeaseLost", true),
        ("LeaseNotPresentWithBlobOperation", true),
    ] {
        let disk = scripted(&service, |_| {}, |settings| settings.take_over = true)
            .await
            .unwrap();
        first(&service, 1, Request::is_write, move || {
            Fate::Instead(Answer::error(412, code))
        });
        if gone {
            service.blob.lock().unwrap().lease = None;
        }
        for _ in 0..2 {
            let refused = disk.write(0, vec![2; 512].into(), Default::default()).await;
            assert!(matches!(refused, Err(BlockError::Fenced { .. })), "{code}: {refused:?}");
            service.script(|_| Fate::Normal);
        }
        assert!(matches!(disk.status().borrow().health, Health::Fenced { .. }));
    }
}

#[tokio::test]
async fn a_lease_that_ran_out_is_renewed_and_the_write_sent_again() {
    let service = Service::start(SIZE).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    for code in ["LeaseLost", "LeaseNotPresentWithBlobOperation"] {
        let renewals = service.count(Request::is_renewal);
        first(&service, 1, Request::is_write, move || {
            Fate::Instead(Answer::error(412, code))
        });
        write(&disk, 0, vec![3; 512]).await;
        assert_eq!(service.count(Request::is_renewal), renewals + 1);
        assert_eq!(read(&disk, 0, 512).await, vec![3; 512]);
    }
}

#[tokio::test]
async fn a_service_that_is_gone_shows_in_the_health_and_comes_back() {
    let data = random(5, 512);
    let service = service_with(&data).await;
    let disk = scripted(&service, |config| config.deadline_seconds = 3, |_| {})
        .await
        .unwrap();
    let status = disk.status();
    service.script(|_| Fate::LoseAnswer);
    let refused = disk.read(0, 512).await.unwrap_err();
    assert!(refused.is_retryable(), "{refused}");
    assert!(matches!(status.borrow().health, Health::Unreachable { .. }));
    service.script(|_| Fate::Normal);
    assert_eq!(read(&disk, 0, 512).await, data);
    until("online", || matches!(status.borrow().health, Health::Online)).await;
}

#[tokio::test]
async fn endless_and_broken_lists_of_ranges_leave_the_content_right() {
    let data = random(6, 4096);
    let pages = |body: Vec<u8>| {
        move || {
            Fate::Instead(Answer {
                body: body.clone(),
                ..Answer::new(200)
            })
        }
    };
    let is_list = |request: &Request| request.target.contains("comp=pagelist");
    let huge = format!("<PageList>{}", "<PageRange>".repeat(1_000_000)).into_bytes();
    let deep = "<a>".repeat(10_000).into_bytes();
    let outside = b"<PageList><PageRange><Start>0</Start><End>99999999999999</End></PageRange></PageList>".to_vec();
    for body in [huge, deep, outside, b"planted".to_vec(), Vec::new()] {
        let service = service_with(&data).await;
        first(&service, usize::MAX, is_list, pages(body));
        let disk = scripted(&service, |config| config.deadline_seconds = 3, |_| {})
            .await
            .unwrap();
        let extents = disk.extents(0, SIZE as u64).await.unwrap();
        assert!(
            extents.iter().all(|extent| extent.kind == block::ExtentKind::Data),
            "{extents:?}"
        );
        assert_eq!(read(&disk, 0, 4096).await, data);
    }
}

#[tokio::test]
async fn a_list_that_does_not_get_on_is_not_asked_for_in_a_loop() {
    let data = random(7, 4096);
    let service = service_with(&data).await;
    let is_list = |request: &Request| request.target.contains("comp=pagelist");
    let stuck = "<PageList><PageRange><Start>0</Start><End>511</End></PageRange><NextMarker>on</NextMarker></PageList>";
    first(&service, usize::MAX, is_list, move || {
        Fate::Instead(Answer {
            body: stuck.as_bytes().to_vec(),
            ..Answer::new(200)
        })
    });
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    until("the list was asked for again", || service.count(is_list) >= 2).await;
    for _ in 0..50 {
        assert_eq!(read(&disk, 0, 4096).await, data);
    }
    assert!(service.count(is_list) < 10, "{}", service.count(is_list));
}
