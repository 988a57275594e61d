//! Disks whose connection is lost for good while the cluster answers others: they go on through another one, or are lost.

mod support;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use block::{
    BlockError, Disk, Health,
    store::{ImageRef, OpenOptions, Store},
};
use store_rbd::{RbdConfig, RbdSecret, RbdStore, Secret};
use support::{MIB, disk, open, random, read, store_at, until, write};
use testkit::Ceph;

/// A cluster whose tickets are good for seconds instead of hours.
async fn suspicious_cluster() -> Ceph {
    let ceph = Ceph::small().await.expect("a cluster that works");
    for (option, seconds) in [("auth_service_ticket_ttl", "20"), ("auth_mon_ticket_ttl", "40")] {
        ceph.ceph(["config", "set", "global", option, seconds])
            .await
            .expect("a cluster that works");
    }
    ceph
}

/// Takes the user's key away and restarts the cluster: whoever connects to it has to show a key. Gives the key.
async fn revoke(ceph: &Ceph) -> String {
    let keyring = ceph
        .ceph(["auth", "get", "client.stick"])
        .await
        .expect("a cluster that works");
    ceph.ceph(["auth", "del", "client.stick"])
        .await
        .expect("a cluster that works");
    for daemon in ["mon.a", "osd.0"] {
        ceph.kill(daemon).await.expect("a cluster that works");
    }
    for daemon in ["mon.a", "osd.0"] {
        ceph.revive(daemon).await.expect("a cluster that works");
    }
    keyring
}

async fn give_back(ceph: &Ceph, keyring: &str) {
    let file = ceph.folder().join("given-back.keyring");
    tokio::fs::write(&file, keyring).await.expect("a cluster that works");
    ceph.ceph(["auth", "import", "-i", file.to_str().expect("a cluster that works")])
        .await
        .expect("a cluster that works");
}

/// Waits until the disk tells that its key is refused, and gives since when it was silent.
async fn refused(disk: &Disk) -> SystemTime {
    let status = disk.status();
    let denied = || match &status.borrow().health {
        Health::Unreachable {
            since,
            error: BlockError::Denied { .. },
        } => Some(*since),
        _ => None,
    };
    until("the status tells that the key is refused", || denied().is_some()).await;
    denied().expect("a cluster that works")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_key_is_given_back_what_was_being_written_goes_on() {
    let ceph = suspicious_cluster().await;
    let store = store_at(&ceph, |config| config.deadline_seconds = 10);
    let disk = disk(&store, "tv", 8 * MIB).await;
    // A reader as well.
    write(&*disk, 0, random(1, 1 << 20)).await;
    store.snapshot("tv", Some("before")).await.unwrap();
    let snapshot = ImageRef {
        image: "tv".to_owned(),
        snapshot: Some("before".to_owned()),
    };
    let reader = store.open(&snapshot, &support::read_only()).await.unwrap();
    let generation = disk.generation();

    let keyring = revoke(&ceph).await;
    let writes: Vec<_> = (0..4)
        .map(|index| {
            let disk = disk.clone();
            tokio::spawn(async move { write(&*disk, index * MIB, random(10 + index, 1 << 20)).await })
        })
        .collect();
    refused(&disk).await;
    refused(&reader).await;
    assert!(
        writes.iter().all(|write| !write.is_finished()),
        "nothing is acknowledged"
    );
    // Nor is what its host gave up waiting for in anybody's way afterwards.
    let given_up = tokio::time::timeout(Duration::from_secs(1), read(&*disk, 0, 4096)).await;
    assert!(given_up.is_err());

    give_back(&ceph, &keyring).await;
    for write in writes {
        write.await.unwrap();
    }
    disk.flush().await.unwrap();
    for index in 0..4 {
        assert_eq!(read(&*disk, index * MIB, 1 << 20).await, random(10 + index, 1 << 20));
    }
    assert_eq!(read(&*reader, 0, 1 << 20).await, random(1, 1 << 20));
    until("the status tells that it is back", || {
        [&disk, &reader]
            .iter()
            .all(|disk| matches!(disk.status().borrow().health, Health::Online))
    })
    .await;
    assert_eq!(disk.generation(), generation, "it was ours all the time");
    assert_eq!(locks(&ceph).await, 1);

    // The new connection is told of changes too.
    ceph.rbd(["resize", "--size", "16M", &format!("{}/tv", ceph.pool())])
        .await
        .unwrap();
    let status = disk.status();
    until("the new size is noticed", || status.borrow().size == 16 * MIB).await;
    write(&*disk, 12 * MIB, random(3, 4096)).await;
    reader.close().await.unwrap();
    disk.close().await.unwrap();
    assert_eq!(locks(&ceph).await, 0);
    let again = open(&store, "tv").await;
    assert_eq!(
        again.generation(),
        generation.map(|generation| generation + 1),
        "nobody had it in between"
    );
    assert_eq!(read(&*again, 12 * MIB, 4096).await, random(3, 4096));
    again.close().await.unwrap();
}

async fn locks(ceph: &Ceph) -> usize {
    let text = ceph
        .rbd(["lock", "ls", "--format", "json", &format!("{}/tv", ceph.pool())])
        .await
        .expect("locks");
    serde_json::from_str::<Vec<serde_json::Value>>(&text)
        .expect("locks")
        .len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_somebody_else_had_meanwhile_is_lost() {
    let ceph = suspicious_cluster().await;
    let disk = disk(&store_at(&ceph, |config| config.deadline_seconds = 10), "tv", 8 * MIB).await;
    write(&*disk, 0, vec![1; 4096]).await;
    let keyring = revoke(&ceph).await;
    let pending = {
        let disk = disk.clone();
        tokio::spawn(async move { disk.write(0, vec![1; 4096].into(), Default::default()).await })
    };
    refused(&disk).await;

    let mut config = RbdConfig::new(ceph.pool());
    config.conf_file = Some(ceph.conf());
    config.user = Some("admin".to_owned());
    config.owner = Some("kitchen".to_owned());
    let key = RbdSecret::Key(Secret::new(ceph.key("admin").unwrap()));
    let other = Arc::new(RbdStore::new(config, Some(&key)).unwrap());
    let theirs = other.open(&ImageRef::live("tv"), &support::take_over()).await.unwrap();
    write(&*theirs, 0, vec![2; 4096]).await;
    theirs.close().await.unwrap();

    give_back(&ceph, &keyring).await;
    let error = pending.await.unwrap().unwrap_err();
    assert!(matches!(error, BlockError::Fenced { .. }), "{error}");
    assert!(error.to_string().contains("kitchen"), "{error}");
    assert!(matches!(disk.status().borrow().health, Health::Fenced { .. }));
    let again = other
        .open(&ImageRef::live("tv"), &OpenOptions::default())
        .await
        .unwrap();
    assert_eq!(
        read(&*again, 0, 4096).await,
        vec![2; 4096],
        "not a byte of the lost disk arrived"
    );
    again.close().await.unwrap();
    disk.close().await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_with_a_cache_of_its_own_says_that_it_waits_for_somebody() {
    let ceph = suspicious_cluster().await;
    let store = store_at(&ceph, |config| config.deadline_seconds = 10);
    store.create("tv", &support::sized(8 * MIB)).await.unwrap();
    let image = format!("{}/tv", ceph.pool());
    ceph.rbd(["config", "image", "set", &image, "rbd_cache", "true"])
        .await
        .unwrap();
    let disk = open(&store, "tv").await;
    write(&*disk, 0, vec![1; 4096]).await;
    disk.flush().await.unwrap();
    // From the first flush on librbd acknowledges what is in its memory only.
    let keyring = revoke(&ceph).await;
    write(&*disk, 0, vec![2; 4096]).await;
    let flushing = {
        let disk = disk.clone();
        tokio::spawn(async move { disk.flush().await })
    };
    refused(&disk).await;
    give_back(&ceph, &keyring).await;
    let status = disk.status();
    until("the status tells why it does not go on", || {
        matches!(&status.borrow().health, Health::Unreachable { error, .. } if error.to_string().contains("rbd_cache"))
    })
    .await;
    assert!(!flushing.is_finished(), "what is in the cache is not durable");
    flushing.abort();
}
