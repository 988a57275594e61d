//! Rights, keys, the wrong cluster, no cluster at all; and what `doctor` says of each.

mod support;

use std::time::{Duration, Instant};

use block::{
    BlockError,
    store::{Finding, ImageRef, OpenOptions, Store, StoreError, Verdict},
};
use store_rbd::{RbdConfig, RbdSecret, RbdStore, Secret};
use support::{MIB, ceph, config, disk, secret, sized, store, unique, write};
use testkit::Ceph;

fn worst(findings: &[Finding]) -> &Finding {
    let bad = findings.iter().find(|finding| finding.verdict == Verdict::Bad);
    bad.unwrap_or_else(|| panic!("nothing bad in {findings:#?}"))
}

/// Adds `client.USER` with these rights to its data, and gives its keyring.
async fn keyring_of_new_user(ceph: &Ceph, user: &str, osd: &str) -> String {
    let name = format!("client.{user}");
    ceph.ceph(["auth", "get-or-create", &name, "mon", "profile rbd", "osd", osd])
        .await
        .expect("a new user")
}

#[tokio::test]
async fn the_least_rights_are_enough_for_everything_and_doctor_finds_nothing_bad() {
    let (ceph, store, image) = (ceph().await, store().await, unique("tv"));
    assert_eq!(ceph.user(), "stick", "not the administrator");
    let disk = disk(&store, &image, MIB).await;
    let findings = store.diagnose(Some(&image)).await;
    assert!(
        findings.iter().all(|finding| finding.verdict != Verdict::Bad),
        "{findings:#?}"
    );
    let said = |check: &str| {
        &findings
            .iter()
            .find(|finding| finding.check == check)
            .expect(check)
            .detail
    };
    assert!(said("client").starts_with("librbd, since"));
    assert!(said("fsid").starts_with(ceph.fsid()));
    assert!(said("owner").contains("test at 127.0.0.1"));
    assert_eq!(said("right to write the image"), "granted");
    disk.close().await.unwrap();
}

#[tokio::test]
async fn rights_in_one_namespace_are_enough_for_everything_there_and_for_nothing_elsewhere() {
    let (ceph, image, copy) = (ceph().await, unique("tv"), unique("copy"));
    let (namespace, user) = (unique("family"), unique("child"));
    ceph.rbd(["namespace", "create", &format!("{}/{namespace}", ceph.pool())])
        .await
        .unwrap();
    let caps = format!("profile rbd pool={} namespace={namespace}", ceph.pool());
    let keyring = keyring_of_new_user(ceph, &user, &caps).await;
    let secret = RbdSecret::Keyring(Secret::new(keyring));
    let mut outside = config(ceph);
    outside.user = None;
    let mut inside = outside.clone();
    inside.namespace = Some(namespace);
    let child = RbdStore::new(inside, Some(&secret)).unwrap();
    let disk = disk(&child, &image, 8 * MIB).await;
    write(&*disk, 0, support::random(1, 1 << 20)).await;
    disk.discard(0, 4096).await.unwrap();
    disk.resize(16 * MIB).await.unwrap();
    child.snapshot(&image, Some("base")).await.unwrap();
    let taken = child
        .open(&ImageRef::live(&image), &support::take_over())
        .await
        .unwrap();
    assert!(disk.flush().await.is_err(), "fencing needs a right, too");
    taken.close().await.unwrap();
    child.restore(&image, "base", &|_, _| {}).await.unwrap();
    child.protect(&image, "base").await.unwrap();
    child.clone_image(&image, "base", &copy).await.unwrap();
    child.flatten(&copy, &|_, _| {}).await.unwrap();
    child.unprotect(&image, "base").await.unwrap();
    let findings = child.diagnose(Some(&copy)).await;
    assert!(
        findings.iter().all(|finding| finding.verdict != Verdict::Bad),
        "{findings:#?}"
    );
    assert_eq!(child.list().await.unwrap().len(), 2);
    child.delete(&image, true).await.unwrap();
    let outside = RbdStore::new(outside, Some(&secret)).unwrap();
    for refused in [
        outside.list().await.map(drop),
        outside.create(&unique("tv"), &sized(MIB)).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, StoreError::Block(BlockError::Denied { .. })), "{error}");
    }
}

#[tokio::test]
async fn a_user_who_may_only_read_can_read_and_is_told_what_is_missing() {
    let (ceph, image) = (ceph().await, unique("tv"));
    let owner = disk(&store().await, &image, MIB).await;
    write(&*owner, 0, vec![7; 512]).await;
    owner.close().await.unwrap();
    let pool = format!("profile rbd-read-only pool={}", ceph.pool());
    let user = unique("guest");
    let keyring = keyring_of_new_user(ceph, &user, &pool).await;
    let mut config = config(ceph);
    config.user = None;
    let guest = RbdStore::new(config, Some(&RbdSecret::Keyring(Secret::new(keyring)))).unwrap();
    let reader = guest
        .open(&ImageRef::live(&image), &support::read_only())
        .await
        .unwrap();
    assert_eq!(support::read(&*reader, 0, 512).await, vec![7; 512]);
    reader.close().await.unwrap();
    let refused = guest
        .open(&ImageRef::live(&image), &OpenOptions::default())
        .await
        .err()
        .unwrap();
    let StoreError::Block(BlockError::Denied { detail, .. }) = &refused else {
        panic!("{refused}")
    };
    assert!(detail.contains("profile rbd"), "{detail}");
    let findings = guest.diagnose(Some(&image)).await;
    assert_eq!(worst(&findings).check, "right to write the image");
    assert!(guest.create(&unique("own"), &sized(MIB)).await.is_err());
}

#[tokio::test]
async fn a_wrong_key_an_unknown_user_and_a_missing_pool_are_told_apart() {
    let ceph = ceph().await;
    // The administrator's key is a good one, but not this user's.
    let wrong = RbdSecret::Key(Secret::new(ceph.key("admin").unwrap()));
    let store = RbdStore::new(config(ceph), Some(&wrong)).unwrap();
    let error = store.list().await.unwrap_err();
    assert!(matches!(error, StoreError::Block(BlockError::Denied { .. })), "{error}");
    assert!(error.to_string().contains("client.stick"), "{error}");
    assert!(!format!("{error:?} {wrong:?}").contains(&ceph.key("admin").unwrap()));
    assert_eq!(worst(&store.diagnose(None).await).check, "key");

    let mut nobody = config(ceph);
    nobody.user = Some("nobody".to_owned());
    let store = RbdStore::new(nobody, Some(&secret(ceph))).unwrap();
    let error = store.list().await.unwrap_err();
    assert!(matches!(error, StoreError::Block(BlockError::Denied { .. })), "{error}");

    let mut elsewhere = config(ceph);
    elsewhere.pool = "no-such-pool".to_owned();
    let store = RbdStore::new(elsewhere, Some(&secret(ceph))).unwrap();
    let error = store.list().await.unwrap_err();
    assert!(error.to_string().contains("rbd pool init no-such-pool"), "{error}");
    assert_eq!(worst(&store.diagnose(None).await).check, "pool");
}

#[tokio::test]
async fn another_cluster_than_expected_is_refused() {
    let ceph = ceph().await;
    let mut config = config(ceph);
    config.fsid = Some("00000000-1111-2222-3333-444444444444".to_owned());
    let store = RbdStore::new(config, Some(&secret(ceph))).unwrap();
    let error = store.list().await.unwrap_err();
    assert!(error.to_string().contains(ceph.fsid()), "{error}");
    assert_eq!(worst(&store.diagnose(None).await).check, "cluster");
}

#[tokio::test]
async fn without_a_cluster_everything_ends_in_time_and_says_so() {
    let mut config = RbdConfig::new("rbd");
    // Reserved for documentation, and refused by this machine at once or never answered.
    config.monitors = vec!["127.0.0.1:1".to_owned()];
    config.deadline_seconds = 2;
    let key = ceph().await.key("admin").unwrap();
    let store = RbdStore::new(config, Some(&RbdSecret::Key(Secret::new(key)))).unwrap();
    for _ in 0..3 {
        let begin = Instant::now();
        let error = store
            .open(&ImageRef::live("tv"), &OpenOptions::default())
            .await
            .err()
            .unwrap();
        assert!(
            matches!(&error, StoreError::Block(BlockError::Unreachable { .. })),
            "{error}"
        );
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    }
    assert_eq!(worst(&store.diagnose(None).await).check, "monitors");
}

#[tokio::test]
async fn a_cluster_by_monitors_alone_speaks_both_protocols() {
    let ceph = ceph().await;
    let (v2, v1) = ceph.monitors();
    for monitors in [
        vec![format!("[v2:{v2},v1:{v1}]")],
        vec![format!("v2:{v2}")],
        vec![format!("v1:{v1}")],
    ] {
        let mut config = RbdConfig::new(ceph.pool());
        config.monitors = monitors.clone();
        config.user = Some(ceph.user().to_owned());
        let store = RbdStore::new(config, Some(&secret(ceph))).unwrap();
        let listed = store.list().await;
        assert!(listed.is_ok(), "{monitors:?}: {listed:?}");
    }
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_any_more_and_an_open_disk_goes_on_until_it_is_blocklisted() {
    let ceph = Ceph::small().await.unwrap();
    let store = support::store_at(&ceph, |_| {});
    let disk = disk(&store, "tv", MIB).await;
    let owner = store.info(&ImageRef::live("tv")).await.unwrap().owner.unwrap();
    ceph.ceph(["auth", "del", "client.stick"]).await.unwrap();
    let error = store
        .open(&ImageRef::live("tv"), &OpenOptions::default())
        .await
        .err()
        .unwrap();
    assert!(matches!(error, StoreError::Block(BlockError::Denied { .. })), "{error}");
    assert_eq!(worst(&store.diagnose(None).await).check, "key");
    write(&*disk, 0, vec![1; 512]).await;
    let address = owner.split(' ').nth(2).expect("NAME at ADDRESS since");
    ceph.ceph(["osd", "blocklist", "add", address]).await.unwrap();
    let limit = tokio::time::timeout(Duration::from_secs(120), async {
        while disk.write(0, vec![2; 512].into(), Default::default()).await.is_ok() {}
    });
    limit.await.expect("a blocklisted client is refused");
    let refused = disk.read(0, 512).await;
    assert!(matches!(refused, Err(BlockError::Fenced { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_full_cluster_is_no_space_and_not_a_hang() {
    let ceph = Ceph::small().await.unwrap();
    let store = support::store_at(&ceph, |_| {});
    let disk = disk(&store, "tv", 256 * MIB).await;
    write(&*disk, 0, support::random(1, 8 << 20)).await;
    ceph.set_full(true).await.unwrap();
    let limit = tokio::time::timeout(Duration::from_secs(120), async {
        let mut at = 8;
        loop {
            let written = disk
                .write(at * MIB, support::random(at, 1 << 20).into(), Default::default())
                .await;
            if let Err(error) = written {
                return error;
            }
            at = 8 + (at + 1) % 200;
        }
    });
    let error = limit.await.expect("a full cluster refuses");
    assert!(matches!(error, BlockError::NoSpace { .. }), "{error}");
    assert_eq!(support::read(&*disk, 0, 8 << 20).await, support::random(1, 8 << 20));
    ceph.set_full(false).await.unwrap();
    let limit = tokio::time::timeout(Duration::from_secs(120), async {
        while disk.write(0, vec![5; 4096].into(), Default::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    limit.await.expect("work resumes by itself when there is room");
    disk.close().await.unwrap();
}
