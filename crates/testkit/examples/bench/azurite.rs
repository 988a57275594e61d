//! A page blob in Azurite against plain HTTP requests of the same size and number.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use md5::{Digest, Md5};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use reqwest::{Client, Method, header::HeaderMap};
use testkit::Azurite;

use crate::{
    Settings,
    contender::Server,
    fio::{WORKLOADS, Workload},
    processors::Halves,
    report::{Promise, Row, Run, Table},
    sample,
};

const SIZE: u64 = 128 << 20;
/// The most that Put Page takes.
const PIECE: u64 = 4 << 20;
/// The disk.
const BLOB: &str = "disk";
const VERSION: &str = "2021-12-02";

pub(crate) async fn measure(settings: &Settings) -> Result<Table> {
    let folder = tempfile::tempdir()?;
    // The service runs on another machine in life, and must not take turns with its clients here.
    let halves = Halves::new()?;
    if let Some(halves) = halves {
        halves.client(std::process::id())?;
    }
    let mut rows: Vec<Row> = WORKLOADS.iter().flat_map(|workload| rows_of(*workload)).collect();
    rows.retain(|row| row.name().contains(&settings.row));
    for row in &mut rows {
        for round in 1..=settings.rounds {
            eprintln!("azurite: {}, round {round} of {}", row.name(), settings.rounds);
            row.ours.push(ours(settings, halves, folder.path(), row).await?);
            row.theirs.push(plain(settings, halves, row).await?);
        }
    }
    Ok(Table {
        title: format!(
            "A page blob of {} MiB in Azurite, against plain HTTP requests",
            SIZE >> 20
        ),
        them: "plain HTTP".to_owned(),
        promise: Promise {
            throughput: 0.9,
            cpu: None,
        },
        rows,
    })
}

/// A run of our server, on an Azurite of its own: what writes leave behind in one makes it several times slower.
async fn ours(settings: &Settings, halves: Option<Halves>, folder: &Path, row: &Row) -> Result<Run> {
    let azurite = Azurite::in_memory().await?;
    let service = Plain::new(&azurite)?;
    if let Some(halves) = halves {
        halves.service(service.azurite)?;
    }
    service.create_blob().await?;
    let config = configure(&azurite, folder)?;
    let store = if row.md5 == Some(false) {
        "without-md5"
    } else {
        "default"
    };
    let disk = format!("{store}/{BLOB}");
    let server = Server::ours(&settings.program, &disk, Some(&config), folder).await?;
    let before = service.cpu()?;
    let mut run = server.run(SIZE, row.workload, settings.duration).await?;
    run.service_cpu_per_gib = Some((service.cpu()? - before) / (run.bytes as f64 / f64::from(1 << 30)));
    Ok(run)
}

/// A run of plain requests, likewise.
async fn plain(settings: &Settings, halves: Option<Halves>, row: &Row) -> Result<Run> {
    let azurite = Azurite::in_memory().await?;
    let service = Plain::new(&azurite)?;
    if let Some(halves) = halves {
        halves.service(service.azurite)?;
    }
    service.create_blob().await?;
    let md5 = row.md5.unwrap_or(false);
    service.run(row.workload, md5, settings.duration).await
}

/// Writes with and without a `Content-MD5`, the same on both sides; reads as they are.
fn rows_of(workload: Workload) -> Vec<Row> {
    if workload.write {
        [true, false].map(|md5| Row::with_md5(workload, md5)).into()
    } else {
        vec![Row::new(workload)]
    }
}

/// A configuration for our server. Its folders are the benchmark's own.
fn configure(azurite: &Azurite, folder: &Path) -> Result<PathBuf> {
    let home = folder.display();
    let path = folder.join("gadget-manager.toml");
    fs::write(
        &path,
        format!(
            "state_dir = \"{home}/state\"\nrun_dir = \"{home}/run\"\n\n\
             [[store]]\nname = \"default\"\ntype = \"azure\"\ncontainer = \"bench\"\n\n\
             [[store]]\nname = \"without-md5\"\ntype = \"azure\"\ncontainer = \"bench\"\nmd5_writes = false\n"
        ),
    )?;
    let secrets = folder.join("secrets.toml");
    fs::write(&secrets, "")?;
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600))?;
    fs::write(
        &secrets,
        ["default", "without-md5"]
            .map(|store| {
                format!(
                    "[store.{store}]\nconnection_string = \"{}\"\n",
                    azurite.connection_string()
                )
            })
            .concat(),
    )?;
    Ok(path)
}

/// Nothing but HTTP: what the machine and Azurite can give.
#[derive(Debug, Clone)]
struct Plain {
    client: Client,
    base: String,
    sas: String,
    payload: Bytes,
    azurite: u32,
}

impl Plain {
    fn new(azurite: &Azurite) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-version", VERSION.parse()?);
        // As our client does: no Nagle, HTTP/1.1, connections kept.
        let client = Client::builder()
            .default_headers(headers)
            .tcp_nodelay(true)
            .no_proxy()
            .http1_only()
            .build()?;
        let mut payload = vec![0; PIECE as usize];
        SmallRng::seed_from_u64(1).fill(&mut payload[..]);
        Ok(Self {
            client,
            base: format!("{}/bench", azurite.endpoint()),
            sas: azurite.sas()?,
            payload: payload.into(),
            azurite: azurite.process().context("Azurite does not run")?.id(),
        })
    }

    /// CPU seconds of Azurite so far.
    fn cpu(&self) -> Result<f64> {
        Ok(sample::usage(self.azurite)?.cpu)
    }

    /// Creates the container and in it a blob that is full of data.
    async fn create_blob(&self) -> Result<()> {
        let request = self.client.put(format!("{}?restype=container&{}", self.base, self.sas));
        expect(request.header("content-length", 0).send().await?, 201).await?;
        let request = self.client.put(format!("{}/{BLOB}?{}", self.base, self.sas));
        let request = request
            .header("x-ms-blob-type", "PageBlob")
            .header("x-ms-blob-content-length", SIZE);
        expect(request.header("content-length", 0).send().await?, 201).await?;
        for offset in (0..SIZE).step_by(PIECE as usize) {
            self.put(offset, PIECE, false).await?;
        }
        Ok(())
    }

    async fn put(&self, offset: u64, length: u64, md5: bool) -> Result<()> {
        let mut request = self.request(Method::PUT, "comp=page&", offset, length);
        let body = self.payload.slice(..length as usize);
        if md5 {
            request = request.header("content-md5", STANDARD.encode(Md5::digest(&body)));
        }
        expect(
            request.header("x-ms-page-write", "update").body(body).send().await?,
            201,
        )
        .await
    }

    async fn get(&self, offset: u64, length: u64) -> Result<()> {
        let mut answer = self.request(Method::GET, "", offset, length).send().await?;
        if answer.status() != 206 {
            bail!("Azurite answered {} to a read", answer.status());
        }
        let mut got = 0;
        while let Some(chunk) = answer.chunk().await? {
            got += chunk.len() as u64;
        }
        if got != length {
            bail!("Azurite sent {got} instead of {length} bytes");
        }
        Ok(())
    }

    fn request(&self, method: Method, query: &str, offset: u64, length: u64) -> reqwest::RequestBuilder {
        let range = format!("bytes={offset}-{}", offset + length - 1);
        self.client
            .request(method, format!("{}/{BLOB}?{query}{}", self.base, self.sas))
            .header("x-ms-range", range)
    }

    async fn run(&self, workload: Workload, md5: bool, duration: Duration) -> Result<Run> {
        let before = self.cpu()?;
        let next = Arc::new(AtomicU64::new(0));
        let start = Instant::now();
        let workers: Vec<_> = (0..workload.depth)
            .map(|worker| {
                let (service, next) = (self.clone(), Arc::clone(&next));
                tokio::spawn(async move {
                    let mut random = SmallRng::seed_from_u64(worker as u64);
                    let mut bytes = 0;
                    while start.elapsed() < duration {
                        let blocks = SIZE / workload.block;
                        let block = if workload.random {
                            random.random_range(0..blocks)
                        } else {
                            next.fetch_add(1, Ordering::Relaxed) % blocks
                        };
                        let offset = block * workload.block;
                        if workload.write {
                            service.put(offset, workload.block, md5).await?;
                        } else {
                            service.get(offset, workload.block).await?;
                        }
                        bytes += workload.block;
                    }
                    Ok::<u64, anyhow::Error>(bytes)
                })
            })
            .collect();
        let mut bytes = 0;
        for worker in workers {
            bytes += worker.await.context("a worker of the plain HTTP load")??;
        }
        let throughput = bytes as f64 / start.elapsed().as_secs_f64();
        Ok(Run {
            bytes,
            throughput,
            service_cpu_per_gib: Some((self.cpu()? - before) / (bytes as f64 / f64::from(1 << 30))),
            cpu_per_gib: None,
            peak: None,
        })
    }
}

async fn expect(answer: reqwest::Response, status: u16) -> Result<()> {
    if answer.status() != status {
        bail!(
            "Azurite answered {} instead of {status}: {}",
            answer.status(),
            answer.text().await?
        );
    }
    answer.bytes().await?;
    Ok(())
}
