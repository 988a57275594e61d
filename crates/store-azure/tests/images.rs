//! What can be done with images: sizes, snapshots, VHDs, copies, and what is refused in words.

mod support;

use std::process::Command;

use block::{
    BlockDevice, ExtentKind,
    store::{ImageRef, Store, StoreError},
};
use support::{MIB, disk, open, random, raw, read, read_only, store, vhd, write};

#[tokio::test]
async fn a_sparse_disk_of_a_gibibyte_tells_its_holes() {
    let store = store().await;
    let disk = disk(&store, "sparse", 1 << 30).await;
    let (first, last) = (random(1, 5 << 20), random(2, 512));
    write(&disk, 100 * MIB, first.clone()).await;
    write(&disk, (1 << 30) - 512, last.clone()).await;
    disk.discard(102 * MIB, MIB).await.unwrap();
    let expected = [
        (0, 100 * MIB, ExtentKind::Hole),
        (100 * MIB, 2 * MIB, ExtentKind::Data),
        (102 * MIB, MIB, ExtentKind::Hole),
        (103 * MIB, 2 * MIB, ExtentKind::Data),
        (105 * MIB, (1 << 30) - 105 * MIB - 512, ExtentKind::Hole),
        ((1 << 30) - 512, 512, ExtentKind::Data),
    ];
    let shape = |extents: Vec<block::Extent>| -> Vec<_> {
        let mut merged: Vec<(u64, u64, ExtentKind)> = Vec::new();
        for extent in extents {
            match merged.last_mut() {
                Some(last) if last.2 == extent.kind => last.1 += extent.length,
                _ => merged.push((extent.offset, extent.length, extent.kind)),
            }
        }
        merged
    };
    assert_eq!(shape(disk.extents(0, 1 << 30).await.unwrap()), expected);
    assert_eq!(
        store.info(&ImageRef::live("sparse")).await.unwrap().allocated,
        Some(4 * MIB + 512)
    );
    disk.close().await.unwrap();
    // The same from a map that was loaded, and from one that is asked for each time.
    let again = open(&store, "sparse").await;
    assert_eq!(shape(again.extents(0, 1 << 30).await.unwrap()), expected);
    assert_eq!(read(&again, 100 * MIB, 2 << 20).await, first[..2 << 20]);
    assert_eq!(read(&again, (1 << 30) - 512, 512).await, last);
    let reader = store.open_disk(&ImageRef::live("sparse"), &read_only()).await.unwrap();
    assert_eq!(shape(reader.extents(0, 1 << 30).await.unwrap()), expected);
    assert_eq!(read(&reader, 102 * MIB, 2 << 20).await[..1 << 20], vec![0; 1 << 20]);
}

#[tokio::test]
async fn snapshots_are_taken_opened_restored_and_deleted() {
    let store = store().await;
    let disk = disk(&store, "tv", 4 * MIB).await;
    let old = random(3, 1 << 20);
    write(&disk, 0, old.clone()).await;
    let snapshot = store.snapshot("tv", Some("vor Weihnachten, 100 %")).await.unwrap();
    write(&disk, 0, random(4, 1 << 20)).await;
    let listed = store.snapshots("tv").await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].id, snapshot.id);
    assert_eq!(listed[0].label.as_deref(), Some("vor Weihnachten, 100 %"));
    let reference = ImageRef {
        image: "tv".to_owned(),
        snapshot: Some(snapshot.id.clone()),
    };
    let frozen = store.open(&reference, &Default::default()).await.unwrap();
    assert!(frozen.properties().read_only);
    assert_eq!(frozen.read(0, 1 << 20).await.unwrap().to_vec(), old);
    assert!(matches!(
        store.restore("tv", &snapshot.id, &|_, _| {}).await,
        Err(StoreError::InUse { .. })
    ));
    disk.close().await.unwrap();
    let before = store.info(&ImageRef::live("tv")).await.unwrap().details["generation"].clone();
    let seen = std::sync::Mutex::new(Vec::new());
    store
        .restore("tv", &snapshot.id, &|done, all| seen.lock().unwrap().push((done, all)))
        .await
        .unwrap();
    assert_eq!(seen.lock().unwrap().last(), Some(&(4 * MIB, 4 * MIB)));
    let after = store.info(&ImageRef::live("tv")).await.unwrap();
    assert!(after.details["generation"].parse::<u64>().unwrap() > before.parse().unwrap());
    assert!(after.owner.is_none(), "{after:?}");
    let disk = open(&store, "tv").await;
    assert_eq!(read(&disk, 0, 1 << 20).await, old);
    disk.close().await.unwrap();
    assert!(
        matches!(store.delete("tv", false).await, Err(StoreError::Invalid { .. })),
        "it has a snapshot"
    );
    store.delete_snapshot("tv", &snapshot.id).await.unwrap();
    assert!(store.snapshots("tv").await.unwrap().is_empty());
    store.snapshot("tv", None).await.unwrap();
    store.delete("tv", true).await.unwrap();
    assert!(matches!(store.snapshots("tv").await, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn a_vhd_is_one_for_others_too() {
    let store = store().await;
    store.create("boot.vhd", &vhd(64 * MIB)).await.unwrap();
    let disk = open(&store, "boot.vhd").await;
    assert_eq!(disk.properties().size, 64 * MIB);
    let data = random(5, 1 << 20);
    write(&disk, 63 * MIB, data.clone()).await;
    for size in [80 * MIB, 48 * MIB, 96 * MIB] {
        disk.resize(size).await.unwrap();
        assert_eq!(disk.status().borrow().size, size);
    }
    assert_eq!(read(&disk, 0, 4096).await, vec![0; 4096]);
    assert_eq!(
        read(&disk, 63 * MIB, 1 << 20).await,
        vec![0; 1 << 20],
        "cut off at 48 MiB and grown again"
    );
    assert_eq!(
        read(&disk, 80 * MIB, 512).await,
        vec![0; 512],
        "no old footer is left inside"
    );
    write(&disk, 95 * MIB, data.clone()).await;
    disk.close().await.unwrap();
    // The blob as it is, footer and all, for somebody else's eyes.
    let raw_config = {
        let mut config = store_azure::AzureConfig::new(store.container().name());
        config.format = Some(store_azure::Format::Raw);
        config
    };
    let secret = support::connection(support::azurite().await);
    let as_raw = store_azure::AzureStore::new(raw_config, &secret).unwrap();
    let whole = as_raw
        .open_disk(&ImageRef::live("boot.vhd"), &read_only())
        .await
        .unwrap();
    let length = whole.properties().size;
    assert_eq!(length, 96 * MIB + 512);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("boot.vhd");
    let mut content = Vec::new();
    while (content.len() as u64) < length {
        let part = (length - content.len() as u64).min(16 * MIB) as u32;
        content.extend(whole.read(content.len() as u64, part).await.unwrap().to_vec());
    }
    std::fs::write(&file, &content).unwrap();
    let qemu = Command::new(testkit::program::locate("qemu-img"))
        .args(["info", "-f", "vpc", "--output", "json"])
        .arg(&file)
        .output()
        .unwrap();
    let info: serde_json::Value = serde_json::from_slice(&qemu.stdout).unwrap();
    assert_eq!(info["format"], "vpc");
    assert_eq!(info["virtual-size"], 96 * MIB);
    assert_eq!(content[95 << 20..96 << 20], data[..]);
    let listed = store.list().await.unwrap();
    assert_eq!((listed[0].format.as_str(), listed[0].size), ("vhd", 96 * MIB));
}

#[tokio::test]
async fn a_vhd_made_by_somebody_else_opens_without_its_footer() {
    let folder = tempfile::tempdir().unwrap();
    let (source, image) = (folder.path().join("raw"), folder.path().join("vhd"));
    std::fs::write(&source, random(6, 2 << 20)).unwrap();
    let qemu = Command::new(testkit::program::locate("qemu-img"))
        .args(["convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size"])
        .args([&source, &image])
        .status()
        .unwrap();
    assert!(qemu.success());
    let content = std::fs::read(&image).unwrap();
    let store = store().await;
    let blob = store.container().blob("theirs.vhd", None).unwrap();
    blob.create(content.len() as u64, &Default::default()).await.unwrap();
    // Without our metadata it looks raw while it is filled, and is a VHD from the next opening on.
    let disk = open(&store, "theirs.vhd").await;
    write(&disk, 0, content.clone()).await;
    disk.close().await.unwrap();
    let disk = open(&store, "theirs.vhd").await;
    assert_eq!(disk.format(), store_azure::Format::Vhd);
    assert_eq!(read(&disk, 0, 2 << 20).await, content[..2 << 20]);
    disk.close().await.unwrap();
}

#[tokio::test]
async fn a_vhd_whose_resize_was_interrupted_is_finished() {
    let store = store().await;
    // (length of the blob at the crash, intent) for both directions: before and after the length changed.
    for (at, (length, old, new)) in [(64, 64, 80), (80, 64, 80), (64, 64, 48), (48, 64, 48)]
        .into_iter()
        .enumerate()
    {
        let image = format!("crash-{at}.vhd");
        store.create(&image, &vhd(64 * MIB)).await.unwrap();
        let disk = open(&store, &image).await;
        let data = random(7, 4096);
        write(&disk, MIB, data.clone()).await;
        if length != 64 {
            // A crash after the length was set: the footer may not be there yet.
            disk.resize(length * MIB).await.unwrap();
        }
        disk.close().await.unwrap();
        let blob = store.container().blob(&image, None).unwrap();
        let mut metadata = blob.properties().await.unwrap().metadata;
        metadata.insert("cloudstick_resize".to_owned(), format!("{}:{}", old * MIB, new * MIB));
        blob.set_metadata(&metadata, None, None).await.unwrap();
        let refused = store
            .open_disk(&ImageRef::live(image.as_str()), &read_only())
            .await
            .err()
            .unwrap();
        assert!(refused.to_string().contains("interrupted"), "{refused}");
        let disk = open(&store, &image).await;
        assert_eq!(
            (disk.properties().size, disk.format()),
            (new * MIB, store_azure::Format::Vhd),
            "case {at}"
        );
        assert_eq!(read(&disk, MIB, 4096).await, data);
        disk.close().await.unwrap();
        assert_eq!(store.info(&ImageRef::live(image)).await.unwrap().size, new * MIB);
    }
}

#[tokio::test]
async fn copies_are_made_by_the_service() {
    let store = store().await;
    let disk = disk(&store, "a", 2 * MIB).await;
    let data = random(8, 4096);
    write(&disk, 8192, data.clone()).await;
    let info = store.copy(&ImageRef::live("a"), "b", &|_, _| {}).await.unwrap();
    assert_eq!((info.size, info.owner), (2 * MIB, None));
    assert!(matches!(
        store.copy(&ImageRef::live("a"), "b", &|_, _| {}).await,
        Err(StoreError::AlreadyExists { .. })
    ));
    disk.close().await.unwrap();
    let copy = open(&store, "b").await;
    assert_eq!(read(&copy, 8192, 4096).await, data);
    copy.close().await.unwrap();
}

#[tokio::test]
async fn the_largest_blob_works_and_larger_ones_are_refused_here() {
    let store = store().await;
    let error = store.create("big", &raw((8 << 40) + 512)).await.unwrap_err();
    assert!(error.to_string().contains("8 TiB"), "{error}");
    let disk = disk(&store, "big", 8 << 40).await;
    let data = random(9, 4096);
    write(&disk, (8 << 40) - 4096, data.clone()).await;
    assert_eq!(read(&disk, (8 << 40) - 4096, 4096).await, data);
    assert!(
        disk.resize((8 << 40) + 512)
            .await
            .unwrap_err()
            .to_string()
            .contains("8 TiB")
    );
    disk.close().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_words() {
    let store = store().await;
    let text = |result: Result<block::store::ImageInfo, StoreError>| result.unwrap_err().to_string();
    assert!(text(store.create("odd", &raw(1000)).await).contains("multiple of 512"));
    assert!(text(store.create("none", &raw(0)).await).contains("zero"));
    assert!(text(store.create("odd.vhd", &vhd(MIB + 512)).await).contains("whole MiB"));
    assert!(text(store.create("../up", &raw(MIB)).await).contains("blob name"));
    let other = block::store::CreateOptions {
        size: MIB,
        format: Some("qcow2".to_owned()),
    };
    assert!(text(store.create("x", &other).await).contains("qcow2"));
    store.create("tv", &raw(MIB)).await.unwrap();
    assert!(matches!(
        store.create("tv", &raw(MIB)).await,
        Err(StoreError::AlreadyExists { .. })
    ));
    assert!(matches!(
        store.info(&ImageRef::live("gone")).await,
        Err(StoreError::NotFound { .. })
    ));
    assert!(matches!(
        store.delete("gone", false).await,
        Err(StoreError::NotFound { .. })
    ));
    let error = store.snapshots("tv").await.unwrap();
    assert!(error.is_empty());
    assert!(
        store
            .restore("tv", "yesterday", &|_, _| {})
            .await
            .unwrap_err()
            .to_string()
            .contains("time")
    );
}

#[tokio::test]
async fn a_block_blob_and_a_missing_container_are_told_apart() {
    let azurite = support::azurite().await;
    let store = store().await;
    // Somebody else's upload, by a signature that somebody else made.
    let url = format!(
        "{}/{}/movie.mkv?{}",
        azurite.endpoint(),
        store.container().name(),
        azurite.sas().unwrap()
    );
    let put = reqwest_put(&url).await;
    assert!(put.status().is_success());
    let error = store
        .open(&ImageRef::live("movie.mkv"), &Default::default())
        .await
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("BlockBlob") && error.to_string().contains("page blob"),
        "{error}"
    );
    assert!(store.list().await.unwrap().is_empty(), "only page blobs are disks");
    let config = store_azure::AzureConfig::new(&support::unique("missing"));
    let missing = store_azure::AzureStore::new(config, &support::connection(azurite)).unwrap();
    let error = missing.create("tv", &raw(MIB)).await.unwrap_err();
    assert!(error.to_string().contains("container does not exist"), "{error}");
    assert!(missing.open(&ImageRef::live("tv"), &Default::default()).await.is_err());
}

#[tokio::test]
async fn a_blob_with_a_name_we_do_not_take_hides_no_other() {
    let azurite = support::azurite().await;
    let store = store().await;
    store.create("tv", &raw(MIB)).await.unwrap();
    let url = format!(
        "{}/{}/a@b.vhd?{}",
        azurite.endpoint(),
        store.container().name(),
        azurite.sas().unwrap()
    );
    let http = store_azure::http_client(None, std::time::Duration::from_secs(10), 1).unwrap();
    let put = http
        .put(url)
        .header("x-ms-blob-type", "PageBlob")
        .header("x-ms-blob-content-length", MIB)
        .header("content-length", 0)
        .send()
        .await
        .unwrap();
    assert!(put.status().is_success(), "{put:?}");
    let listed = store.list().await.unwrap();
    let names: Vec<&str> = listed.iter().map(|image| image.name.as_str()).collect();
    assert_eq!(names, ["a@b.vhd", "tv"]);
    assert!(listed[0].details["problem"].contains('@'), "{:?}", listed[0]);
}

async fn reqwest_put(url: &str) -> reqwest::Response {
    let http = store_azure::http_client(None, std::time::Duration::from_secs(10), 1).expect("an upload");
    http.put(url)
        .header("x-ms-blob-type", "BlockBlob")
        .body("movie")
        .send()
        .await
        .expect("an upload")
}
