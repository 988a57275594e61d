//! A real Ceph cluster on this machine, made by `scripts/ceph`.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::{Process, repository};

/// A cluster takes 5 to 15 s to start; tests run beside each other and compilers.
const START_LIMIT: Duration = Duration::from_secs(180);
/// How long a tool may take. Without the cluster's answer most would wait for ever.
const TOOL_LIMIT: Duration = Duration::from_secs(120);
/// How long the daemons may take to end in good order.
const STOP_LIMIT: Duration = Duration::from_secs(90);

/// What a cluster is to be like.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many object storage daemons there are, 1 to 4. Each object is in one of them only.
    pub osds: u8,
    /// What each can hold, in bytes, at least 1 GiB. Takes of the disk only what is written.
    pub osd_bytes: u64,
    /// Keeps objects in memory, so that they do not survive their OSD.
    pub memory: bool,
    /// With an S3 endpoint (radosgw): see [`Ceph::s3`].
    pub s3: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            osds: 1,
            osd_bytes: 20 << 30,
            memory: false,
            s3: false,
        }
    }
}

/// The S3 endpoint of a cluster.
#[derive(Clone)]
pub struct S3 {
    /// `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// Name of the region for signatures.
    pub region: String,
    /// Access key id.
    pub access_key: String,
    /// Secret access key.
    pub secret_key: String,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// A running cluster: one monitor (`mon.a`), OSDs (`osd.0`, ...), and if asked for `client.rgw`. All of it is gone when
/// this is dropped, and when the test process dies.
///
/// Its pools are [`pool`](Self::pool) for images and [`data_pool`](Self::data_pool) for `rbd create --data-pool`. Two
/// users have keyrings: `admin`, and [`user`](Self::user) with the least rights for images in these pools. There is no
/// manager daemon, hence no quotas of pools; [`set_full`](Self::set_full) makes a full cluster.
#[derive(Debug)]
pub struct Ceph {
    /// What `scripts/ceph` says about it.
    facts: HashMap<String, String>,
    start_time: Duration,
    // Declared before `folder`: killed processes first, then their files.
    keeper: Option<Process>,
    folder: TempDir,
}

impl Ceph {
    /// Makes a cluster and waits until it serves. Downloads Ceph first if this is the first time (3 minutes).
    pub async fn start(options: Options) -> Result<Self> {
        prepare().await?;
        let folder = tempfile::Builder::new().prefix("ceph-").tempdir()?;
        let mut arguments = vec![
            "--osds".to_owned(),
            options.osds.to_string(),
            "--osd-size".to_owned(),
            options.osd_bytes.to_string(),
        ];
        arguments.extend(options.memory.then(|| "--memstore".to_owned()));
        arguments.extend(options.s3.then(|| "--rgw".to_owned()));
        let mut ceph = Self {
            facts: HashMap::new(),
            start_time: Duration::ZERO,
            keeper: None,
            folder,
        };
        ceph.launch(&arguments).await?;
        let path = ceph.folder().join("cluster");
        ceph.facts = read_facts(&path)?;
        Ok(ceph)
    }

    /// One with a single OSD that keeps what it acknowledged.
    pub async fn small() -> Result<Self> {
        Self::start(Options::default()).await
    }

    async fn launch(&mut self, arguments: &[String]) -> Result<()> {
        let begin = Instant::now();
        let keeper = Process::builder(script())
            .arg("start")
            .arg(self.folder())
            .arg("--foreground")
            .args(arguments)
            .env("CEPH_START_LIMIT", START_LIMIT.as_secs().to_string())
            .spawn()?;
        keeper
            .wait_for_line(START_LIMIT * 2, |line| line.starts_with("ready after"))
            .await?;
        self.start_time = begin.elapsed();
        self.keeper = Some(keeper);
        Ok(())
    }

    /// How long the last start took, from nothing to a cluster that serves.
    #[must_use]
    pub fn start_time(&self) -> Duration {
        self.start_time
    }

    /// Ends all daemons in good order. The data stay for [`resume`](Self::resume).
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(keeper) = self.keeper.take() {
            keeper.stop(STOP_LIMIT).await?;
        }
        Ok(())
    }

    /// Kills all daemons at once (SIGKILL), as a power cut would.
    pub async fn crash(&mut self) -> Result<()> {
        match self.keeper.take() {
            Some(keeper) => keeper.kill().await,
            None => Ok(()),
        }
    }

    /// Starts it again after [`stop`](Self::stop) or [`crash`](Self::crash), at the same addresses with the same data.
    pub async fn resume(&mut self) -> Result<()> {
        ensure!(self.keeper.is_none(), "the cluster runs already");
        self.launch(&[]).await
    }

    /// Kills one daemon (SIGKILL) and waits until it is gone.
    pub async fn kill(&self, daemon: &str) -> Result<()> {
        self.script("kill", &[daemon]).await
    }

    /// Starts a killed daemon again and waits until it takes part in the cluster.
    pub async fn revive(&self, daemon: &str) -> Result<()> {
        self.script("revive", &[daemon]).await
    }

    /// Stops a daemon where it is (SIGSTOP): its connections stay open and nothing answers.
    pub async fn pause(&self, daemon: &str) -> Result<()> {
        self.script("signal", &["STOP", daemon]).await
    }

    /// Lets a paused daemon go on.
    pub async fn unpause(&self, daemon: &str) -> Result<()> {
        self.script("signal", &["CONT", daemon]).await
    }

    /// Process id of a daemon.
    pub fn daemon(&self, daemon: &str) -> Result<u32> {
        let file = self.folder().join("run").join(format!("{daemon}.pid"));
        let text = fs::read_to_string(&file).with_context(|| format!("{daemon} does not run"))?;
        Ok(text.trim().parse()?)
    }

    /// Makes the OSDs think that they are full, as soon as they hold anything, or not full again. Their reports take up to
    /// some seconds: wait for what is to happen.
    pub async fn set_full(&self, full: bool) -> Result<()> {
        // They have to rise in this order; 0.85, 0.90 and 0.95 are Ceph's defaults.
        let ratios = if full {
            ["0.00001", "0.00002", "0.00003"]
        } else {
            ["0.85", "0.90", "0.95"]
        };
        let mut steps: Vec<_> = ["set-nearfull-ratio", "set-backfillfull-ratio", "set-full-ratio"]
            .into_iter()
            .zip(ratios)
            .collect();
        if !full {
            steps.reverse();
        }
        for (command, ratio) in steps {
            self.ceph(["osd", command, ratio]).await?;
        }
        Ok(())
    }

    /// Runs `rbd` as the administrator; its output. Paths mean this machine's files (except those in /usr).
    pub async fn rbd(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<String> {
        self.tool("rbd", arguments).await
    }

    /// Runs `ceph` as the administrator; its output.
    pub async fn ceph(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<String> {
        self.tool("ceph", arguments).await
    }

    /// Runs any tool of Ceph (`rbd`, `ceph`, `rados`, ...), by default as the administrator (`--id` changes that). Fails
    /// with what it wrote unless it exits with 0.
    pub async fn tool(&self, tool: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<String> {
        let arguments: Vec<_> = arguments.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let output = Process::builder(script())
            .arg("run")
            .arg(self.folder())
            .args(["--", tool])
            .args(&arguments)
            .output(TOOL_LIMIT)
            .await
            .with_context(|| format!("{tool} {arguments:?}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("{tool} {arguments:?} failed ({}):\n{text}{errors}", output.status);
        }
        Ok(text)
    }

    async fn script(&self, verb: &str, arguments: &[&str]) -> Result<()> {
        let output = Process::builder(script())
            .arg(verb)
            .arg(self.folder())
            .args(arguments)
            .output(START_LIMIT * 2)
            .await?;
        ensure!(
            output.status.success(),
            "scripts/ceph {verb} {arguments:?} failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Everything of this cluster: data, logs (`log/`), keys.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `ceph.conf` for clients. It names the monitors, and where keyrings are.
    #[must_use]
    pub fn conf(&self) -> PathBuf {
        self.folder().join("ceph.conf")
    }

    /// The keyring of `admin` or of [`user`](Self::user) (without `client.`).
    #[must_use]
    pub fn keyring(&self, user: &str) -> PathBuf {
        self.folder().join(format!("ceph.client.{user}.keyring"))
    }

    /// The key of a user, base64: a secret, of this cluster only.
    pub fn key(&self, user: &str) -> Result<String> {
        let file = self.keyring(user);
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        text.lines()
            .find_map(|line| line.trim().strip_prefix("key = "))
            .map(|key| key.trim().to_owned())
            .with_context(|| format!("no key in {}", file.display()))
    }

    /// The user with the least rights for images in both pools (without `client.`).
    #[must_use]
    pub fn user(&self) -> &str {
        self.fact("user")
    }

    /// The pool of images.
    #[must_use]
    pub fn pool(&self) -> &str {
        self.fact("pool")
    }

    /// A second pool, for the data of images.
    #[must_use]
    pub fn data_pool(&self) -> &str {
        self.fact("data_pool")
    }

    /// The cluster's id.
    #[must_use]
    pub fn fsid(&self) -> &str {
        self.fact("fsid")
    }

    /// Where the monitor speaks messenger v2, and v1 (which older clients and the kernel by default use).
    #[must_use]
    pub fn monitors(&self) -> (SocketAddr, SocketAddr) {
        let first = *self.ports().start();
        (
            (Ipv4Addr::LOCALHOST, first).into(),
            (Ipv4Addr::LOCALHOST, first + 1).into(),
        )
    }

    /// All ports of 127.0.0.1 at which its daemons may ever listen: what a guest has to have forwarded.
    #[must_use]
    pub fn ports(&self) -> RangeInclusive<u16> {
        let (first, last) = self
            .fact("ports")
            .split_once('-')
            .expect("scripts/ceph writes two ports");
        let number = |text: &str| text.parse().expect("scripts/ceph writes port numbers");
        number(first)..=number(last)
    }

    /// The S3 endpoint, of a cluster that was started with one.
    pub fn s3(&self) -> Result<S3> {
        let mut facts = read_facts(&self.folder().join("s3.env"))?;
        let mut take = |name: &str| facts.remove(name).with_context(|| format!("s3.env has no {name}"));
        Ok(S3 {
            endpoint: take("AWS_ENDPOINT_URL")?,
            region: take("AWS_REGION")?,
            access_key: take("AWS_ACCESS_KEY_ID")?,
            secret_key: take("AWS_SECRET_ACCESS_KEY")?,
        })
    }

    fn fact(&self, name: &str) -> &str {
        self.facts.get(name).map_or("", String::as_str)
    }
}

fn script() -> PathBuf {
    repository().join("scripts/ceph")
}

/// Lines of `name=value`.
fn read_facts(file: &Path) -> Result<HashMap<String, String>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// Downloads Ceph if that was not done yet.
async fn prepare() -> Result<()> {
    let status = tokio::process::Command::new(script())
        .arg("prepare")
        .stdin(Stdio::null())
        .status()
        .await
        .context("cannot run scripts/ceph")?;
    ensure!(
        status.success(),
        "scripts/ceph prepare could not install Ceph; what it printed says why"
    );
    Ok(())
}
