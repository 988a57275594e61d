//! Making, looking at, resizing, snapshotting, cloning and deleting images; and Ceph's own tools see the same.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use block::store::{CreateOptions, ImageRef, OpenOptions, Store, StoreError};
use store_rbd::RbdStore;
use support::{MIB, ceph, disk, open, random, read, sized, store, store_at, unique, write};
use testkit::program;

fn snapshot(image: &str, snapshot: &str) -> ImageRef {
    ImageRef {
        image: image.to_owned(),
        snapshot: Some(snapshot.to_owned()),
    }
}

#[tokio::test]
async fn an_image_is_made_listed_resized_and_deleted() {
    let (ceph, store, image) = (ceph().await, store().await, unique("films"));
    let made = store.create(&image, &sized(64 * MIB)).await.unwrap();
    assert_eq!(
        (made.size, made.allocated, made.format.as_str()),
        (64 * MIB, Some(0), "raw")
    );
    assert_eq!(
        made.details["features"],
        "layering, exclusive-lock, object-map, fast-diff, deep-flatten"
    );
    let again = store.create(&image, &sized(MIB)).await.unwrap_err();
    assert!(matches!(again, StoreError::AlreadyExists { .. }), "{again}");
    let listed = store.list().await.unwrap();
    let ours = listed.iter().find(|info| info.name == image).expect("in the list");
    assert_eq!(ours.size, 64 * MIB);
    let resized = store.resize(&image, 96 * MIB).await.unwrap();
    assert_eq!(resized.size, 96 * MIB);
    let told = ceph
        .rbd(["info", "--format", "json", &format!("{}/{image}", ceph.pool())])
        .await
        .unwrap();
    assert!(told.contains(&format!("\"size\":{}", 96 * MIB)), "{told}");
    store.delete(&image, false).await.unwrap();
    let gone = store.info(&ImageRef::live(&image)).await.unwrap_err();
    assert!(matches!(gone, StoreError::NotFound { .. }), "{gone}");
    assert!(matches!(
        store.delete(&image, false).await,
        Err(StoreError::NotFound { .. })
    ));
}

#[tokio::test]
async fn images_are_made_as_the_settings_say() {
    let ceph = ceph().await;
    let store = store_at(ceph, |config| {
        config.object_size = Some(MIB);
        config.data_pool = Some(ceph.data_pool().to_owned());
        config.features = Some(vec!["layering".to_owned(), "journaling".to_owned()]);
    });
    let image = unique("special");
    let made = store.create(&image, &sized(8 * MIB)).await.unwrap();
    assert_eq!(made.details["object size"], MIB.to_string());
    assert_eq!(
        made.details["features"],
        "layering, exclusive-lock, journaling, data-pool"
    );
    let told = ceph
        .rbd(["info", "--format", "json", &format!("{}/{image}", ceph.pool())])
        .await
        .unwrap();
    for expected in [
        "\"object_size\":1048576".to_owned(),
        format!("\"data_pool\":\"{}\"", ceph.data_pool()),
    ] {
        assert!(told.contains(&expected), "{told}");
    }
    let opened = open(&store, &image).await;
    write(&*opened, 0, random(1, 4096)).await;
    opened.flush().await.unwrap();
    opened.close().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_with_a_reason() {
    let store = store().await;
    for (name, size) in [
        ("a/b", MIB),
        ("a@b", MIB),
        ("a b", MIB),
        ("", MIB),
        ("odd", 1000),
        ("none", 0),
        ("huge", u64::MAX - 511),
    ] {
        let refused = store.create(name, &sized(size)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Invalid { .. }), "{name}: {refused}");
    }
    let vhd = CreateOptions {
        size: MIB,
        format: Some("vhd".to_owned()),
    };
    assert!(matches!(
        store.create("vhd", &vhd).await,
        Err(StoreError::Unsupported { .. })
    ));
}

#[tokio::test]
async fn an_image_whose_size_is_no_multiple_of_a_sector_is_refused_with_the_remedy() {
    let (ceph, store, image) = (ceph().await, store().await, unique("odd"));
    ceph.rbd(["create", "--size", "1000B", &format!("{}/{image}", ceph.pool())])
        .await
        .unwrap();
    let refused = store
        .open(&ImageRef::live(&image), &OpenOptions::default())
        .await
        .err()
        .unwrap();
    assert!(refused.to_string().contains("resize it"), "{refused}");
}

#[tokio::test]
async fn snapshots_keep_what_was_there_and_bring_it_back() {
    let (store, image) = (store().await, unique("diary"));
    let disk = disk(&store, &image, 16 * MIB).await;
    let (old, new) = (random(1, 1 << 20), random(2, 1 << 20));
    write(&*disk, 0, old.clone()).await;
    disk.flush().await.unwrap();
    // While it is open: the snapshot is taken by whoever has the lock.
    let taken = store.snapshot(&image, Some("monday")).await.unwrap();
    assert_eq!((taken.id.as_str(), taken.size), ("monday", Some(16 * MIB)));
    write(&*disk, 0, new.clone()).await;
    disk.flush().await.unwrap();
    let then = store
        .open(&snapshot(&image, "monday"), &OpenOptions::default())
        .await
        .unwrap();
    assert!(then.properties().read_only && then.generation().is_none());
    assert_eq!(read(&*then, 0, 1 << 20).await, old);
    assert!(then.write(0, vec![1; 512].into(), Default::default()).await.is_err());
    then.close().await.unwrap();
    assert_eq!(read(&*disk, 0, 1 << 20).await, new);
    let in_use = store.restore(&image, "monday", &|_, _| {}).await.unwrap_err();
    assert!(matches!(in_use, StoreError::InUse { .. }), "{in_use}");
    disk.close().await.unwrap();
    let unnamed = store.snapshot(&image, None).await.unwrap();
    assert!(unnamed.id.starts_with("20") && unnamed.created.is_some(), "{unnamed:?}");
    let reports = std::sync::Mutex::new(Vec::new());
    store
        .restore(&image, "monday", &|done, all| reports.lock().unwrap().push((done, all)))
        .await
        .unwrap();
    let last = reports.lock().unwrap().last().copied();
    assert!(last.is_some_and(|(done, all)| done == all), "{last:?}");
    let disk = open(&store, &image).await;
    assert_eq!(read(&*disk, 0, 1 << 20).await, old);
    disk.close().await.unwrap();
    let names: Vec<_> = store
        .snapshots(&image)
        .await
        .unwrap()
        .into_iter()
        .map(|it| it.id)
        .collect();
    assert_eq!(names, ["monday", &unnamed.id]);
    let refused = store.delete(&image, false).await.unwrap_err();
    assert!(refused.to_string().contains("2 snapshots"), "{refused}");
    store.delete_snapshot(&image, &unnamed.id).await.unwrap();
    let missing = store.delete_snapshot(&image, &unnamed.id).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }), "{missing}");
    store.delete(&image, true).await.unwrap();
}

#[tokio::test]
async fn a_clone_shares_until_it_is_flattened() {
    let (ceph, store) = (ceph().await, store().await);
    let (image, copy) = (unique("master"), unique("copy"));
    let disk = disk(&store, &image, 16 * MIB).await;
    let (old, new) = (random(3, 8 << 20), random(4, 1 << 20));
    write(&*disk, 0, old.clone()).await;
    disk.close().await.unwrap();
    store.snapshot(&image, Some("base")).await.unwrap();
    let unprotected = store.clone_image(&image, "base", &copy).await;
    assert!(unprotected.is_err() || store.delete(&copy, false).await.is_ok());
    store.protect(&image, "base").await.unwrap();
    store.protect(&image, "base").await.unwrap();
    assert_eq!(
        store.snapshots(&image).await.unwrap()[0].label.as_deref(),
        Some("protected")
    );
    let held = store.delete_snapshot(&image, "base").await.unwrap_err();
    assert!(matches!(held, StoreError::InUse { .. }), "{held}");
    let info = store.clone_image(&image, "base", &copy).await.unwrap();
    assert_eq!(info.details["parent"], format!("{}/{image}@base", ceph.pool()));
    let held = store.unprotect(&image, "base").await.unwrap_err();
    assert!(matches!(held, StoreError::InUse { .. }), "{held}");
    let child = open(&store, &copy).await;
    assert_eq!(read(&*child, 0, 8 << 20).await, old);
    write(&*child, 2 * MIB, new.clone()).await;
    child.close().await.unwrap();
    store.flatten(&copy, &|_, _| {}).await.unwrap();
    assert!(
        !store
            .info(&ImageRef::live(&copy))
            .await
            .unwrap()
            .details
            .contains_key("parent")
    );
    let again = store.flatten(&copy, &|_, _| {}).await.unwrap_err();
    assert!(again.to_string().contains("no clone"), "{again}");
    store.unprotect(&image, "base").await.unwrap();
    store.delete(&image, true).await.unwrap();
    let child = open(&store, &copy).await;
    let mut expected = old;
    expected[2 << 20..3 << 20].copy_from_slice(&new);
    assert_eq!(read(&*child, 0, 8 << 20).await, expected);
    child.close().await.unwrap();
}

/// Writes, discards and zeroes, and then looks at the image of 32 MiB with Ceph's and QEMU's tools. `alone` tells that nothing
/// but what is written here takes space.
async fn seen_by_others(store: &RbdStore, image: &str, mut expected: Vec<u8>, object: u64, alone: bool) {
    let ceph = ceph().await;
    let spec = format!("{}/{image}", ceph.pool());
    let disk = open(store, image).await;
    for (seed, offset, length) in [(1, 0, 3 << 20), (2, (5 << 20) + 512, 1 << 20), (3, 20 << 20, 9 << 20)] {
        let data = random(seed, length);
        expected[offset..offset + length].copy_from_slice(&data);
        write(&*disk, offset as u64, data).await;
    }
    // Whole objects, and a bit of another.
    disk.discard(24 * MIB, 4 * MIB).await.unwrap();
    expected[24 << 20..28 << 20].fill(0);
    disk.write_zeroes(MIB, 4096, Default::default()).await.unwrap();
    expected[1 << 20..(1 << 20) + 4096].fill(0);
    let told = ceph.rbd(["lock", "ls", &spec]).await.unwrap();
    assert!(told.contains("auto ") && told.contains("127.0.0.1"), "our lock: {told}");
    disk.close().await.unwrap();
    assert_eq!(ceph.rbd(["lock", "ls", &spec]).await.unwrap().trim(), "");
    let file = ceph.folder().join(format!("{image}.raw"));
    ceph.rbd(["export", "--no-progress", &spec, &file.display().to_string()])
        .await
        .unwrap();
    assert!(
        std::fs::read(&file).unwrap() == expected,
        "rbd export holds other bytes"
    );
    ceph.rbd(["object-map", "check", "--no-progress", &spec]).await.unwrap();
    let theirs = format!("rbd:{spec}:conf={}:id={}", ceph.conf().display(), ceph.user());
    let compared = std::process::Command::new(program::locate("qemu-img"))
        .args(["compare", "-f", "raw", "-F", "raw", &theirs])
        .arg(&file)
        .output()
        .expect("qemu-img (apt-get install qemu-utils qemu-block-extra)");
    assert!(compared.status.success(), "qemu-img compare: {compared:?}");
    let extents = ceph
        .rbd(["diff", "--whole-object", "--format", "json", &spec])
        .await
        .unwrap();
    assert_eq!(
        extents.contains(&format!("\"offset\":{},", 24 * MIB)),
        !alone,
        "what was discarded: {extents}"
    );
    if alone {
        // Every object that has something in it, and no other: what was discarded takes no space any more.
        let objects = expected
            .chunks(object as usize)
            .filter(|data| data.iter().any(|byte| *byte != 0));
        let space = objects.count() as u64 * object;
        let used = ceph.rbd(["du", "--format", "json", &spec]).await.unwrap();
        assert!(used.contains(&format!("\"used_size\":{space}")), "not {space}: {used}");
        let info = store.info(&ImageRef::live(image)).await.unwrap();
        assert_eq!(info.allocated, Some(space));
    }
    // And the other way round.
    ceph.rbd([
        "import",
        "--no-progress",
        &file.display().to_string(),
        &format!("{spec}-back"),
    ])
    .await
    .unwrap();
    let back = open(store, &format!("{image}-back")).await;
    let mut found = Vec::new();
    for at in (0..32).step_by(8) {
        found.extend(read(&*back, at * MIB, 8 << 20).await);
    }
    assert!(found == expected, "an image of rbd import reads otherwise");
    back.close().await.unwrap();
}

#[tokio::test]
async fn other_tools_see_the_same_image() {
    let (store, image) = (store().await, unique("peer"));
    store.create(&image, &sized(32 * MIB)).await.unwrap();
    seen_by_others(&store, &image, vec![0; 32 << 20], 4 * MIB, true).await;
}

#[tokio::test]
async fn other_tools_see_the_same_image_of_small_objects_in_a_data_pool() {
    let (ceph, image) = (ceph().await, unique("peer"));
    let store = store_at(ceph, |config| {
        config.object_size = Some(MIB);
        config.data_pool = Some(ceph.data_pool().to_owned());
    });
    store.create(&image, &sized(32 * MIB)).await.unwrap();
    seen_by_others(&store, &image, vec![0; 32 << 20], MIB, true).await;
}

#[tokio::test]
async fn other_tools_see_the_same_clone() {
    let (store, parent, image) = (store().await, unique("parent"), unique("peer"));
    let old = random(7, 32 << 20);
    let disk = disk(&store, &parent, 32 * MIB).await;
    write(&*disk, 0, old.clone()).await;
    disk.close().await.unwrap();
    store.snapshot(&parent, Some("base")).await.unwrap();
    store.protect(&parent, "base").await.unwrap();
    store.clone_image(&parent, "base", &image).await.unwrap();
    seen_by_others(&store, &image, old, 4 * MIB, false).await;
}

#[tokio::test]
async fn a_journal_is_kept_where_the_image_wants_one() {
    let (ceph, image) = (ceph().await, unique("journaled"));
    let store = store_at(ceph, |config| config.features = Some(vec!["journaling".to_owned()]));
    let disk = disk(&store, &image, 8 * MIB).await;
    write(&*disk, 0, random(1, 1 << 20)).await;
    disk.discard(MIB, MIB).await.unwrap();
    disk.flush().await.unwrap();
    disk.close().await.unwrap();
    let told = ceph
        .rbd(["journal", "status", "--pool", ceph.pool(), "--image", &image])
        .await
        .unwrap();
    assert!(told.contains("entry_tid="), "entries of a journal: {told}");
    let again = open(&store, &image).await;
    assert_eq!(read(&*again, 0, 1 << 20).await, random(1, 1 << 20));
    again.close().await.unwrap();
}

#[tokio::test]
async fn images_in_a_namespace_are_apart() {
    let (ceph, image) = (ceph().await, unique("same"));
    // The restricted user has its rights in all namespaces of the pool.
    let namespace = unique("family");
    ceph.rbd(["namespace", "create", &format!("{}/{namespace}", ceph.pool())])
        .await
        .unwrap();
    let (outer, inner) = (
        store().await,
        store_at(ceph, |config| config.namespace = Some(namespace.clone())),
    );
    assert!(inner.describe().contains(&namespace));
    let (one, two) = (disk(&outer, &image, MIB).await, disk(&inner, &image, 2 * MIB).await);
    write(&*one, 0, vec![1; 512]).await;
    write(&*two, 0, vec![2; 512]).await;
    assert_eq!(read(&*one, 0, 512).await, vec![1; 512]);
    assert_eq!(two.name(), format!("{}/{namespace}/{image}", ceph.pool()));
    one.close().await.unwrap();
    two.close().await.unwrap();
    assert_eq!(inner.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_resize_by_somebody_else_is_noticed() {
    let (ceph, store, image) = (ceph().await, store().await, unique("grows"));
    let spec = format!("{}/{image}", ceph.pool());
    let disk = disk(&store, &image, 8 * MIB).await;
    let mut status = disk.status();
    status.borrow_and_update();
    ceph.rbd(["resize", "--no-progress", "--size", "16M", &spec])
        .await
        .unwrap();
    support::until("the new size is told", || disk.properties().size == 16 * MIB).await;
    assert!(status.has_changed().unwrap());
    assert_eq!(status.borrow().size, 16 * MIB);
    write(&*disk, 15 * MIB, random(1, 1 << 20)).await;
    assert_eq!(read(&*disk, 15 * MIB, 1 << 20).await, random(1, 1 << 20));
    ceph.rbd(["resize", "--no-progress", "--allow-shrink", "--size", "4M", &spec])
        .await
        .unwrap();
    support::until("the smaller size is told", || disk.properties().size == 4 * MIB).await;
    disk.close().await.unwrap();
}
