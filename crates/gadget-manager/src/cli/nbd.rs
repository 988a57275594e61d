//! `nbd`: serve one disk, without a daemon.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use export_nbd::{Export, Listen, Server};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Loaded, model::ListenAddress},
    exit::Failure,
    stack,
};

/// What to serve, and where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The disk: file:/PATH, STORE/IMAGE, STORE/IMAGE@SNAPSHOT or the name of a configured disk.
    disk: String,
    /// Where to listen: unix:/PATH or ADDRESS:PORT (port 0: a free one, which is printed).
    #[arg(long, default_value = "127.0.0.1:10809", value_parser = parse_listen)]
    listen: ListenAddress,
    /// Name of the export; clients that name none get it too.
    #[arg(long, default_value = "")]
    export: String,
    /// Refuse writes.
    #[arg(long)]
    read_only: bool,
    /// Take the image from whoever owns it.
    #[arg(long, conflicts_with = "read_only")]
    take_over: bool,
}

fn parse_listen(text: &str) -> Result<ListenAddress, String> {
    text.parse()
}

impl Options {
    /// Whether the disk is one of the configuration's.
    pub(super) fn needs_configuration(&self) -> bool {
        !self.disk.starts_with("file:")
    }
}

/// The listening address in the server's terms. A socket file is for its owner only.
pub(crate) fn listen(address: &ListenAddress) -> Listen {
    match address {
        ListenAddress::Unix(path) => Listen::Unix {
            path: path.clone(),
            mode: 0o600,
        },
        ListenAddress::Tcp(address) => Listen::Tcp(*address),
    }
}

/// Serves until SIGINT or SIGTERM, then flushes and lets go of the image.
pub(super) async fn nbd(loaded: Option<&Loaded>, options: &Options) -> Result<(), Failure> {
    let open = block::store::OpenOptions {
        read_only: options.read_only,
        take_over: options.take_over,
    };
    let stack = stack::open_image(loaded, &options.disk, &open).await?;
    let export = Export {
        name: options.export.clone(),
        description: options.disk.clone(),
        disk: stack.disk.clone(),
        read_only: options.read_only,
    };
    let server = Server::bind(listen(&options.listen), vec![export], export_nbd::Options::default()).await;
    let server = match server.context("cannot serve") {
        Ok(server) => server,
        Err(error) => {
            stack.close().await.ok();
            return Err(error.into());
        }
    };
    // On standard output, so that a script can read where it listens.
    println!("{}", server.local_address());
    tracing::info!("serving {} at {}", stack.description, server.local_address());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.run(stop.clone()));
    wait_for_signal().await?;
    stop.cancel();
    // The server itself bounds how long it waits for requests under way; this only guards against a mistake there.
    if tokio::time::timeout(Duration::from_secs(60), serving).await.is_err() {
        tracing::error!("the server did not end in time");
    }
    Ok(stack.close().await?)
}

async fn wait_for_signal() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
