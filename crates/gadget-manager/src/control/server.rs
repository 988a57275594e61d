//! Opens the page where the configuration says so, and the socket of the command line in any case.

use std::{
    fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use web::server::{Options, Server};

use super::{Control, doors::Doors};
use crate::config::Config;

/// How long to wait before it is tried again: addresses come and go, and somebody else may have the port.
const RETRY: Duration = Duration::from_secs(5);

/// Where the command line finds the daemon.
pub(crate) fn socket(config: &Config) -> PathBuf {
    config.run_dir.join("control.sock")
}

/// Serves until it is stopped.
pub(super) async fn serve(control: Arc<Control>, stop: CancellationToken) {
    let config = control.handle.view().loaded.config.clone();
    let mut last = String::new();
    let server = loop {
        match open(&control, &config).await {
            Ok(server) => break server,
            Err(error) => {
                let text = format!("{error:#}");
                if text != last {
                    tracing::error!("the page and the command line's socket are closed: {text}; trying again");
                    last = text;
                }
            }
        }
        if stop.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_none() {
            return;
        }
    };
    for address in server.http() {
        tracing::info!("the page is at http://{address}");
    }
    for address in server.https() {
        let fingerprint = server.fingerprint().unwrap_or_default();
        tracing::info!("the page is at https://{address}, its certificate is {fingerprint}");
    }
    let access = server.access().clone();
    let mut claimed = access.claimed();
    // Set once, here.
    let _ = control.access.set(access);
    loop {
        let doors = Doors {
            http: server.http().to_vec(),
            https: server.https().to_vec(),
            announced: config.web.as_ref().is_some_and(|web| web.announce),
            claimed: *claimed.borrow_and_update(),
        };
        *control.doors.lock().unwrap_or_else(PoisonError::into_inner) = doors;
        tokio::select! {
            () = stop.cancelled() => break,
            changed = claimed.changed() => if changed.is_err() { break },
        }
    }
    stop.cancelled().await;
    server.stop().await;
}

async fn open(control: &Arc<Control>, config: &Config) -> anyhow::Result<Server> {
    let folder = config.state_dir.join("web");
    make_private(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut options = Options::new(folder);
    options.socket = Some(socket(config));
    if let Some(web) = &config.web {
        options.http = web.http.clone().unwrap_or_else(|| vec![everywhere(80)]);
        options.https = web.https.clone().unwrap_or_else(|| vec![everywhere(443)]);
        options.allowed_hosts = web.allowed_hosts.clone();
        options.announce = web.announce;
    }
    Ok(Server::start(options, control.clone()).await?)
}

fn make_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// All addresses of this machine. A socket for IPv6 takes IPv4 too (ipv6(7), `IPV6_V6ONLY`), where the kernel has IPv6.
fn everywhere(port: u16) -> SocketAddr {
    match Path::new("/proc/net/if_inet6").exists() {
        true => (Ipv6Addr::UNSPECIFIED, port).into(),
        false => (Ipv4Addr::UNSPECIFIED, port).into(),
    }
}
