//! Clusters start, serve, are hurt, keep their data and vanish.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::signal::Signal;
use testkit::{Ceph, Process, ceph::Options};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Set in the copy of this program that is going to be killed.
const DOOMED: &str = "TESTKIT_DOOMED_CEPH";

/// Content that is no pattern, the same for the same seed.
fn content(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut data = Vec::with_capacity(len + 8);
    while data.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend_from_slice(&state.to_le_bytes());
    }
    data.truncate(len);
    data
}

async fn import(ceph: &Ceph, image: &str, data: &[u8]) {
    let file = ceph.folder().join(format!("{image}.in"));
    fs::write(&file, data).unwrap();
    ceph.rbd(["import", "--no-progress", file.to_str().unwrap(), image])
        .await
        .unwrap();
}

async fn export(ceph: &Ceph, image: &str) -> Vec<u8> {
    let file = ceph.folder().join(format!("{image}.out"));
    ceph.rbd(["export", "--no-progress", image, file.to_str().unwrap()])
        .await
        .unwrap();
    let data = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    data
}

/// Whether a process of this cluster is left, as the kernel sees it.
fn processes_in(folder: &Path) -> Vec<String> {
    let needle = folder.to_str().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(needle))
        .collect()
}

#[tokio::test]
async fn images_are_made_filled_and_read_and_nothing_is_left_behind() {
    let ceph = Ceph::small().await.unwrap();
    println!("a new cluster serves after {:.1} s", ceph.start_time().as_secs_f64());
    assert_eq!(ceph.ceph(["health"]).await.unwrap().trim(), "HEALTH_OK");

    ceph.rbd(["create", "--size", "64M", "empty"]).await.unwrap();
    let data_pool = ceph.data_pool().to_owned();
    ceph.rbd(["create", "--size", "64M", "--data-pool", &data_pool, "apart"])
        .await
        .unwrap();
    let data = content(1, 9 << 20);
    import(&ceph, "film", &data).await;
    let names = ceph.rbd(["ls"]).await.unwrap();
    assert_eq!(names.lines().collect::<Vec<_>>(), ["apart", "empty", "film"]);
    assert_eq!(export(&ceph, "film").await, data);
    assert_eq!(export(&ceph, "empty").await, vec![0; 64 << 20]);
    // What has no manager daemon to be done by works all the same.
    let usage = ceph.rbd(["du", "film"]).await.unwrap();
    assert!(usage.contains("9 MiB"), "{usage}");
    ceph.rbd(["namespace", "create", "rbd/living-room"]).await.unwrap();
    ceph.ceph(["osd", "blocklist", "add", "127.0.0.1:0/4711"])
        .await
        .unwrap();
    let blocklist = ceph.ceph(["osd", "blocklist", "ls"]).await.unwrap();
    assert!(blocklist.contains("127.0.0.1:0/4711"), "{blocklist}");

    let folder = ceph.folder().to_owned();
    assert!(!processes_in(&folder).is_empty());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains("cloud-stick"), "visible mounts: {mounts}");
    drop(ceph);
    assert_eq!(processes_in(&folder), Vec::<String>::new());
    assert!(!folder.exists());
}

#[tokio::test]
async fn the_restricted_user_may_use_its_pools_and_nothing_else() {
    let ceph = Ceph::small().await.unwrap();
    ceph.ceph(["osd", "pool", "create", "other", "8"]).await.unwrap();
    ceph.rbd(["pool", "init", "other"]).await.unwrap();
    ceph.rbd(["create", "--size", "8M", "other/secret"]).await.unwrap();

    let user = ceph.user().to_owned();
    let as_user = ["--id", user.as_str()];
    let allowed: [&[&str]; 5] = [
        &["create", "--size", "8M", "mine"],
        &["create", "--size", "8M", "--data-pool", "rbd-data", "mine-too"],
        &["snap", "create", "mine@monday"],
        &["lock", "add", "mine-too", "me"],
        &["ls"],
    ];
    for arguments in allowed {
        ceph.rbd(as_user.iter().chain(arguments)).await.unwrap();
    }
    let refused: [(&str, &[&str]); 6] = [
        ("rbd", &["ls", "other"]),
        ("rbd", &["info", "other/secret"]),
        ("rbd", &["create", "--size", "8M", "other/mine"]),
        ("rados", &["-p", "other", "ls"]),
        ("ceph", &["auth", "ls"]),
        ("ceph", &["osd", "pool", "create", "more", "8"]),
    ];
    for (tool, arguments) in refused {
        let error = ceph
            .tool(tool, as_user.iter().chain(arguments))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("Operation not permitted") || error.contains("EACCES"),
            "{error}"
        );
    }
    for name in ["admin", user.as_str()] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(ceph.keyring(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        assert_eq!(ceph.key(name).unwrap().len(), 40);
    }
}

#[tokio::test]
async fn what_was_acknowledged_outlives_kills_of_daemons_and_of_the_whole_cluster() {
    let mut ceph = Ceph::small().await.unwrap();
    let data = content(2, 5 << 20);
    import(&ceph, "film", &data).await;

    let before = ceph.daemon("osd.0").unwrap();
    ceph.kill("osd.0").await.unwrap();
    assert!(!Path::new(&format!("/proc/{before}")).exists());
    ceph.revive("osd.0").await.unwrap();
    assert_ne!(ceph.daemon("osd.0").unwrap(), before);
    assert_eq!(export(&ceph, "film").await, data, "after a kill of the OSD");

    ceph.kill("mon.a").await.unwrap();
    ceph.revive("mon.a").await.unwrap();
    assert_eq!(export(&ceph, "film").await, data, "after a kill of the monitor");

    let ports = ceph.ports();
    ceph.crash().await.unwrap();
    assert_eq!(processes_in(ceph.folder()), Vec::<String>::new());
    ceph.resume().await.unwrap();
    println!("after a crash it serves after {:.1} s", ceph.start_time().as_secs_f64());
    assert_eq!(export(&ceph, "film").await, data, "after a kill of everything");

    ceph.stop().await.unwrap();
    assert_eq!(processes_in(ceph.folder()), Vec::<String>::new());
    ceph.resume().await.unwrap();
    assert_eq!(export(&ceph, "film").await, data, "after a stop");
    assert_eq!(ceph.ports(), ports);
}

#[tokio::test]
async fn a_full_cluster_takes_nothing_until_there_is_room_again() {
    let ceph = Ceph::small().await.unwrap();
    import(&ceph, "film", &content(3, 1 << 20)).await;
    ceph.set_full(true).await.unwrap();
    health(&ceph, "OSD_FULL").await;
    // Clients wait for room; this one only for so long.
    ceph.tool(
        "rados",
        ["-p", "rbd", "--rados-osd-op-timeout", "3", "put", "more", "/etc/passwd"],
    )
    .await
    .unwrap_err();
    ceph.set_full(false).await.unwrap();
    health(&ceph, "HEALTH_OK").await;
    ceph.tool("rados", ["-p", "rbd", "put", "more", "/etc/passwd"])
        .await
        .unwrap();
}

/// Waits until the health report has this word.
async fn health(ceph: &Ceph, word: &str) {
    let waiting = async {
        while !ceph.ceph(["health", "detail"]).await.unwrap().contains(word) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), waiting).await.unwrap();
}

#[tokio::test]
async fn two_clusters_know_nothing_of_each_other() {
    let options = Options {
        osds: 2,
        memory: true,
        ..Options::default()
    };
    let (one, two) = tokio::join!(Ceph::small(), Ceph::start(options));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.fsid(), two.fsid());
    assert!(one.ports().end() < two.ports().start() || two.ports().end() < one.ports().start());
    import(&one, "first", &content(5, 1 << 20)).await;
    import(&two, "second", &content(6, 1 << 20)).await;
    assert_eq!(one.rbd(["ls"]).await.unwrap(), "first\n");
    assert_eq!(two.rbd(["ls"]).await.unwrap(), "second\n");
    drop(two);
    assert_eq!(export(&one, "first").await, content(5, 1 << 20));
}

#[tokio::test]
async fn the_s3_endpoint_answers_and_tells_its_keys_to_nobody() {
    let ceph = Ceph::start(Options {
        s3: true,
        ..Options::default()
    })
    .await
    .unwrap();
    let s3 = ceph.s3().unwrap();
    let mut stream = TcpStream::connect(s3.endpoint.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("200 OK") && answer.contains("ListAllMyBucketsResult"),
        "{answer}"
    );
    assert!(!s3.access_key.is_empty() && !s3.secret_key.is_empty());
    assert!(!format!("{s3:?}").contains(&s3.secret_key));
}

/// A test that dies cannot clean up; the kernel does it.
#[tokio::test]
async fn a_cluster_dies_with_the_test_that_started_it() {
    if let Some(folder) = std::env::var_os(DOOMED) {
        let ceph = Ceph::small().await.unwrap();
        // Where the outer test looks for processes.
        fs::write(folder, ceph.folder().to_str().unwrap()).unwrap();
        std::future::pending::<()>().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    let doomed = Process::builder(std::env::current_exe().unwrap())
        .args(["--exact", "a_cluster_dies_with_the_test_that_started_it", "--nocapture"])
        .env(DOOMED, &told)
        .spawn()
        .unwrap();
    let limit = Duration::from_secs(400);
    doomed
        .wait_until(limit, "a test with a cluster", async || {
            fs::read(&told).is_ok_and(|path| !path.is_empty())
        })
        .await
        .unwrap();
    let cluster = PathBuf::from(fs::read_to_string(&told).unwrap());
    assert!(processes_in(&cluster).len() > 2);
    // The test alone, not its group: nobody is left to kill the others.
    doomed.signal(Signal::SIGKILL);
    let gone = async {
        while !processes_in(&cluster).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
    fs::remove_dir_all(cluster).unwrap();
}
