//! Real files below the server: what clients are told of holes is what the file system has, and what they write is
//! what other programs find in the file.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, their helpers too")]

mod support;

use std::{fs, path::Path, sync::Arc};

use block::{
    Disk,
    conformance::{self, Case},
};
use export_nbd::Options;
use serde_json::Value;
use store_file::FileDevice;
use support::{Running, client::Client, export, pattern, run};

const MIB: u64 = 1 << 20;

async fn create(path: &Path, size: u64) -> Disk {
    Arc::new(FileDevice::create(path, size).await.unwrap())
}

/// The holes and data that QEMU sees in a raw image, wherever it is: start, length, whether there are data.
async fn map(image: &str) -> Vec<(u64, u64, bool)> {
    let map = run(
        "qemu-utils",
        "qemu-img",
        &["map", "-U", "--output=json", "-f", "raw", image],
    )
    .await;
    let map: Value = serde_json::from_str(&map).unwrap();
    let extent = |e: &Value| Some((e["start"].as_u64()?, e["length"].as_u64()?, e["data"].as_bool()?));
    map.as_array().unwrap().iter().map(|e| extent(e).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn block_status_is_the_files_real_holes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.raw");
    let disk = create(&path, 64 * MIB).await;
    let server = Running::unix(
        &dir.path().join("s"),
        vec![export("disk", disk.clone())],
        Options::default(),
    )
    .await;
    let uri = server.uri("disk");
    let commands = [
        "write -P 1 1M 1M",
        "write -P 2 8M 64k",
        "write -P 3 40M 4M",
        "discard 41M 1M",
        "write -z -u 42M 1M",
    ];
    let mut arguments = vec!["-f", "raw"];
    commands.iter().for_each(|command| arguments.extend(["-c", command]));
    arguments.push(&uri);
    run("qemu-utils", "qemu-io", &arguments).await;
    let through_server = map(&uri).await;
    // The disk's lock keeps other programs out of the file until it is closed.
    server.stop().await;
    disk.close().await.unwrap();
    assert_eq!(through_server, map(path.to_str().unwrap()).await);
    let data: u64 = through_server
        .iter()
        .filter(|extent| extent.2)
        .map(|extent| extent.1)
        .sum();
    assert_eq!(data, 3 * MIB + (64 << 10), "{through_server:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_copied_in_is_the_file_and_stays_sparse() {
    let dir = tempfile::tempdir().unwrap();
    let (path, source, back) = (
        dir.path().join("disk.raw"),
        dir.path().join("source"),
        dir.path().join("back"),
    );
    let mut image = vec![0; 32 << 20];
    for (offset, length) in [
        (0, 512),
        (4 << 20, 1 << 20),
        (20 << 20, 300 << 10),
        ((32 << 20) - 512, 512),
    ] {
        image[offset..offset + length].copy_from_slice(&pattern(offset as u64, length));
    }
    fs::write(&source, &image).unwrap();
    let disk = create(&path, 32 * MIB).await;
    let server = Running::unix(
        &dir.path().join("s"),
        vec![export("disk", disk.clone())],
        Options::default(),
    )
    .await;
    let (uri, source) = (server.uri("disk"), source.to_str().unwrap());
    run("libnbd-bin", "nbdcopy", &["--connections=3", "--flush", source, &uri]).await;
    assert!(
        fs::read(&path).unwrap() == image,
        "another program finds something else in the file"
    );
    let allocated = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(&path).unwrap()) * 512;
    assert!(allocated < 4 * MIB, "{allocated} bytes allocated");
    run("libnbd-bin", "nbdcopy", &[&uri, back.to_str().unwrap()]).await;
    assert!(fs::read(&back).unwrap() == image);
    server.stop().await;
    disk.close().await.unwrap();
}

/// The cases that lean on order and place, with threads below the server.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_behind_the_server_keeps_the_contract() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let options = conformance::Options {
        operations: 500,
        ..conformance::Options::default()
    };
    for case in [
        Case::Overlap,
        Case::Zeroes,
        Case::Discard,
        Case::Extents,
        Case::ConcurrentDisjoint,
        Case::ConcurrentOverlapping,
    ] {
        let dir = dir.clone();
        let open = move |size| {
            let path = dir.path().join(format!("{}-{size}", case.name()));
            async move {
                fs::remove_file(&path).ok();
                let server = Running::tcp(vec![export("disk", create(&path, size).await)], Options::default()).await;
                Client::connect(server.socket(), "disk").await
            }
        };
        conformance::run_case(case, open, options.clone()).await;
    }
}
