//! Other people's clients: libnbd's tools, QEMU's and fio.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, their helpers too")]

mod support;

use std::{fs, path::Path, sync::Arc};

use block::{Disk, MemoryDevice, Payload, WriteFlags};
use export_nbd::{Export, Options};
use serde_json::Value;
use support::{Running, export, memory, output, pattern, run};

const LIBNBD: &str = "libnbd-bin";
const QEMU: &str = "qemu-utils";
const MIB: u64 = 1 << 20;

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}

/// A disk of 32 MiB with data here and there, and what is on it.
async fn patchy() -> (Disk, Vec<u8>) {
    let disk = memory(32 * MIB);
    let mut content = vec![0; 32 << 20];
    for (offset, length) in [
        (0, 512),
        (MIB, 3 << 20),
        (9 * MIB + 4096, 64 << 10),
        (32 * MIB - 512, 512),
    ] {
        let data = pattern(offset, length);
        content[offset as usize..offset as usize + length].copy_from_slice(&data);
        disk.write(offset, Payload::from(data), WriteFlags::default())
            .await
            .unwrap();
    }
    (disk, content)
}

async fn content(disk: &Disk) -> Vec<u8> {
    let mut all = Vec::new();
    while (all.len() as u64) < disk.properties().size {
        all.extend(disk.read(all.len() as u64, 1 << 20).await.unwrap().to_vec());
    }
    all
}

/// Offset, length and flags of `base:allocation`, from the disk itself.
async fn allocation(disk: &Disk) -> Vec<(u64, u64, u64)> {
    let size = disk.properties().size;
    let extents = disk.extents(0, size).await.unwrap();
    let flags = |zero| if zero { 3 } else { 0 };
    extents
        .iter()
        .map(|extent| (extent.offset, extent.length, flags(extent.kind.is_zero())))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nbdinfo_sees_what_is_offered() {
    let dir = tempfile::tempdir().unwrap();
    let exports = vec![
        export("first", memory(MIB)),
        Export {
            read_only: true,
            ..export("second", memory(2 * MIB))
        },
    ];
    let server = Running::unix(&dir.path().join("s"), exports, Options::default()).await;
    let listed = run(LIBNBD, "nbdinfo", &["--list", "--json", &server.uri("")]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["protocol"], "newstyle-fixed");
    assert_eq!(listed["structured"], true);
    let [first, second] = listed["exports"].as_array().unwrap().as_slice() else {
        panic!("two exports: {listed}")
    };
    assert_eq!(
        (&first["export-name"], &second["export-name"]),
        (&"first".into(), &"second".into())
    );
    assert_eq!(first["description"], "The first disk");
    assert_eq!(first["export-size"], MIB);
    assert_eq!(first["contexts"][0], "base:allocation");
    for ability in [
        "can_cache",
        "can_df",
        "can_fast_zero",
        "can_flush",
        "can_fua",
        "can_multi_conn",
        "can_trim",
        "can_zero",
    ] {
        assert_eq!(first[ability], true, "{ability}");
    }
    assert_eq!(
        (&first["is_read_only"], &second["is_read_only"]),
        (&false.into(), &true.into())
    );
    assert_eq!(first["block_size_minimum"], 512);
    assert_eq!(first["block_size_preferred"], 4096);
    assert_eq!(first["block_size_maximum"], 32 * MIB);
    let size = run(LIBNBD, "nbdinfo", &["--size", &server.uri("second")]).await;
    assert_eq!(size.trim(), (2 * MIB).to_string());
    let unknown = output(LIBNBD, "nbdinfo", &[&server.uri("third")]).await;
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("third"));
    assert_eq!(server.stop().await.violations, 0);
    assert!(!dir.path().join("s").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn maps_are_the_disks_real_holes() {
    let (disk, _) = patchy().await;
    let server = Running::tcp(vec![export("disk", disk.clone())], Options::default()).await;
    let map = run(LIBNBD, "nbdinfo", &["--map", "--json", &server.uri("disk")]).await;
    let map: Value = serde_json::from_str(&map).unwrap();
    let number = |extent: &Value, key: &str| extent[key].as_u64().unwrap();
    let seen: Vec<_> = map
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (number(e, "offset"), number(e, "length"), number(e, "type")))
        .collect();
    assert_eq!(seen, allocation(&disk).await);

    let map = run(
        QEMU,
        "qemu-img",
        &["map", "--output=json", "-f", "raw", &server.uri("disk")],
    )
    .await;
    let map: Value = serde_json::from_str(&map).unwrap();
    let seen: Vec<_> = map
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            (
                number(e, "start"),
                number(e, "length"),
                if e["data"] == true { 0 } else { 3 },
            )
        })
        .collect();
    assert_eq!(seen, allocation(&disk).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nbdcopy_copies_both_ways_over_several_connections() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, before) = patchy().await;
    let target = memory(32 * MIB);
    // What was there before must be gone, zeroes included.
    target
        .write(5 * MIB, Payload::from(pattern(1, 1 << 20)), WriteFlags::default())
        .await
        .unwrap();
    let exports = vec![export("disk", disk.clone()), export("target", target.clone())];
    let server = Running::unix(&dir.path().join("s"), exports, Options::default()).await;
    let file = dir.path().join("image");
    run(
        LIBNBD,
        "nbdcopy",
        &["--connections=4", &server.uri("disk"), text(&file)],
    )
    .await;
    assert!(fs::read(&file).unwrap() == before, "the copied image differs");
    run(
        LIBNBD,
        "nbdcopy",
        &["--connections=4", "--flush", text(&file), &server.uri("target")],
    )
    .await;
    assert!(content(&target).await == before, "the disk copied to differs");
    run(LIBNBD, "nbdcopy", &[&server.uri("disk"), &server.uri("target")]).await;
    assert!(content(&target).await == before);
    assert_eq!(server.stop().await.violations, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn qemu_img_describes_compares_and_converts() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, before) = patchy().await;
    let target = memory(32 * MIB);
    let exports = vec![export("disk", disk), export("target", target.clone())];
    let server = Running::tcp(exports, Options::default()).await;
    let (source, sink) = (server.uri("disk"), server.uri("target"));
    let info = run(QEMU, "qemu-img", &["info", "--output=json", "-f", "raw", &source]).await;
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["virtual-size"], 32 * MIB);
    let file = dir.path().join("image.qcow2");
    run(
        QEMU,
        "qemu-img",
        &["convert", "-f", "raw", "-O", "qcow2", &source, text(&file)],
    )
    .await;
    run(
        QEMU,
        "qemu-img",
        &["convert", "-n", "-f", "qcow2", "-O", "raw", text(&file), &sink],
    )
    .await;
    assert!(content(&target).await == before);
    run(QEMU, "qemu-img", &["compare", "-f", "raw", "-F", "raw", &source, &sink]).await;
    target
        .write(0, Payload::from(pattern(3, 512)), WriteFlags::default())
        .await
        .unwrap();
    let differs = output(QEMU, "qemu-img", &["compare", "-f", "raw", "-F", "raw", &source, &sink]).await;
    assert_eq!(differs.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn qemu_io_reads_and_writes_patterns() {
    let disk = memory(16 * MIB);
    let read_only = Export {
        read_only: true,
        ..export("read-only", disk.clone())
    };
    let server = Running::tcp(vec![export("disk", disk.clone()), read_only], Options::default()).await;
    let script = [
        "write -P 0x5a 0 1M",
        "write -f -P 0xa5 1M 64k",
        "aio_write -P 0x33 2M 256k",
        "aio_write -P 0x44 3M 512",
        "aio_flush",
        "flush",
        "read -P 0x5a 0 1M",
        "read -P 0xa5 1M 64k",
        "read -P 0x33 2M 256k",
        "write -z 64k 64k",
        "write -z -u 256k 128k",
        "write -z -n -u 512k 64k",
        "discard 768k 64k",
        "read -P 0 64k 64k",
        "read -P 0 256k 128k",
        "read -P 0 512k 64k",
        "read -P 0 768k 64k",
        "read -P 0x5a 128k 128k",
        "write -P 0x77 16776704 512",
        "read -P 0x77 16776704 512",
    ];
    let uri = server.uri("disk");
    let mut arguments = vec!["-f", "raw"];
    for command in &script {
        arguments.extend(["-c", command]);
    }
    arguments.push(&uri);
    let seen = run(QEMU, "qemu-io", &arguments).await;
    assert!(!seen.contains("fail"), "{seen}");
    // What was zeroed with leave to unmap, or discarded, is a hole again; the rest is not.
    let holes: Vec<_> = allocation(&disk)
        .await
        .into_iter()
        .filter(|extent| extent.2 == 3)
        .collect();
    let kib = |offset: u64, length: u64| (offset << 10, length << 10, 3);
    assert_eq!(holes[..3], [kib(256, 128), kib(512, 64), kib(768, 64)]);
    let uri = server.uri("read-only");
    let refused = output(QEMU, "qemu-io", &["-f", "raw", "-c", "write 0 512", &uri]).await;
    assert!(!refused.status.success());
    run(QEMU, "qemu-io", &["-r", "-f", "raw", "-c", "read -P 0xa5 1M 64k", &uri]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fio_writes_at_random_and_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Disk = Arc::new(MemoryDevice::new(64 * MIB).unwrap());
    let server = Running::unix(&dir.path().join("s"), vec![export("", disk)], Options::default()).await;
    let uri = format!("--uri={}", server.uri(""));
    let local = format!("--aux-path={}", text(dir.path()));
    for (name, block, depth) in [("small", "512-16k", "16"), ("large", "1m-1m", "8")] {
        let arguments = [
            "--ioengine=nbd",
            &uri,
            &local,
            &format!("--name={name}"),
            "--rw=randrw",
            &format!("--bsrange={block}"),
            "--blockalign=512",
            &format!("--iodepth={depth}"),
            "--size=64m",
            "--io_size=48m",
            "--verify=crc32c",
            "--verify_fatal=1",
            "--verify_backlog=64",
            "--randseed=7",
            "--output-format=terse",
        ];
        run("fio", "fio", &arguments).await;
    }
    assert_eq!(server.stop().await.violations, 0);
}
