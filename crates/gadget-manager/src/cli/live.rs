//! Commands for the running daemon, through its socket: the same API that the page uses.

use std::{io, path::PathBuf, time::Duration};

use anyhow::{Context as _, anyhow};
use block::store::StoreError;
use bytes::BytesMut;
use clap::Args;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::output;
use crate::{
    config::{ByteSize, Loaded},
    control,
    exit::Failure,
};

/// How long an answer may take: longer than the daemon itself waits for anything.
const PATIENCE: Duration = Duration::from_secs(90);
/// The same when a file is sent, which the daemon writes to a card as it comes.
const PATIENCE_FOR_FILES: Duration = Duration::from_secs(3600);
/// Bytes of a file that are sent at once.
const PART: usize = 64 << 10;

/// A unit of the stick.
#[derive(Debug, Args)]
pub(super) struct Unit {
    /// Number of the LUN, from 0.
    #[arg(default_value_t = 0)]
    lun: usize,
}

/// A way to the daemon of a configuration.
pub(super) struct Daemon {
    client: reqwest::Client,
    socket: PathBuf,
}

impl Daemon {
    /// The daemon that runs with this configuration.
    pub(super) fn of(loaded: &Loaded) -> Result<Self, Failure> {
        let socket = control::socket(&loaded.config);
        // Through a socket of this machine nothing is encrypted: a machine without certificate authorities is as good.
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .unix_socket(socket.as_path())
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { client, socket })
    }

    pub(super) async fn ask(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        let mut request = self.client.request(method, format!("http://localhost/api/v1{path}"));
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        self.answer(request).await
    }

    /// Sends a file, however long that takes.
    pub(super) async fn send_file(&self, path: &str, file: tokio::fs::File) -> Result<Value, Failure> {
        let length = file.metadata().await.context("the file")?.len();
        let parts = futures::stream::try_unfold(file, async |mut file| {
            let mut part = BytesMut::with_capacity(PART);
            let length = file.read_buf(&mut part).await?;
            Ok::<_, io::Error>((length > 0).then(|| (part.freeze(), file)))
        });
        let request = self
            .client
            .post(format!("http://localhost/api/v1{path}"))
            .timeout(PATIENCE_FOR_FILES)
            .header("content-type", "application/octet-stream")
            .header("content-length", length)
            .body(reqwest::Body::wrap_stream(parts));
        self.answer(request).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value, Failure> {
        let answer = request.send().await.map_err(|error| match error.is_connect() {
            true => anyhow!(
                "nobody answers at {}: start the daemon with `gadget-manager run`, or give its configuration with --config",
                self.socket.display()
            ),
            false => anyhow::Error::new(error).context("the daemon does not answer"),
        })?;
        let status = answer.status();
        let bytes = answer.bytes().await.context("the daemon's answer broke off")?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            Ok(value)
        } else {
            Err(failure(&value))
        }
    }
}

/// A problem of the API as the failure of a command, with the exit code that other commands have for the same.
pub(super) fn failure(problem: &Value) -> Failure {
    let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
    let mut detail = text("detail");
    if !text("remedy").is_empty() {
        detail = format!("{detail}; {}", text("remedy"));
    }
    match text("code").as_str() {
        "not_found" => StoreError::not_found(text("detail").trim_end_matches(" does not exist"), text("remedy")).into(),
        "in_use" => Failure::Coded(crate::exit::Code::InUse, detail),
        "unreachable" => Failure::Coded(crate::exit::Code::Unreachable, detail),
        "denied" => Failure::Coded(crate::exit::Code::Denied, detail),
        _ => Failure::Other(anyhow!(detail)),
    }
}

/// Prints how everything is.
pub(super) async fn status(loaded: &Loaded, as_json: bool) -> Result<(), Failure> {
    let state = Daemon::of(loaded)?.ask(reqwest::Method::GET, "/state", None).await?;
    if as_json {
        println!("{state:#}");
    } else {
        print(&state);
    }
    Ok(())
}

/// Puts the disk of a LUN back in.
pub(super) async fn insert(loaded: &Loaded, unit: &Unit) -> Result<(), Failure> {
    let path = format!("/usb/luns/{}/insert", unit.lun);
    Daemon::of(loaded)?
        .ask(reqwest::Method::POST, &path, None)
        .await
        .map(drop)
}

/// Takes the disk of a LUN out.
pub(super) async fn eject(loaded: &Loaded, unit: &Unit, force: bool) -> Result<(), Failure> {
    let path = format!("/usb/luns/{}/eject", unit.lun);
    Daemon::of(loaded)?
        .ask(reqwest::Method::POST, &path, Some(json!({ "force": force })))
        .await
        .map(drop)
}

/// Shows the setup stick instead of the disks, or no longer.
pub(super) async fn setup_stick(loaded: &Loaded, shown: bool) -> Result<(), Failure> {
    let body = json!({ "shown": shown });
    Daemon::of(loaded)?
        .ask(reqwest::Method::PUT, "/usb/setup-stick", Some(body))
        .await
        .map(drop)
}

/// Prints the code that claims the device.
pub(super) async fn claim_code(loaded: &Loaded) -> Result<(), Failure> {
    let answer = Daemon::of(loaded)?
        .ask(reqwest::Method::GET, "/claim-code", None)
        .await?;
    println!("{}", answer["code"].as_str().unwrap_or_default());
    Ok(())
}

/// Takes the device from its owner.
pub(super) async fn forget_owner(loaded: &Loaded, yes: bool) -> Result<(), Failure> {
    let name = loaded.config.name.get_ref();
    let warning = "The device's owner, sessions and tokens will be forgotten; whoever has its new claim code can claim it. The TV or PC \
         sees the stick pulled and plugged in again.";
    super::disk::confirm(yes, name, warning)?;
    let daemon = Daemon::of(loaded)?;
    daemon.ask(reqwest::Method::DELETE, "/owner", None).await?;
    println!("The device has no owner. `gadget-manager claim-code` shows its new claim code.");
    Ok(())
}

/// For people.
fn print(state: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let size = |value: &Value| {
        value
            .as_u64()
            .map_or("-".to_owned(), |bytes| ByteSize(bytes).to_string())
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let device = &state["device"];
    println!("{} (version {})", text(&device["name"]), text(&device["version"]));
    let usb = &state["usb"];
    let speed = usb["speed"]
        .as_str()
        .map(|speed| format!(", {speed} speed"))
        .unwrap_or_default();
    println!("stick: {}{speed}", text(&usb["state"]));
    for (index, lun) in list(&usb["luns"]).iter().enumerate() {
        println!(
            "  LUN {index}: {} ({})",
            text(&lun["disk"]),
            text(&lun["medium"]).replace('_', " ")
        );
        tell(&lun["problem"]);
    }
    tell(&usb["problem"]);
    let disks = list(&state["disks"]);
    if !disks.is_empty() {
        println!();
        let rows: Vec<_> = disks
            .iter()
            .map(|disk| {
                let counters = &disk["counters"];
                let rate = |kind: &str| {
                    #[expect(clippy::cast_sign_loss, reason = "rates are not negative")]
                    let rate = counters[kind]["rate"].as_f64().map(|rate| ByteSize(rate as u64));
                    rate.map_or("-".to_owned(), |rate| format!("{rate}/s"))
                };
                [
                    text(&disk["name"]),
                    text(&disk["phase"]),
                    size(&disk["size"]),
                    rate("read"),
                    rate("write"),
                    counters["in_flight"].to_string().replace("null", "-"),
                    text(&disk["image"]),
                ]
            })
            .collect();
        output::table(["DISK", "STATE", "SIZE", "READ", "WRITE", "UNDER WAY", "IMAGE"], &rows);
        for disk in &disks {
            tell(&disk["problem"]);
        }
    }
    let urls: Vec<_> = list(&state["network"]["urls"]).iter().map(text).collect();
    if !urls.is_empty() {
        println!("\npage: {}", urls.join(" "));
    }
    tell(&state["network"]["problem"]);
    for problem in list(&device["problems"]) {
        tell(&problem);
    }
}

fn tell(problem: &Value) {
    if let Some(detail) = problem["detail"].as_str() {
        println!("  ! {detail}");
        if let Some(remedy) = problem["remedy"].as_str() {
            println!("    → {remedy}");
        }
    }
}
