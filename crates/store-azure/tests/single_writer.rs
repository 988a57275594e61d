//! One owner at a time: leases, takeovers, lapses.

mod support;

use block::{
    BlockDevice, BlockError, Health,
    store::{ImageRef, Store, StoreError},
};
use support::{
    MIB, as_device, disk, open, raw, read, scripted,
    service::{Answer, Fate, Request, Service},
    store, take_over, until, write,
};

#[tokio::test]
async fn a_second_owner_is_refused_and_told_who_has_it() {
    let store = store().await;
    let _first = disk(&store, "tv", MIB).await;
    let error = store
        .open(&ImageRef::live("tv"), &Default::default())
        .await
        .err()
        .unwrap();
    let StoreError::InUse { owner, .. } = &error else {
        panic!("{error}")
    };
    assert!(owner.starts_with("test since 20"), "{owner}");
    assert!(matches!(store.delete("tv", false).await, Err(StoreError::InUse { .. })));
    assert!(matches!(
        store.resize("tv", 2 * MIB).await,
        Err(StoreError::InUse { .. })
    ));
    let info = store.info(&ImageRef::live("tv")).await.unwrap();
    assert!(info.owner.unwrap().starts_with("test since"));
}

#[tokio::test]
async fn a_takeover_fences_the_old_owner_for_good() {
    let store = store().await;
    let old = disk(&store, "tv", MIB).await;
    write(&old, 0, vec![1; 4096]).await;
    let new = store.open_disk(&ImageRef::live("tv"), &take_over()).await.unwrap();
    write(&new, 4096, vec![2; 4096]).await;
    for _ in 0..2 {
        let refused = old.write(0, vec![9; 4096].into(), Default::default()).await;
        assert!(matches!(refused, Err(BlockError::Fenced { .. })), "{refused:?}");
    }
    assert!(matches!(old.discard(0, 4096).await, Err(BlockError::Fenced { .. })));
    assert!(matches!(old.flush().await, Err(BlockError::Fenced { .. })));
    assert!(matches!(old.read(0, 4096).await, Err(BlockError::Fenced { .. })));
    assert!(matches!(old.resize(2 * MIB).await, Err(BlockError::Fenced { .. })));
    assert!(matches!(old.status().borrow().health, Health::Fenced { .. }));
    assert!(matches!(old.close().await, Err(BlockError::Fenced { .. })));
    assert_eq!(
        read(&new, 0, 4096).await,
        vec![1; 4096],
        "what the old one wrote in its time"
    );
    assert_eq!(read(&new, 4096, 4096).await, vec![2; 4096]);
    write(&new, 0, vec![3; 4096]).await;
    new.close().await.unwrap();
    let generation = store.info(&ImageRef::live("tv")).await.unwrap().details["generation"].clone();
    assert_eq!(generation, "2");
}

#[tokio::test]
async fn closing_gives_the_disk_to_the_next() {
    let store = store().await;
    let first = disk(&store, "tv", MIB).await;
    write(&first, 0, vec![1; 512]).await;
    first.close().await.unwrap();
    first.close().await.unwrap();
    assert!(first.read(0, 512).await.is_err());
    let second = open(&store, "tv").await;
    assert_eq!(read(&second, 0, 512).await, vec![1; 512]);
    second.close().await.unwrap();
    store.create("other", &raw(MIB)).await.unwrap();
    store.delete("tv", false).await.unwrap();
}

#[tokio::test]
async fn a_lost_lease_is_noticed_by_the_renewal_and_names_the_new_owner() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(&service, |_| {}, |settings| settings.lease_seconds = 2)
        .await
        .unwrap();
    {
        let mut blob = service.blob.lock().unwrap();
        blob.lease = Some("somebody-elses".to_owned());
        blob.metadata.insert("cloudstick_generation".to_owned(), "7".to_owned());
        blob.metadata
            .insert("cloudstick_owner".to_owned(), "kitchen".to_owned());
    }
    let status = disk.status();
    let named = || match &status.borrow().health {
        Health::Fenced { error } => error.to_string().contains("kitchen"),
        _ => false,
    };
    until("fenced, with the name of the new owner", named).await;
    assert!(matches!(disk.read(0, 512).await, Err(BlockError::Fenced { .. })));
}

#[tokio::test]
async fn a_lapsed_lease_stops_everything_until_the_service_confirms_it() {
    let service = Service::start(1 << 20).await;
    let disk = scripted(
        &service,
        |config| config.deadline_seconds = 2,
        |settings| settings.lease_seconds = 2,
    )
    .await
    .unwrap();
    write(&disk, 0, vec![1; 512]).await;
    service.script(|request| {
        if request.is_renewal() {
            Fate::LoseAnswer
        } else {
            Fate::Normal
        }
    });
    until("renewals fail", || service.count(Request::is_renewal) >= 3).await;
    let before = service.count(Request::is_write);
    let refused = loop {
        match disk.write(512, vec![2; 512].into(), Default::default()).await {
            Ok(()) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(refused, BlockError::Unreachable { .. }) && refused.is_retryable(),
        "{refused}"
    );
    assert!(disk.read(0, 512).await.is_err(), "somebody else may have it");
    let stopped = service.count(Request::is_write);
    assert!(stopped >= before);
    service.script(|_| Fate::Normal);
    let status = disk.status();
    until("the lease is renewed", || {
        !matches!(status.borrow().health, Health::Unreachable { .. })
    })
    .await;
    write(&disk, 512, vec![3; 512]).await;
    assert_eq!(read(&disk, 512, 512).await, vec![3; 512]);
}

#[tokio::test]
async fn a_lapsed_lease_after_another_owner_is_lost_even_if_it_can_be_renewed() {
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
            Fate::LoseAnswer
        } else {
            Fate::Normal
        }
    });
    while disk.flush().await.is_ok() {
        tokio::task::yield_now().await;
    }
    service
        .blob
        .lock()
        .unwrap()
        .metadata
        .insert("cloudstick_generation".to_owned(), "2".to_owned());
    service.script(|_| Fate::Normal);
    let status = disk.status();
    until("fenced", || matches!(status.borrow().health, Health::Fenced { .. })).await;
    let refused = disk.write(0, vec![1; 512].into(), Default::default()).await;
    assert!(matches!(refused, Err(BlockError::Fenced { .. })));
}

#[tokio::test]
async fn an_opening_that_fails_gives_the_lease_back() {
    let service = Service::start(1 << 20).await;
    service.script(|request| {
        if request.target.contains("comp=metadata") {
            return Fate::Instead(Answer::error(403, "AuthorizationPermissionMismatch"));
        }
        Fate::Normal
    });
    assert!(scripted(&service, |_| {}, |_| {}).await.is_err());
    until("the lease is released", || service.blob.lock().unwrap().lease.is_none()).await;
}

#[tokio::test]
async fn the_same_device_gets_its_disk_back_at_once_and_its_dead_self_is_fenced() {
    let store = store().await;
    store.create("tv", &raw(MIB)).await.unwrap();
    let image = ImageRef::live("tv");
    let (board, other) = (as_device(&store, "board").await, as_device(&store, "other").await);
    let mut dead = board.open_disk(&image, &Default::default()).await.unwrap();
    write(&dead, 0, vec![1; 4096]).await;
    for round in 2..5 {
        let refused = other.open_disk(&image, &Default::default()).await.err().unwrap();
        assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
        // Not closed: as if the process had been killed, but worse, for it still tries to write.
        let alive = as_device(&store, "board")
            .await
            .open_disk(&image, &Default::default())
            .await
            .unwrap();
        let late = dead.write(0, vec![9; 4096].into(), Default::default()).await;
        assert!(matches!(late, Err(BlockError::Fenced { .. })), "{late:?}");
        write(&alive, 4096, vec![round; 4096]).await;
        assert_eq!(
            read(&alive, 0, 4096).await,
            vec![1; 4096],
            "nothing of the dead one arrived"
        );
        dead = alive;
    }
    dead.close().await.unwrap();
    let next = other.open_disk(&image, &Default::default()).await.unwrap();
    assert_eq!(read(&next, 4096, 4096).await, vec![4; 4096]);
    next.close().await.unwrap();
}

#[tokio::test]
async fn an_identity_helps_nobody_whose_disk_was_taken_over() {
    let store = store().await;
    store.create("tv", &raw(MIB)).await.unwrap();
    let image = ImageRef::live("tv");
    let (board, other) = (as_device(&store, "board").await, as_device(&store, "other").await);
    let _old = board.open_disk(&image, &Default::default()).await.unwrap();
    let new = other.open_disk(&image, &take_over()).await.unwrap();
    let refused = board.open_disk(&image, &Default::default()).await.err().unwrap();
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    write(&new, 0, vec![2; 512]).await;
    new.close().await.unwrap();
}
