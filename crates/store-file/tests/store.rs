//! A folder of images, with their snapshots.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    sync::Mutex,
};

use block::{
    Disk, Payload, WriteFlags,
    store::{CreateOptions, ImageRef, OpenOptions, Store, StoreError, Verdict},
};
use store_file::FileStore;
use tempfile::TempDir;

fn store() -> (TempDir, FileStore) {
    let folder = TempDir::new().unwrap();
    let store = FileStore::new(folder.path());
    (folder, store)
}

fn of_size(size: u64) -> CreateOptions {
    CreateOptions { size, format: None }
}

async fn open(store: &FileStore, image: &str) -> Disk {
    store
        .open(&image.parse().unwrap(), &OpenOptions::default())
        .await
        .unwrap()
}

/// Writes 1 MiB of `byte` at 1 MiB of an image that nobody has open.
async fn fill(store: &FileStore, image: &str, byte: u8) {
    let disk = open(store, image).await;
    disk.write(1 << 20, vec![byte; 1 << 20].into(), WriteFlags::default())
        .await
        .unwrap();
    disk.close().await.unwrap();
}

async fn content(store: &FileStore, image: &str) -> u8 {
    let disk = open(store, image).await;
    let found = disk.read(1 << 20, 1 << 20).await.unwrap();
    disk.close().await.unwrap();
    let byte = found.to_vec()[0];
    assert_eq!(found, Payload::from(vec![byte; 1 << 20]));
    byte
}

#[tokio::test]
async fn images_are_made_listed_resized_and_deleted() {
    let (folder, store) = store();
    assert!(store.list().await.unwrap().is_empty());
    let info = store.create("films.img", &of_size(1 << 30)).await.unwrap();
    assert_eq!(
        (info.name.as_str(), info.size, info.format.as_str()),
        ("films.img", 1 << 30, "raw")
    );
    assert!(info.allocated.unwrap() < 1 << 20, "sparse");
    store.create("Musik für Oma", &of_size(512)).await.unwrap();
    fs::create_dir(folder.path().join("a folder")).unwrap();
    fs::write(folder.path().join(".hidden"), b"x").unwrap();
    let names: Vec<_> = store.list().await.unwrap().into_iter().map(|info| info.name).collect();
    assert_eq!(names, ["Musik für Oma", "films.img"]);
    let again = store.create("films.img", &of_size(512)).await.unwrap_err();
    assert!(matches!(again, StoreError::AlreadyExists { .. }));
    assert_eq!(store.resize("films.img", 2 << 30).await.unwrap().size, 2 << 30);
    assert!(store.resize("films.img", 1000).await.is_err());
    let vhd = CreateOptions {
        format: Some("vhd".to_owned()),
        ..of_size(512)
    };
    assert!(matches!(
        store.create("disk.vhd", &vhd).await,
        Err(StoreError::Unsupported { .. })
    ));
    store.delete("films.img", false).await.unwrap();
    assert!(matches!(
        store.info(&ImageRef::live("films.img")).await,
        Err(StoreError::NotFound { .. })
    ));
    assert!(matches!(
        store.delete("films.img", false).await,
        Err(StoreError::NotFound { .. })
    ));
}

#[tokio::test]
async fn no_name_leads_out_of_the_folder() {
    let (folder, store) = store();
    let outside = folder.path().with_extension("outside");
    fs::write(&outside, vec![0; 512]).unwrap();
    let name = outside.file_name().unwrap().to_str().unwrap();
    for bad in [
        &format!("../{name}"),
        outside.to_str().unwrap(),
        "..",
        ".",
        "",
        "a/../b",
    ] {
        let reference = ImageRef::live(bad);
        assert!(
            matches!(store.create(bad, &of_size(512)).await, Err(StoreError::Invalid { .. })),
            "{bad:?}"
        );
        assert!(store.open(&reference, &OpenOptions::default()).await.is_err());
        assert!(store.info(&reference).await.is_err());
        assert!(store.delete(bad, true).await.is_err());
        assert!(store.resize(bad, 1024).await.is_err());
        assert!(store.snapshot(bad, None).await.is_err());
    }
    assert_eq!(fs::metadata(&outside).unwrap().len(), 512);
    fs::remove_file(outside).unwrap();
}

#[tokio::test]
async fn an_image_in_use_is_left_alone() {
    let (_folder, store) = store();
    store.create("disk", &of_size(4 << 20)).await.unwrap();
    fill(&store, "disk", 1).await;
    let snapshot = store.snapshot("disk", None).await.unwrap();
    let owner = open(&store, "disk").await;
    let live = ImageRef::live("disk");
    for result in [
        store.resize("disk", 8 << 20).await.map(drop),
        store.delete("disk", true).await,
        store.restore("disk", &snapshot.id, &|_, _| {}).await,
        store.open(&live, &OpenOptions::default()).await.map(drop),
    ] {
        assert!(matches!(result, Err(StoreError::InUse { .. })), "{result:?}");
    }
    let info = store.info(&live).await.unwrap();
    assert!(info.owner.unwrap().contains("this process"));
    assert_eq!(info.size, 4 << 20);
    owner.close().await.unwrap();
    assert_eq!(content(&store, "disk").await, 1);
}

#[tokio::test]
async fn snapshots_are_taken_read_restored_and_deleted() {
    let (folder, store) = store();
    store.create("disk", &of_size(64 << 20)).await.unwrap();
    fs::set_permissions(folder.path().join("disk"), fs::Permissions::from_mode(0o640)).unwrap();
    fill(&store, "disk", 1).await;
    let first = store.snapshot("disk", Some("before the update")).await.unwrap();
    assert_eq!(
        (first.label.as_deref(), first.size),
        (Some("before the update"), Some(64 << 20))
    );
    fill(&store, "disk", 2).await;
    let second = store.snapshot("disk", None).await.unwrap();
    let listed: Vec<_> = store
        .snapshots("disk")
        .await
        .unwrap()
        .into_iter()
        .map(|snapshot| snapshot.id)
        .collect();
    assert_eq!(listed, [first.id.clone(), second.id.clone()]);
    assert_eq!(store.list().await.unwrap().len(), 1, "snapshots are no images");

    let reference = format!("disk@{}", first.id);
    assert_eq!(content(&store, &reference).await, 1);
    let disk = open(&store, &reference).await;
    assert!(disk.properties().read_only);
    disk.close().await.unwrap();
    let info = store.info(&reference.parse().unwrap()).await.unwrap();
    assert!(info.allocated.unwrap() < 4 << 20, "sparse as its image");

    let steps = Mutex::new(Vec::new());
    store
        .restore("disk", &first.id, &|done, all| steps.lock().unwrap().push((done, all)))
        .await
        .unwrap();
    assert!(
        steps
            .lock()
            .unwrap()
            .iter()
            .all(|&(done, all)| done <= all && all == 64 << 20)
    );
    assert_eq!(content(&store, "disk").await, 1);
    assert_eq!(fs::metadata(folder.path().join("disk")).unwrap().mode() & 0o777, 0o640);
    assert!(
        fs::metadata(folder.path().join("disk")).unwrap().blocks() < 8192,
        "still sparse"
    );

    assert!(matches!(
        store.delete("disk", false).await,
        Err(StoreError::Invalid { .. })
    ));
    store.delete_snapshot("disk", &first.id).await.unwrap();
    let gone = store.delete_snapshot("disk", &first.id).await.unwrap_err();
    assert!(
        matches!(gone, StoreError::NotFound { .. }) && gone.to_string().contains(&first.id),
        "{gone}"
    );
    store.delete("disk", true).await.unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    assert!(matches!(
        store.snapshots("disk").await,
        Err(StoreError::NotFound { .. })
    ));
}

#[tokio::test]
async fn a_snapshot_of_an_image_in_use_is_whole_or_refused() {
    let (folder, store) = store();
    store.create("disk", &of_size(4 << 20)).await.unwrap();
    fill(&store, "disk", 1).await;
    let owner = open(&store, "disk").await;
    match store.snapshot("disk", None).await {
        // A file system that clones.
        Ok(snapshot) => assert_eq!(content(&store, &format!("disk@{}", snapshot.id)).await, 1),
        Err(error) => {
            assert!(
                matches!(error, StoreError::InUse { .. }) && error.to_string().contains("btrfs"),
                "{error}"
            );
            assert_eq!(
                fs::read_dir(folder.path()).unwrap().count(),
                1,
                "no partial copy is left"
            );
        }
    }
    owner.close().await.unwrap();
    assert!(store.snapshot("disk", Some("a/b")).await.is_err());
    assert!(matches!(
        store.snapshot("other", None).await,
        Err(StoreError::NotFound { .. })
    ));
}

#[tokio::test]
async fn where_files_can_be_cloned_an_image_in_use_has_snapshots_too() {
    let mount = support::FileSystem::new("mkfs.btrfs", "btrfs-progs", 400 << 20);
    let store = FileStore::new(mount.path());
    store.create("disk", &of_size(1 << 40)).await.unwrap();
    let owner = open(&store, "disk").await;
    owner
        .write(1 << 20, vec![1; 1 << 20].into(), WriteFlags::default())
        .await
        .unwrap();
    let snapshot = store.snapshot("disk", None).await.unwrap();
    owner
        .write(1 << 20, vec![2; 1 << 20].into(), WriteFlags::default())
        .await
        .unwrap();
    owner.close().await.unwrap();
    assert_eq!(
        content(&store, &format!("disk@{}", snapshot.id)).await,
        1,
        "what it held at that moment"
    );
    assert_eq!(content(&store, "disk").await, 2);
    store.restore("disk", &snapshot.id, &|_, _| {}).await.unwrap();
    assert_eq!(content(&store, "disk").await, 1);
    let findings = store.diagnose(None).await;
    assert!(
        findings.iter().any(|finding| finding.detail.contains("clones files")),
        "{findings:?}"
    );
}

#[tokio::test]
async fn a_folder_is_diagnosed() {
    let (folder, store) = store();
    let worst = |findings: &[block::store::Finding]| findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    store.create("disk", &of_size(1 << 20)).await.unwrap();
    let findings = store.diagnose(Some("disk")).await;
    assert!(!worst(&findings) && findings.len() >= 6, "{findings:?}");
    let findings = store.diagnose(Some("other")).await;
    assert!(worst(&findings), "{findings:?}");
    let nowhere = FileStore::new(folder.path().join("nowhere")).diagnose(None).await;
    assert!(nowhere[0].remedy.as_ref().unwrap().contains("mkdir"), "{nowhere:?}");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left behind"
    );
}
