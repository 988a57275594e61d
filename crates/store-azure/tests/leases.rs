//! Leases that are refused, taken away, given back or asked for again by the same device.

mod support;

use block::{BlockDevice, BlockError, Health};
use futures::poll;
use support::{
    scripted,
    service::{Answer, Fate, Request, Service},
    until, write,
};

fn is_look(request: &Request) -> bool {
    request.method == "HEAD"
}

#[tokio::test]
async fn a_renewal_that_is_refused_says_why_at_once() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(&service, |_| {}, |settings| settings.lease_seconds = 2)
        .await
        .unwrap();
    service.script(|request| {
        if request.is_renewal() {
            return Fate::Instead(Answer::error(403, "AuthenticationFailed"));
        }
        Fate::Normal
    });
    let refused = loop {
        match disk.flush().await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, BlockError::Denied { .. }), "{refused}");
    service.script(|_| Fate::Normal);
    until("the lease is renewed", || service.count(Request::is_renewal) > 0).await;
    while disk.flush().await.is_err() {
        tokio::task::yield_now().await;
    }
    write(&disk, 0, vec![1; 512]).await;
}

#[tokio::test]
async fn not_being_allowed_to_look_is_no_loss_of_the_disk() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(
        &service,
        |config| config.deadline_seconds = 2,
        |settings| settings.lease_seconds = 2,
    )
    .await
    .unwrap();
    service.script(|request| {
        if request.is_renewal() {
            return Fate::LoseAnswer;
        }
        Fate::Normal
    });
    while disk.flush().await.is_ok() {
        tokio::task::yield_now().await;
    }
    let looks = service.count(is_look);
    service.script(|request| {
        if is_look(request) {
            return Fate::Instead(Answer::error(403, "AuthorizationFailure"));
        }
        Fate::Normal
    });
    until("it was looked at", || service.count(is_look) > looks + 1).await;
    assert!(!matches!(disk.status().borrow().health, Health::Fenced { .. }));
    service.script(|_| Fate::Normal);
    while disk.flush().await.is_err() {
        tokio::task::yield_now().await;
    }
    write(&disk, 0, vec![1; 512]).await;
}

#[tokio::test]
async fn an_owner_whose_blob_was_taken_reads_no_more() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    service.blob.lock().unwrap().lease = Some("somebody-elses".to_owned());
    let refused = disk.read(0, 512).await;
    assert!(matches!(refused, Err(BlockError::Fenced { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_read_waits_for_a_lease_that_ran_out_and_can_be_renewed() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(&service, |_| {}, |_| {}).await.unwrap();
    let mut first = true;
    service.script(move |request| {
        if request.is_read() && std::mem::take(&mut first) {
            return Fate::Instead(Answer::error(412, "LeaseNotPresentWithBlobOperation"));
        }
        Fate::Normal
    });
    assert_eq!(disk.read(0, 512).await.unwrap().to_vec(), vec![0; 512]);
    assert_eq!(service.count(Request::is_renewal), 1);
}

#[tokio::test]
async fn a_device_that_fails_to_open_leaves_its_lease_for_its_next_attempt() {
    let service = Service::start(1 << 20).await;
    let board = |settings: &mut store_azure::OpenSettings| settings.identity = Some("board".to_owned());
    service.script(|request| {
        if request.target.contains("comp=metadata") {
            return Fate::Instead(Answer::error(403, "AuthorizationPermissionMismatch"));
        }
        Fate::Normal
    });
    assert!(scripted(&service, |_| {}, board).await.is_err());
    service.script(|_| Fate::Normal);
    let disk = scripted(&service, |_| {}, board).await.unwrap();
    write(&disk, 0, vec![1; 512]).await;
    let releases = service.count(|request| request.header("x-ms-lease-action") == "release");
    assert_eq!(
        releases, 0,
        "one on its way would take the lease from the second opening"
    );
}

#[tokio::test]
async fn a_new_blob_of_an_old_name_gets_another_lease_id() {
    let service = Service::start(1 << 20).await;
    let board = |settings: &mut store_azure::OpenSettings| settings.identity = Some("board".to_owned());
    let mut ids = Vec::new();
    for created in ["Sat, 31 Jan 2026 12:00:00 GMT", "Sun, 01 Feb 2026 12:00:00 GMT"] {
        let mut fresh = support::rules::Blob::new(1 << 20);
        created.clone_into(&mut fresh.created);
        *service.blob.lock().unwrap() = fresh;
        let disk = scripted(&service, |_| {}, board).await.unwrap();
        ids.extend(disk.lease_id().map(str::to_owned));
    }
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
}

#[tokio::test]
async fn a_close_that_was_given_up_is_carried_out_all_the_same() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(&service, |config| config.deadline_seconds = 2, |_| {})
        .await
        .unwrap();
    service.script(|request| {
        if request.is_write() {
            return Fate::Silent;
        }
        Fate::Normal
    });
    let mut writing = std::pin::pin!(disk.write(0, vec![1; 512].into(), Default::default()));
    assert!(poll!(&mut writing).is_pending());
    {
        let mut closing = std::pin::pin!(disk.close());
        assert!(poll!(&mut closing).is_pending());
    }
    assert!(writing.await.is_err(), "nobody answers it");
    disk.close().await.unwrap();
    assert!(service.blob.lock().unwrap().lease.is_none());
    disk.close().await.unwrap();
}
