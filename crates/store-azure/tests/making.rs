//! Creating, copying and restoring where the service is stricter than Azurite, or its answers get lost.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use block::{
    BlockDevice,
    store::{ImageRef, Store, StoreError},
};
use support::{
    raw, read, scripted, scripted_store,
    service::{Answer, Fate, Request, Service},
    vhd, write,
};

const SNAPSHOT: &str = "2026-01-31T12:00:00.0000000Z";

fn creates(request: &Request) -> bool {
    request.header("x-ms-blob-type") == "PageBlob"
}

async fn empty() -> std::sync::Arc<Service> {
    let service = Service::start(512).await;
    service.blob.lock().unwrap().exists = false;
    service
}

/// The first request that `wanted` picks is carried out, but its answer gets lost.
fn lose_first(service: &Service, wanted: fn(&Request) -> bool) {
    let mut done = false;
    service.script(move |request| {
        if !done && wanted(request) {
            done = true;
            return Fate::LoseAnswer;
        }
        Fate::Normal
    });
}

#[tokio::test]
async fn an_image_whose_creation_was_repeated_is_complete() {
    for options in [vhd(1 << 20), raw(1 << 20)] {
        let service = empty().await;
        let store = scripted_store(&service, |_| {});
        lose_first(&service, creates);
        let made = store.create("tv", &options).await.unwrap();
        assert_eq!(made.size, 1 << 20);
        assert_eq!(Some(made.format), options.format.clone().or(Some("raw".to_owned())));
        assert_eq!(service.count(creates), 2);
        let again = store.create("tv", &options).await;
        assert!(matches!(again, Err(StoreError::AlreadyExists { .. })), "{again:?}");
    }
}

#[tokio::test]
async fn half_a_vhd_is_no_raw_disk() {
    let service = Service::start((1 << 20) + 512).await;
    service
        .blob
        .lock()
        .unwrap()
        .metadata
        .insert("cloudstick_format".to_owned(), "vhd".to_owned());
    let error = scripted(&service, |_| {}, |settings| settings.format = None).await;
    let error = error.err().unwrap().to_string();
    assert!(error.contains("no footer") && error.contains("delete it"), "{error}");
    assert!(service.blob.lock().unwrap().lease.is_none());
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    assert_eq!(disk.properties().size, (1 << 20) + 512, "somebody who insists sees it");
}

#[tokio::test]
async fn a_restore_holds_a_lease_as_the_service_wants_it_and_asks_nothing_of_it_meanwhile() {
    let service = Service::start(1 << 20).await;
    let store = scripted_store(&service, |_| {});
    store.restore("tv", SNAPSHOT, &|_, _| {}).await.unwrap();
    let log = service.log.lock().unwrap().clone();
    let actions: Vec<&str> = log.iter().map(|request| request.header("x-ms-lease-action")).collect();
    assert_eq!(actions.concat(), "acquirerelease");
    assert!(log.iter().all(|request| !request.target.contains("?&")));
    assert!(service.blob.lock().unwrap().lease.is_none());
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    write(&disk, 0, vec![1; 512]).await;
    assert_eq!(read(&disk, 0, 512).await, vec![1; 512]);
}

#[tokio::test]
async fn a_restore_outlasts_a_service_that_cannot_be_reached() {
    let service = Service::start(1 << 20).await;
    let store = scripted_store(&service, |config| config.deadline_seconds = 2);
    let (mut copying, mut failures) = (false, 0);
    service.script(move |request| {
        copying |= request.headers.contains_key("x-ms-copy-source");
        // More of them than one request has attempts.
        if copying && request.method == "HEAD" && failures < 12 {
            failures += 1;
            return Fate::Instead(Answer::error(500, "InternalError"));
        }
        Fate::Normal
    });
    store.restore("tv", SNAPSHOT, &|_, _| {}).await.unwrap();
    assert_eq!(service.count(|request| request.target.contains("comp=copy")), 0);
    assert!(service.blob.lock().unwrap().lease.is_none());
}

#[tokio::test]
async fn a_copy_whose_start_was_repeated_is_waited_for() {
    let service = Service::start(1 << 20).await;
    let store = scripted_store(&service, |_| {});
    let mut starts = 0;
    service.script(move |request| {
        if !request.headers.contains_key("x-ms-copy-source") {
            return Fate::Normal;
        }
        starts += 1;
        match starts {
            1 => Fate::LoseAnswer,
            2 => Fate::Instead(Answer::error(409, "BlobAlreadyExists")),
            _ => Fate::Normal,
        }
    });
    let info = store.copy(&ImageRef::live("tv"), "other", &|_, _| {}).await.unwrap();
    assert_eq!(info.size, 1 << 20);
    service.script(|request| {
        if request.headers.contains_key("x-ms-copy-source") {
            return Fate::Instead(Answer::error(409, "BlobAlreadyExists"));
        }
        Fate::Normal
    });
    let refused = store.copy(&ImageRef::live("tv"), "other", &|_, _| {}).await;
    assert!(matches!(refused, Err(StoreError::AlreadyExists { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_snapshot_whose_answer_got_lost_is_taken_once() {
    let service = Service::start(1 << 20).await;
    let store = scripted_store(&service, |_| {});
    lose_first(&service, |request| request.target.contains("comp=snapshot"));
    let taken = store.snapshot("tv", Some("before")).await.unwrap();
    assert_eq!(service.count(|request| request.target.contains("comp=snapshot")), 2);
    let snapshots = service.blob.lock().unwrap().snapshots.clone();
    assert_eq!(snapshots.len(), 1, "{snapshots:?}");
    assert_eq!(snapshots[0].0, taken.id);
}

#[tokio::test]
async fn an_image_whose_deletion_was_repeated_is_deleted() {
    let service = Service::start(1 << 20).await;
    let store = scripted_store(&service, |_| {});
    lose_first(&service, |request| request.method == "DELETE");
    store.delete("tv", false).await.unwrap();
    let gone = store.delete("tv", false).await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
}
