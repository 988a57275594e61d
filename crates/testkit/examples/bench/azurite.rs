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
use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use reqwest::{Client, Method, header::HeaderMap};
use testkit::Azurite;

use crate::{
    Settings,
    contender::Server,
    fio::{WORKLOADS, Workload},
    report::{Promise, Row, Run, Table},
};

const SIZE: u64 = 128 << 20;
/// The most that Put Page takes.
const PIECE: u64 = 4 << 20;
const VERSION: &str = "2021-12-02";

pub(crate) async fn measure(settings: &Settings) -> Result<Table> {
    let folder = tempfile::tempdir()?;
    let mut rows: Vec<Row> = WORKLOADS.iter().map(|workload| Row::new(*workload)).collect();
    for round in 1..=settings.rounds {
        // A new one for each round: its memory only grows.
        let azurite = Azurite::in_memory().await?;
        let service = Plain::new(&azurite)?;
        service.create_container().await?;
        let config = configure(&azurite, folder.path())?;
        for (index, row) in rows.iter_mut().enumerate() {
            eprintln!("azurite: {}, round {round} of {}", row.workload.name(), settings.rounds);
            // Blobs of their own: writes leave ranges behind that make Azurite slower.
            let blob = format!("ours-{index}");
            service.create_blob(&blob).await?;
            let disk = format!("azurite/{blob}");
            let server = Server::ours(&settings.program, &disk, Some(&config), folder.path()).await?;
            row.ours.push(server.run(SIZE, row.workload, settings.duration).await?);
            let blob = format!("plain-{index}");
            service.create_blob(&blob).await?;
            row.theirs
                .push(service.run(&blob, row.workload, settings.duration).await?);
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

/// A configuration for our server. Its folders are the benchmark's own.
fn configure(azurite: &Azurite, folder: &Path) -> Result<PathBuf> {
    let home = folder.display();
    let path = folder.join("gadget-manager.toml");
    fs::write(
        &path,
        format!(
            "state_dir = \"{home}/state\"\nrun_dir = \"{home}/run\"\n\n\
             [[store]]\nname = \"azurite\"\ntype = \"azure\"\ncontainer = \"bench\"\n"
        ),
    )?;
    let secrets = folder.join("secrets.toml");
    fs::write(&secrets, "")?;
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600))?;
    fs::write(
        &secrets,
        format!(
            "[store.azurite]\nconnection_string = \"{}\"\n",
            azurite.connection_string()
        ),
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
        })
    }

    async fn create_container(&self) -> Result<()> {
        let request = self.client.put(format!("{}?restype=container&{}", self.base, self.sas));
        expect(request.header("content-length", 0).send().await?, 201).await
    }

    /// Creates a blob that is full of data.
    async fn create_blob(&self, blob: &str) -> Result<()> {
        let request = self.client.put(format!("{}/{blob}?{}", self.base, self.sas));
        let request = request
            .header("x-ms-blob-type", "PageBlob")
            .header("x-ms-blob-content-length", SIZE);
        expect(request.header("content-length", 0).send().await?, 201).await?;
        for offset in (0..SIZE).step_by(PIECE as usize) {
            self.put(blob, offset, PIECE).await?;
        }
        Ok(())
    }

    async fn put(&self, blob: &str, offset: u64, length: u64) -> Result<()> {
        let request = self.request(Method::PUT, blob, "comp=page&", offset, length);
        let body = self.payload.slice(..length as usize);
        expect(
            request.header("x-ms-page-write", "update").body(body).send().await?,
            201,
        )
        .await
    }

    async fn get(&self, blob: &str, offset: u64, length: u64) -> Result<()> {
        let mut answer = self.request(Method::GET, blob, "", offset, length).send().await?;
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

    fn request(&self, method: Method, blob: &str, query: &str, offset: u64, length: u64) -> reqwest::RequestBuilder {
        let range = format!("bytes={offset}-{}", offset + length - 1);
        self.client
            .request(method, format!("{}/{blob}?{query}{}", self.base, self.sas))
            .header("x-ms-range", range)
    }

    async fn run(&self, blob: &str, workload: Workload, duration: Duration) -> Result<Run> {
        let next = Arc::new(AtomicU64::new(0));
        let start = Instant::now();
        let workers: Vec<_> = (0..workload.depth)
            .map(|worker| {
                let (service, blob, next) = (self.clone(), blob.to_owned(), Arc::clone(&next));
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
                            service.put(&blob, offset, workload.block).await?;
                        } else {
                            service.get(&blob, offset, workload.block).await?;
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
            throughput,
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
