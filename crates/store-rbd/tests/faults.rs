//! Daemons of the cluster die and come back: nothing acknowledged is lost, nothing hangs, work resumes by itself.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use block::{BlockDevice, BlockError, Disk, Health, Payload, layers::Deadline, store::Store};
use support::{MIB, disk, open, read, store_at, until};
use testkit::Ceph;

/// Blocks that are written again and again, each by one task.
const BLOCKS: u64 = 16;
/// Bytes of a block; two blocks share an object.
const BLOCK: u64 = 2 * MIB;

/// Tasks that write without end, and what they know.
struct Storm {
    /// Of each block the last version that was acknowledged, and the last that was begun.
    versions: Arc<Vec<(AtomicU64, AtomicU64)>>,
    failures: Arc<AtomicU64>,
    /// Milliseconds that the slowest request took to succeed or to fail.
    slowest: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

fn content(block: u64, version: u64) -> Vec<u8> {
    // Small, to be many; at both ends of the block.
    [block, version]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect::<Vec<u8>>()
        .repeat(256)
}

impl Storm {
    fn start(disk: &Disk) -> Self {
        let versions: Arc<Vec<(AtomicU64, AtomicU64)>> = Arc::new((0..BLOCKS).map(|_| Default::default()).collect());
        let (failures, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let slowest = Arc::new(AtomicU64::new(0));
        let tasks = (0..BLOCKS).map(|block| {
            let (disk, versions, failures, stop) = (disk.clone(), versions.clone(), failures.clone(), stop.clone());
            let slowest = slowest.clone();
            tokio::spawn(async move {
                let (acknowledged, begun): &(AtomicU64, AtomicU64) = &versions[block as usize];
                while !stop.load(Ordering::Relaxed) {
                    let version = begun.fetch_add(1, Ordering::SeqCst) + 1;
                    let data = Payload::from(content(block, version));
                    let begin = Instant::now();
                    let mut written = disk.write(block * BLOCK, data, Default::default()).await;
                    slowest.fetch_max(begin.elapsed().as_millis() as u64, Ordering::SeqCst);
                    if written.is_ok() && version.is_multiple_of(8) {
                        let begin = Instant::now();
                        written = disk.flush().await;
                        slowest.fetch_max(begin.elapsed().as_millis() as u64, Ordering::SeqCst);
                    }
                    match written {
                        Ok(()) => acknowledged.store(version, Ordering::SeqCst),
                        Err(error) => {
                            assert!(error.is_retryable(), "{error}");
                            failures.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
            })
        });
        Self {
            tasks: tasks.collect(),
            versions,
            failures,
            slowest,
            stop,
        }
    }

    fn acknowledged(&self) -> u64 {
        self.versions
            .iter()
            .map(|(acknowledged, _)| acknowledged.load(Ordering::SeqCst))
            .sum()
    }

    /// Waits for more acknowledged writes of every block than there are now.
    async fn progress(&self) {
        let now: Vec<u64> = self.versions.iter().map(|(it, _)| it.load(Ordering::SeqCst)).collect();
        until("all blocks are written again", || {
            let versions = self.versions.iter().zip(&now);
            versions
                .into_iter()
                .all(|((it, _), before)| it.load(Ordering::SeqCst) > before + 2)
        })
        .await;
    }

    /// Ends the tasks and compares each block with what it may hold.
    async fn verify(self, disk: &dyn BlockDevice) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("no writer failed");
        }
        for (block, (acknowledged, begun)) in self.versions.iter().enumerate() {
            let block = block as u64;
            let found = read(disk, block * BLOCK, 4096).await;
            let version = u64::from_le_bytes(found[8..16].try_into().expect("8 bytes"));
            let (least, most) = (acknowledged.load(Ordering::SeqCst), begun.load(Ordering::SeqCst));
            assert!(
                (least..=most).contains(&version),
                "block {block}: {version}, not {least} to {most}"
            );
            assert!(found == content(block, version), "block {block} is torn");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_osd_killed_in_a_storm_of_writes_is_a_pause() {
    let ceph = Ceph::small().await.unwrap();
    let disk = disk(&store_at(&ceph, |_| {}), "storm", BLOCKS * BLOCK).await;
    let storm = Storm::start(&disk);
    for _ in 0..2 {
        storm.progress().await;
        ceph.kill("osd.0").await.unwrap();
        ceph.revive("osd.0").await.unwrap();
        storm.progress().await;
    }
    assert_eq!(
        storm.failures.load(Ordering::SeqCst),
        0,
        "librbd sends again what was lost"
    );
    storm.verify(&*disk).await;
    disk.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monitor_killed_and_back_is_not_even_noticed() {
    let ceph = Ceph::small().await.unwrap();
    let disk = disk(&store_at(&ceph, |_| {}), "storm", BLOCKS * BLOCK).await;
    let storm = Storm::start(&disk);
    storm.progress().await;
    ceph.kill("mon.a").await.unwrap();
    storm.progress().await;
    ceph.revive("mon.a").await.unwrap();
    storm.progress().await;
    assert_eq!(storm.failures.load(Ordering::SeqCst), 0);
    storm.verify(&*disk).await;
    disk.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_cluster_requests_fail_in_time_and_work_resumes_when_it_is_back() {
    let mut ceph = Ceph::small().await.unwrap();
    let store = store_at(&ceph, |config| config.deadline_seconds = 10);
    let bottom = disk(&store, "storm", BLOCKS * BLOCK).await;
    // As the stack has it, only more impatient.
    let disk: Disk = Arc::new(Deadline::new(bottom.clone(), Duration::from_secs(3)));
    let storm = Storm::start(&disk);
    storm.progress().await;
    let began = Instant::now();
    ceph.crash().await.unwrap();
    let status = bottom.status();
    until("requests fail", || storm.failures.load(Ordering::SeqCst) > BLOCKS).await;
    until("the status tells", || {
        matches!(status.borrow().health, Health::Unreachable { .. })
    })
    .await;
    let begin = Instant::now();
    let error = disk.read(0, 4096).await.unwrap_err();
    assert!(matches!(error, BlockError::Unreachable { .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    // RBD_OUTAGE_SECONDS=60 makes it as long as somebody wants it; the deadline above is what makes a short one enough.
    let length = std::env::var("RBD_OUTAGE_SECONDS").map_or(0, |seconds| seconds.parse().expect("seconds"));
    tokio::time::sleep(Duration::from_secs(length).saturating_sub(began.elapsed())).await;
    // A second disk is not opened, and says why, in time.
    let second = store
        .open(&block::store::ImageRef::live("storm"), &support::take_over())
        .await
        .err()
        .unwrap();
    assert!(second.to_string().contains("unreachable"), "{second}");
    let before = storm.acknowledged();
    ceph.resume().await.unwrap();
    let back = Instant::now();
    storm.progress().await;
    assert!(storm.acknowledged() > before);
    let slowest = Duration::from_millis(storm.slowest.load(Ordering::SeqCst));
    println!(
        "away for {:?}, all blocks written again after {:?}, slowest request {slowest:?}",
        back - began,
        back.elapsed()
    );
    // The deadline, and what a busy machine adds; without a deadline it is the whole outage.
    assert!(slowest < Duration::from_secs(20), "{slowest:?}");
    until("the status tells that it is back", || {
        matches!(status.borrow().health, Health::Online)
    })
    .await;
    // Without the impatience: a slow machine is not an outage.
    storm.verify(&*bottom).await;
    bottom.close().await.unwrap();
    let again = open(&store_at(&ceph, |_| {}), "storm").await;
    again.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_can_be_closed_and_dropped_while_the_cluster_is_away() {
    let mut ceph = Ceph::small().await.unwrap();
    let store = store_at(&ceph, |config| config.deadline_seconds = 10);
    let bottom = disk(&store, "tv", 8 * MIB).await;
    support::write(&*bottom, 0, vec![1; 4096]).await;
    let disk = Deadline::new(bottom, Duration::from_secs(2));
    ceph.crash().await.unwrap();
    let lost = disk.write(4096, vec![2; 4096].into(), Default::default()).await;
    assert!(lost.is_err_and(|error| error.is_retryable()));
    let begin = Instant::now();
    assert!(disk.close().await.is_err_and(|error| error.is_retryable()));
    drop(disk);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    ceph.resume().await.unwrap();
    // What was on its way arrives, then the image is closed and free.
    let opened = tokio::time::timeout(Duration::from_secs(120), async {
        loop {
            match store
                .open(&block::store::ImageRef::live("tv"), &Default::default())
                .await
            {
                Ok(disk) => return disk,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    });
    let opened = opened.await.expect("the image is free again");
    assert_eq!(read(&*opened, 0, 4096).await, vec![1; 4096]);
    opened.close().await.unwrap();
}
