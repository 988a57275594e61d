//! A write whose answer never came cannot take effect after a later one.

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use block::{BlockDevice, Payload};
use futures::poll;
use support::{
    read, scripted,
    service::{Answer, Fate, Request, Service},
    until, write,
};

/// The first write that `wanted` picks goes the way of `fate`, all else as usual.
fn once(service: &Service, wanted: impl Fn(&Request) -> bool + Send + 'static, fate: fn() -> Fate) {
    let mut done = false;
    service.script(move |request| {
        if !done && wanted(request) {
            done = true;
            return fate();
        }
        Fate::Normal
    });
}

fn at(offset: u64) -> impl Fn(&Request) -> bool {
    move |request| request.is_write() && request.header("x-ms-range").starts_with(&format!("bytes={offset}-"))
}

#[tokio::test]
async fn a_late_write_is_refused_by_the_service() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    once(&service, at(0), || Fate::Late);
    write(&disk, 0, vec![1; 4096]).await;
    write(&disk, 0, vec![2; 4096]).await;
    service.release_late();
    let answers = service.late_answers.lock().unwrap().clone();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].status, 412, "the straggler carries an old sequence number");
    assert_eq!(read(&disk, 0, 4096).await, vec![2; 4096]);
}

#[tokio::test]
async fn a_dropped_write_is_refused_once_something_later_completed() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    let late = |request: &Request| if request.is_write() { Fate::Late } else { Fate::Normal };
    service.script(late);
    {
        let mut dropped = std::pin::pin!(disk.write(0, Payload::from(vec![1; 4096]), Default::default()));
        assert!(poll!(&mut dropped).is_pending());
        let seen = || service.count(Request::is_write) > 0;
        tokio::select! {
            _ = &mut dropped => panic!("it cannot complete"),
            () = until("the write is under way", seen) => {}
        }
    }
    service.script(|_| Fate::Normal);
    // Not even a read may complete before the lost write is settled: it would see the old content.
    assert_eq!(read(&disk, 0, 4096).await, vec![0; 4096]);
    service.release_late();
    {
        let answers = service.late_answers.lock().unwrap();
        assert!(!answers.is_empty(), "the lost write arrived after all");
        assert!(answers.iter().all(|answer| answer.status == 412));
    }
    assert_eq!(read(&disk, 0, 4096).await, vec![0; 4096]);
}

#[tokio::test]
async fn a_late_clear_and_a_late_resize_are_refused_too() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    write(&disk, 0, vec![1; 4096]).await;
    once(
        &service,
        |request| request.header("x-ms-page-write") == "clear",
        || Fate::Late,
    );
    disk.discard(0, 4096).await.unwrap();
    write(&disk, 0, vec![2; 4096]).await;
    once(
        &service,
        |request| request.headers.contains_key("x-ms-blob-content-length"),
        || Fate::Late,
    );
    disk.resize(512 << 10).await.unwrap();
    disk.resize(1 << 20).await.unwrap();
    write(&disk, 768 << 10, vec![3; 4096]).await;
    service.release_late();
    let statuses: Vec<u16> = service
        .late_answers
        .lock()
        .unwrap()
        .iter()
        .map(|answer| answer.status)
        .collect();
    assert_eq!(statuses, [412, 412]);
    assert_eq!(read(&disk, 0, 4096).await, vec![2; 4096]);
    assert_eq!(read(&disk, 768 << 10, 4096).await, vec![3; 4096]);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_repeated_under_a_new_number() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    once(&service, at(0), || Fate::LoseAnswer);
    write(&disk, 0, vec![1; 4096]).await;
    assert_eq!(read(&disk, 0, 4096).await, vec![1; 4096]);
    let log = service.log.lock().unwrap();
    let numbers: Vec<&str> = log
        .iter()
        .filter(|r| r.is_write())
        .map(|r| r.header("x-ms-if-sequence-number-eq"))
        .collect();
    assert_eq!(numbers, ["1", "2"]);
}

#[tokio::test]
async fn writes_refused_for_our_own_raise_are_sent_again() {
    let service = Service::start(1 << 20).await;
    let disk = Arc::new(scripted(&service, |_| {}, |_| {}).await.unwrap());
    // Every tenth write gets lost in one of three ways, while sixteen are in flight.
    let count = AtomicUsize::new(0);
    service.script(move |request| {
        if !request.is_write() {
            return Fate::Normal;
        }
        match count.fetch_add(1, Ordering::Relaxed) % 30 {
            9 => Fate::LoseAnswer,
            19 => Fate::Late,
            29 => Fate::Instead(Answer::error(500, "OperationTimedOut")),
            _ => Fate::Normal,
        }
    });
    let tasks = (0..16u64).map(|task| {
        let disk = disk.clone();
        tokio::spawn(async move {
            for round in 1..=10u8 {
                write(&*disk, task * 65536, vec![round; 4096]).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    service.release_late();
    let answers: Vec<u16> = service
        .late_answers
        .lock()
        .unwrap()
        .iter()
        .map(|answer| answer.status)
        .collect();
    assert!(
        !answers.is_empty() && answers.iter().all(|status| *status == 412),
        "{answers:?}"
    );
    for task in 0..16 {
        assert_eq!(read(&*disk, task * 65536, 4096).await, vec![10; 4096]);
    }
}

#[tokio::test]
async fn an_undisturbed_disk_never_raises_its_number() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    let raises = |service: &Service| service.count(|request| request.target.contains("comp=properties"));
    let at_open = raises(&service);
    for sector in 0..50 {
        write(&disk, sector * 512, vec![1; 512]).await;
    }
    // A busy service and a refused connection surely did nothing.
    once(&service, Request::is_write, || {
        Fate::Instead(Answer::error(503, "ServerBusy"))
    });
    write(&disk, 0, vec![1; 512]).await;
    assert_eq!(raises(&service), at_open);
}

#[tokio::test]
async fn a_write_that_was_given_up_cannot_overwrite_the_one_after_it() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    once(&service, at(0), || Fate::Silent);
    {
        let mut first = std::pin::pin!(disk.write(0, Payload::from(vec![1; 4096]), Default::default()));
        let mut second = std::pin::pin!(disk.write(2048, Payload::from(vec![2; 4096]), Default::default()));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        tokio::select! {
            _ = &mut first => panic!("it cannot complete"),
            _ = &mut second => panic!("it cannot overtake"),
            () = until("the first write is under way", || service.count(Request::is_write) > 0) => {}
        }
    }
    write(&disk, 2048, vec![2; 4096]).await;
    service.release_late();
    assert_eq!(service.late_answers.lock().unwrap()[0].status, 412);
    assert_eq!(read(&disk, 0, 2048).await, vec![0; 2048]);
    assert_eq!(read(&disk, 2048, 4096).await, vec![2; 4096]);
}

#[tokio::test]
async fn a_write_given_up_during_a_read_takes_no_effect_after_it() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    service.script(|request| match request {
        request if request.is_read() => Fate::HoldAnswer,
        request if request.is_write() => Fate::Silent,
        _ => Fate::Normal,
    });
    let mut reading = std::pin::pin!(disk.read(0, 4096));
    {
        let mut writing = std::pin::pin!(disk.write(0, Payload::from(vec![1; 4096]), Default::default()));
        let both = || service.count(Request::is_read) > 0 && service.count(Request::is_write) > 0;
        tokio::select! {
            _ = &mut reading => panic!("it is held back"),
            _ = &mut writing => panic!("it cannot complete"),
            () = until("both are under way", both) => {}
        }
    }
    service.release_answers();
    assert_eq!(reading.await.unwrap().to_vec(), vec![0; 4096]);
    service.release_late();
    assert_eq!(service.late_answers.lock().unwrap()[0].status, 412);
    service.script(|_| Fate::Normal);
    assert_eq!(read(&disk, 0, 4096).await, vec![0; 4096]);
}
