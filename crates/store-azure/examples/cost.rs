//! What the client itself costs: CPU seconds per GiB of reading, writing and MD5, and throughput beside plain requests.
//!
//! `cargo run --profile bench-fast -p store-azure --example cost`, with Azurite installed by `ci/azurite/install`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use block::{
    BlockDevice, Payload,
    store::{CreateOptions, ImageRef, OpenOptions, Store},
};
use futures::{StreamExt, stream};
use md5::{Digest, Md5};
use store_azure::{AzureConfig, AzureDisk, AzureSecret, AzureStore, Secret, http_client};
use testkit::Azurite;

const MIB: u64 = 1 << 20;
const DISK: u64 = 256 * MIB;

/// CPU seconds of this process so far, in user and kernel mode (`proc_pid_stat(5)`, fields 14 and 15).
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn report(what: &str, bytes: u64, start: Instant, cpu_before: f64) {
    let (seconds, used) = (start.elapsed().as_secs_f64(), cpu() - cpu_before);
    let mib = bytes as f64 / MIB as f64;
    println!(
        "{what:40} {:8.1} MiB/s {:8.2} CPU ms/MiB",
        mib / seconds,
        used * 1000.0 / mib
    );
}

async fn run(what: &str, size: u64, parallel: usize, disk: &Arc<AzureDisk>, data: Option<&Payload>) {
    let (start, before) = (Instant::now(), cpu());
    let offsets: Vec<u64> = (0..DISK / size).map(|at| at * size).collect();
    let all = stream::iter(offsets).map(|offset| async move {
        match data {
            Some(data) => disk.write(offset, data.clone(), Default::default()).await,
            None => disk.read(offset, size as u32).await.map(|_| ()),
        }
    });
    let results: Vec<_> = all.buffer_unordered(parallel).collect().await;
    assert!(
        results.iter().all(Result::is_ok),
        "{:?}",
        results.iter().find(|result| result.is_err())
    );
    report(what, DISK, start, before);
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let data = vec![0xA5_u8; 64 << 20];
    let (start, before) = (Instant::now(), cpu());
    std::hint::black_box(Md5::digest(&data));
    report("MD5 alone", data.len() as u64, start, before);
    let zeroes = Payload::from(vec![0_u8; 64 << 20]);
    let (start, before) = (Instant::now(), cpu());
    std::hint::black_box(zeroes.is_zero());
    report("looking for zeroes, in zeroes", 64 << 20, start, before);

    let azurite = Azurite::in_memory().await?;
    for (md5, title) in [(true, "with MD5"), (false, "without MD5")] {
        let mut config = AzureConfig::new(if md5 { "with" } else { "without" });
        config.md5_writes = md5;
        if !md5 {
            config.md5_reads_up_to = 0;
        }
        let secret = AzureSecret::ConnectionString(Secret::new(azurite.connection_string()));
        let store = AzureStore::new(config, &secret)?;
        store.container().create().await?;
        store
            .create(
                "disk",
                &CreateOptions {
                    size: DISK,
                    format: None,
                },
            )
            .await?;
        let disk = Arc::new(
            store
                .open_disk(&ImageRef::live("disk"), &OpenOptions::default())
                .await?,
        );
        let payload = Payload::from(data[..MIB as usize].to_vec());
        run(&format!("write 1 MiB x 8 {title}"), MIB, 8, &disk, Some(&payload)).await;
        run(&format!("read 1 MiB x 8 {title}"), MIB, 8, &disk, None).await;
        let big = Payload::from(data[..4 << 20].to_vec());
        run(&format!("write 4 MiB x 8 {title}"), 4 * MIB, 8, &disk, Some(&big)).await;
        run(&format!("read 4 MiB x 8 {title}"), 4 * MIB, 8, &disk, None).await;
        run(&format!("read 64 KiB x 16 {title}"), 64 << 10, 16, &disk, None).await;
        disk.close().await?;
        if !md5 {
            plain(&azurite).await?;
        }
    }
    Ok(())
}

/// The same reads as bare HTTP requests: the ceiling.
async fn plain(azurite: &Azurite) -> anyhow::Result<()> {
    let http = http_client(None, Duration::from_secs(5), 16)?;
    let url = format!("{}/without/disk?{}", azurite.endpoint(), azurite.sas()?);
    for (size, parallel) in [(MIB, 8), (4 * MIB, 8), (64 << 10, 16)] {
        let (start, before) = (Instant::now(), cpu());
        let all = stream::iter(0..DISK / size).map(|at| {
            let range = format!("bytes={}-{}", at * size, (at + 1) * size - 1);
            let request = http
                .get(&url)
                .header("x-ms-range", range)
                .header("x-ms-version", store_azure::API_VERSION);
            async move { anyhow::Ok(request.send().await?.error_for_status()?.bytes().await?.len()) }
        });
        let results: Vec<_> = all.buffer_unordered(parallel).collect().await;
        assert!(
            results
                .into_iter()
                .all(|length| length.is_ok_and(|length| length as u64 == size))
        );
        report(
            &format!("plain GET {} KiB x {parallel}", size >> 10),
            DISK,
            start,
            before,
        );
    }
    Ok(())
}
