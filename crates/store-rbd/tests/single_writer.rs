//! One owner at a time: locks, takeovers, fencing, and the way back after a crash.

mod support;

use block::{
    BlockError, Disk, Health,
    store::{ImageRef, OpenOptions, Store, StoreError},
};
use store_rbd::RbdStore;
use support::{MIB, as_device, ceph, disk, open, read, sized, store, store_at, take_over, unique, until, write};

/// Stores for images with an exclusive lock, and for images with an advisory lock only.
async fn both_kinds() -> [RbdStore; 2] {
    let bare = store_at(ceph().await, |config| {
        config.features = Some(vec!["layering".to_owned()])
    });
    [store().await, bare]
}

fn is_fenced<T>(result: &Result<T, BlockError>) -> bool {
    matches!(result, Err(BlockError::Fenced { .. }))
}

#[tokio::test]
async fn a_second_owner_is_refused_and_told_who_has_it() {
    for store in both_kinds().await {
        let image = unique("tv");
        let first = disk(&store, &image, MIB).await;
        let error = store
            .open(&ImageRef::live(&image), &OpenOptions::default())
            .await
            .err()
            .unwrap();
        let StoreError::InUse { owner, remedy, .. } = &error else {
            panic!("{error}")
        };
        assert!(
            owner.starts_with("test at 127.0.0.1:0/") && owner.contains(" since 20"),
            "{owner}"
        );
        assert!(remedy.contains("take it over"), "{remedy}");
        assert!(matches!(
            store.delete(&image, false).await,
            Err(StoreError::InUse { .. })
        ));
        assert!(matches!(
            store.resize(&image, 2 * MIB).await,
            Err(StoreError::InUse { .. })
        ));
        let info = store.info(&ImageRef::live(&image)).await.unwrap();
        assert!(info.owner.unwrap().starts_with("test at 127.0.0.1"));
        // Reading needs no ownership.
        let reader = store
            .open(&ImageRef::live(&image), &support::read_only())
            .await
            .unwrap();
        assert_eq!(read(&*reader, 0, 512).await, vec![0; 512]);
        reader.close().await.unwrap();
        write(&*first, 0, vec![1; 512]).await;
        first.close().await.unwrap();
        let second = open(&store, &image).await;
        assert_eq!(second.generation(), Some(2));
        second.close().await.unwrap();
        assert_eq!(store.info(&ImageRef::live(&image)).await.unwrap().owner, None);
    }
}

#[tokio::test]
async fn a_takeover_fences_the_old_owner_for_good_and_not_a_byte_of_its_arrives() {
    for store in both_kinds().await {
        let image = unique("tv");
        let old = disk(&store, &image, 8 * MIB).await;
        write(&*old, 0, vec![1; 4096]).await;
        let new = store.open(&ImageRef::live(&image), &take_over()).await.unwrap();
        write(&*new, 4096, vec![2; 4096]).await;
        // It does not know yet, and tries everything.
        for round in 0..3 {
            let written = old.write(round * 4096, vec![9; 4096].into(), Default::default()).await;
            assert!(is_fenced(&written), "{written:?}");
        }
        assert!(is_fenced(&old.discard(0, 4096).await) && is_fenced(&old.flush().await));
        assert!(is_fenced(&old.read(0, 4096).await) && is_fenced(&old.resize(2 * MIB).await));
        assert!(matches!(old.status().borrow().health, Health::Fenced { .. }));
        assert!(is_fenced(&old.close().await));
        let mut expected = vec![1; 4096];
        expected.extend([2; 4096]);
        expected.extend([0; 4096]);
        assert_eq!(read(&*new, 0, 12288).await, expected);
        write(&*new, 0, vec![3; 4096]).await;
        new.flush().await.unwrap();
        new.close().await.unwrap();
        let told = ceph().await.ceph(["osd", "blocklist", "ls"]).await.unwrap();
        assert!(told.contains("127.0.0.1:0/"), "{told}");
    }
}

#[tokio::test]
async fn an_idle_disk_learns_that_it_was_taken_over() {
    for store in both_kinds().await {
        let image = unique("idle");
        let old = disk(&store, &image, MIB).await;
        let new = store.open(&ImageRef::live(&image), &take_over()).await.unwrap();
        let status = old.status();
        until("the old owner is fenced without a request", || {
            matches!(status.borrow().health, Health::Fenced { .. })
        })
        .await;
        new.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_takeover_of_one_disk_leaves_the_others_of_the_same_store_alone() {
    let store = store().await;
    let (one, two) = (unique("one"), unique("two"));
    let (first, second) = (disk(&store, &one, MIB).await, disk(&store, &two, MIB).await);
    let taken = store.open(&ImageRef::live(&one), &take_over()).await.unwrap();
    assert!(is_fenced(
        &first.write(0, vec![9; 512].into(), Default::default()).await
    ));
    write(&*second, 0, vec![2; 512]).await;
    second.close().await.unwrap();
    taken.close().await.unwrap();
}

#[tokio::test]
async fn whom_an_administrator_blocklists_is_fenced_until_it_opens_again() {
    for store in both_kinds().await {
        let image = unique("tv");
        let disk = disk(&store, &image, MIB).await;
        write(&*disk, 0, vec![1; 512]).await;
        let owner = store.info(&ImageRef::live(&image)).await.unwrap().owner.unwrap();
        let address = owner.split(' ').nth(2).expect("NAME at ADDRESS since");
        ceph().await.ceph(["osd", "blocklist", "add", address]).await.unwrap();
        let status = disk.status();
        until("fenced", || matches!(status.borrow().health, Health::Fenced { .. })).await;
        let late = disk.write(0, vec![9; 512].into(), Default::default()).await;
        let Err(BlockError::Fenced { detail, .. }) = &late else {
            panic!("{late:?}")
        };
        assert!(!detail.is_empty());
        assert!(is_fenced(&disk.close().await));
        // Who was dead is no obstacle: nobody has the image open any more once the cluster has noticed.
        let again = store.open(&ImageRef::live(&image), &take_over()).await.unwrap();
        assert_eq!(read(&*again, 0, 512).await, vec![1; 512]);
        write(&*again, 0, vec![2; 512]).await;
        again.close().await.unwrap();
    }
}

/// A disk whose owner neither closed it nor ended: worse than killed, for it still tries to write.
async fn abandoned(store: &RbdStore, image: &str) -> Disk {
    let disk = open(store, image).await;
    write(&*disk, 0, vec![1; 4096]).await;
    disk
}

#[tokio::test]
async fn the_same_device_gets_its_disk_back_at_once_and_its_dead_self_is_fenced() {
    let (board, other, image) = (as_device("board").await, as_device("other").await, unique("tv"));
    board.create(&image, &sized(MIB)).await.unwrap();
    let mut dead = abandoned(&board, &image).await;
    assert_eq!(dead.generation(), Some(1));
    for round in 2..4 {
        let refused = other
            .open(&ImageRef::live(&image), &OpenOptions::default())
            .await
            .err()
            .unwrap();
        assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
        let alive = open(&as_device("board").await, &image).await;
        assert_eq!(alive.generation(), Some(round), "an unbroken line");
        let late = dead.write(0, vec![9; 4096].into(), Default::default()).await;
        assert!(is_fenced(&late), "{late:?}");
        assert_eq!(
            read(&*alive, 0, 4096).await,
            vec![1; 4096],
            "nothing of the dead one arrived"
        );
        dead = alive;
    }
    dead.close().await.unwrap();
    let next = open(&other, &image).await;
    assert_eq!(next.generation(), Some(4));
    next.close().await.unwrap();
}

#[tokio::test]
async fn an_identity_helps_nobody_whose_disk_was_taken_over() {
    let (board, other, image) = (as_device("board").await, as_device("other").await, unique("tv"));
    board.create(&image, &sized(MIB)).await.unwrap();
    let _old = abandoned(&board, &image).await;
    let new = other.open(&ImageRef::live(&image), &take_over()).await.unwrap();
    let refused = board
        .open(&ImageRef::live(&image), &OpenOptions::default())
        .await
        .err()
        .unwrap();
    assert!(refused.to_string().contains("other at 127.0.0.1"), "{refused}");
    new.close().await.unwrap();
}

#[tokio::test]
async fn somebody_elses_turn_in_between_breaks_the_line_of_generations() {
    let (ceph, board, image) = (ceph().await, as_device("board").await, unique("tv"));
    board.create(&image, &sized(MIB)).await.unwrap();
    let _dead = abandoned(&board, &image).await;
    // Ceph's own tool breaks the lock of whom it thinks dead, and could have written then.
    let spec = format!("{}/{image}", ceph.pool());
    let locks = ceph.rbd(["lock", "ls", "--format", "json", &spec]).await.unwrap();
    let (id, locker) = (between(&locks, "\"id\":\""), between(&locks, "\"locker\":\""));
    ceph.rbd(["lock", "rm", &spec, id, locker]).await.unwrap();
    let again = open(&as_device("board").await, &image).await;
    assert_eq!(again.generation(), Some(3), "not the next one");
    again.close().await.unwrap();
}

fn between<'a>(text: &'a str, before: &str) -> &'a str {
    let rest = text
        .split_once(before)
        .unwrap_or_else(|| panic!("{before} in {text}"))
        .1;
    rest.split_once('"').expect("a closing quote").0
}

#[tokio::test]
async fn a_lock_that_was_taken_away_without_fencing_ends_writing_too() {
    let (ceph, store, image) = (ceph().await, store().await, unique("tv"));
    let disk = disk(&store, &image, MIB).await;
    let spec = format!("{}/{image}", ceph.pool());
    let locks = ceph.rbd(["lock", "ls", "--format", "json", &spec]).await.unwrap();
    let (id, locker) = (between(&locks, "\"id\":\""), between(&locks, "\"locker\":\""));
    ceph.rbd(["lock", "rm", "--rbd-blocklist-on-break-lock=false", &spec, id, locker])
        .await
        .unwrap();
    let status = disk.status();
    until("fenced", || matches!(status.borrow().health, Health::Fenced { .. })).await;
    assert!(is_fenced(&disk.write(0, vec![9; 512].into(), Default::default()).await));
}

#[tokio::test]
async fn features_that_the_client_cannot_honour_are_refused_by_name() {
    let (ceph, store, image) = (ceph().await, store().await, unique("moving"));
    store.create(&image, &sized(MIB)).await.unwrap();
    let spec = format!("{}/{image}", ceph.pool());
    ceph.rbd(["migration", "prepare", &spec, &format!("{spec}-new")])
        .await
        .unwrap();
    let refused = store
        .open(&ImageRef::live(format!("{image}-new")), &OpenOptions::default())
        .await
        .err()
        .unwrap();
    assert!(matches!(refused, StoreError::Unsupported { .. }), "{refused}");
    assert!(refused.to_string().contains("migrating"), "{refused}");
}
