//! A real Azurite: the blob service of Azure Storage on this machine.

mod sas;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::{Certificate, Port, Process, program, repository};
pub use sas::account_sas;

/// The account that Azurite has when it is told of no other; documented and the same everywhere.
pub const DEFAULT_ACCOUNT: &str = "devstoreaccount1";
/// The key of [`DEFAULT_ACCOUNT`]; public knowledge, not a secret.
pub const DEFAULT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Azurite takes 1 to 5 s to start on an idle machine; tests run beside each other and compilers.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Where an Azurite keeps its data.
#[derive(Debug, Clone, Default)]
pub enum Persistence {
    /// In memory: the fastest; gone when it is killed or restarted.
    #[default]
    Memory,
    /// In a temporary folder, so that data survive a restart. What was acknowledged less than 5 s before a kill may
    /// be lost, for Azurite saves its databases only that often.
    Folder,
    /// As [`Folder`](Self::Folder), but nothing acknowledged is lost by a kill, as with the real service. Slower:
    /// every write saves the databases. For small blobs.
    Durable,
    /// In a folder of the caller's, otherwise as [`Folder`](Self::Folder).
    At(PathBuf),
}

/// What an Azurite is to be like.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where it keeps its data.
    pub persistence: Persistence,
    /// Serve HTTPS (and only that) with a certificate of the test's own: see [`Azurite::authority`].
    pub https: bool,
    /// Accept Microsoft Entra bearer tokens (`--oauth basic`: issuer, audience and expiry are checked, the signature is
    /// not). Needs `https`.
    pub oauth: bool,
    /// Accounts and their keys (base64) instead of the default one.
    pub accounts: Vec<(String, String)>,
}

/// A running Azurite blob service, stopped when dropped.
#[derive(Debug)]
pub struct Azurite {
    home: PathBuf,
    options: Options,
    port: Port,
    certificate: Option<Certificate>,
    data: PathBuf,
    // Declared before `_folder`: a killed process first, then its files.
    process: Option<Process>,
    _folder: TempDir,
}

impl Azurite {
    /// Starts one on a port of its own and waits until it serves. Installs Azurite first if this is the first time.
    pub async fn start(options: Options) -> Result<Self> {
        if options.oauth && !options.https {
            bail!("Azurite accepts bearer tokens over HTTPS only: set `https` too");
        }
        let home = install().await?;
        let folder = tempfile::Builder::new().prefix("azurite-").tempdir()?;
        let data = match &options.persistence {
            Persistence::At(path) => path.clone(),
            _ => folder.path().join("data"),
        };
        let certificate = options
            .https
            .then(|| Certificate::generate(folder.path()))
            .transpose()?;
        let mut azurite = Self {
            home,
            options,
            port: Port::reserve()?,
            certificate,
            data,
            process: None,
            _folder: folder,
        };
        azurite.launch().await?;
        Ok(azurite)
    }

    /// One in memory, over HTTP, with the default account.
    pub async fn in_memory() -> Result<Self> {
        Self::start(Options::default()).await
    }

    async fn launch(&mut self) -> Result<()> {
        let mut builder = Process::builder(program::locate("node"))
            // Its own small files and the debug log go to the working folder.
            .current_dir(self._folder.path())
            .env_remove("NODE_OPTIONS");
        if matches!(self.options.persistence, Persistence::Durable) {
            builder = builder
                .arg("--require")
                .arg(repository().join("ci/azurite/durable.cjs"));
        }
        builder = builder
            .arg(self.home.join("node_modules/azurite/dist/src/blob/main.js"))
            .args(["--blobHost", "127.0.0.1", "--blobPort", &self.port.number().to_string()])
            .args(["--silent", "--disableTelemetry", "--skipApiVersionCheck"]);
        builder = match self.options.persistence {
            Persistence::Memory => builder.arg("--inMemoryPersistence"),
            _ => builder.arg("--location").arg(&self.data),
        };
        if let Some(certificate) = &self.certificate {
            builder = builder
                .arg("--cert")
                .arg(&certificate.certificate)
                .arg("--key")
                .arg(&certificate.key);
        }
        if self.options.oauth {
            builder = builder.args(["--oauth", "basic"]);
        }
        if !self.options.accounts.is_empty() {
            let accounts: Vec<_> = self
                .options
                .accounts
                .iter()
                .map(|(name, key)| format!("{name}:{key}"))
                .collect();
            builder = builder.env("AZURITE_ACCOUNTS", accounts.join(";"));
        }
        let process = builder.spawn()?;
        process
            .wait_for_line(START_LIMIT, |line| line.contains("successfully listens on"))
            .await?;
        self.process = Some(process);
        Ok(())
    }

    /// Kills it (SIGKILL), as a crash of the service would.
    pub async fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Starts it again on the same port with the same data, after killing it if it still runs.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill().await?;
        self.launch().await
    }

    /// The process, unless it was killed.
    #[must_use]
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// Its port on 127.0.0.1, the same for all its life.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The service's address without an account: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.options.https { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port())
    }

    /// The blob endpoint of [`account`](Self::account): `http://127.0.0.1:PORT/ACCOUNT`, without a slash at the end.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.endpoint_at(&self.origin())
    }

    /// The blob endpoint as seen through something else that listens at `origin`, a [`TcpProxy`](crate::TcpProxy).
    #[must_use]
    pub fn endpoint_at(&self, origin: &str) -> String {
        format!("{origin}/{}", self.account())
    }

    /// Name of the (first) account.
    #[must_use]
    pub fn account(&self) -> &str {
        self.options.accounts.first().map_or(DEFAULT_ACCOUNT, |(name, _)| name)
    }

    /// Key of the (first) account, base64.
    #[must_use]
    pub fn key(&self) -> &str {
        self.options.accounts.first().map_or(DEFAULT_KEY, |(_, key)| key)
    }

    /// A connection string as the portal would show it.
    #[must_use]
    pub fn connection_string(&self) -> String {
        self.connection_string_at(&self.origin())
    }

    /// The connection string for something else that listens at `origin`.
    #[must_use]
    pub fn connection_string_at(&self, origin: &str) -> String {
        let (account, key, endpoint) = (self.account(), self.key(), self.endpoint_at(origin));
        let scheme = if self.options.https { "https" } else { "http" };
        format!("DefaultEndpointsProtocol={scheme};AccountName={account};AccountKey={key};BlobEndpoint={endpoint};")
    }

    /// A SAS token (query string without `?`) with every right on the (first) account for a day.
    pub fn sas(&self) -> Result<String> {
        account_sas(self.account(), self.key(), "rwdlacup", Duration::from_secs(24 * 3600))
    }

    /// The authority (PEM file) that a client must trust for HTTPS.
    #[must_use]
    pub fn authority(&self) -> Option<&Path> {
        self.certificate
            .as_ref()
            .map(|certificate| certificate.authority.as_path())
    }
}

/// The folder that holds the installed Azurite.
async fn install() -> Result<PathBuf> {
    let script = repository().join("ci/azurite/install");
    let output = tokio::process::Command::new(&script)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .await
        .with_context(|| format!("cannot run {}", script.display()))?;
    if !output.status.success() {
        bail!(
            "{} could not install Azurite; what it printed says why",
            script.display()
        );
    }
    let home = String::from_utf8(output.stdout).context("the path of the Azurite folder is not UTF-8")?;
    Ok(PathBuf::from(home.trim_end()))
}
