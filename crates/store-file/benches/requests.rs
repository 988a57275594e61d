//! Throughput and CPU time of requests on a file in the page cache: `cargo bench -p store-file --bench requests`.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use block::{BlockDevice, Payload, WriteFlags};
use futures::future::join_all;
use store_file::FileDevice;

const SIZE: u64 = 256 << 20;

/// CPU time of this process so far, user and system.
fn cpu() -> Duration {
    let clock = |text: &str| text.parse::<u64>().unwrap() * 10;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    Duration::from_millis(clock(fields[11]) + clock(fields[12]))
}

/// Has `tasks` tasks make requests of `length` bytes for two seconds.
async fn measure(disk: &Arc<FileDevice>, name: &str, length: u32, tasks: u64, random: bool, write: bool) {
    let (done, next) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let data = Payload::from(vec![0x55; length as usize]);
    let (start, cpu_before) = (Instant::now(), cpu());
    join_all((0..tasks).map(|_| {
        let (disk, done, next, data) = (disk.clone(), done.clone(), next.clone(), data.clone());
        tokio::spawn(async move {
            while start.elapsed() < Duration::from_secs(2) {
                let step = next.fetch_add(1, Ordering::Relaxed);
                let step = if random {
                    step.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20
                } else {
                    step
                };
                let offset = step % (SIZE / u64::from(length)) * u64::from(length);
                match write {
                    true => disk.write(offset, data.clone(), WriteFlags::default()).await.unwrap(),
                    false => drop(disk.read(offset, length).await.unwrap()),
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
        })
    }))
    .await;
    let (elapsed, cpu) = (start.elapsed().as_secs_f64(), (cpu() - cpu_before).as_secs_f64());
    let requests = done.load(Ordering::Relaxed);
    let bytes = requests as f64 * f64::from(length);
    println!(
        "{name:28} {:9.0} requests/s {:8.0} MiB/s {:6.1} us CPU per request {:6.2} CPU s per GiB",
        requests as f64 / elapsed,
        bytes / elapsed / 1_048_576.0,
        cpu * 1e6 / requests as f64,
        cpu / (bytes / 1_073_741_824.0)
    );
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FileDevice::create(folder.path().join("disk"), SIZE).await.unwrap());
    for at in (0..SIZE).step_by(1 << 20) {
        disk.write(at, vec![0xAA; 1 << 20].into(), WriteFlags::default())
            .await
            .unwrap();
    }
    disk.flush().await.unwrap();
    measure(&disk, "read 4 KiB random x 16", 4 << 10, 16, true, false).await;
    measure(&disk, "read 4 KiB random x 1", 4 << 10, 1, true, false).await;
    measure(&disk, "read 64 KiB x 8", 64 << 10, 8, false, false).await;
    measure(&disk, "read 128 KiB x 1", 128 << 10, 1, false, false).await;
    measure(&disk, "read 1 MiB x 8", 1 << 20, 8, false, false).await;
    measure(&disk, "write 4 KiB random x 16", 4 << 10, 16, true, true).await;
    measure(&disk, "write 1 MiB x 8", 1 << 20, 8, false, true).await;
    disk.close().await.unwrap();
}
