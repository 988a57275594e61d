//! Opens the page where the configuration says so, and the socket of the command line in any case.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use web::server::{Open, Options, Server};

use super::{Control, doors::Doors};
use crate::config::Config;

/// How long to wait before it is tried again: a card may be full, or read-only, for a while.
const RETRY: Duration = Duration::from_secs(5);

/// Where the command line finds the daemon.
pub(crate) fn socket(config: &Config) -> PathBuf {
    config.run_dir.join("control.sock")
}

/// Where is kept who may do what.
fn folder(config: &Config) -> PathBuf {
    config.state_dir.join("web")
}

/// Whether the device has an owner, also before its page is open.
pub(crate) fn is_claimed(config: &Config) -> bool {
    web::access::is_claimed(&folder(config))
}

/// Serves until it is stopped. `portal` is the device's address in its access point, while it makes one.
pub(super) async fn serve(control: Arc<Control>, portal: watch::Receiver<Option<IpAddr>>, stop: CancellationToken) {
    let config = control.handle.view().loaded.config.clone();
    let mut last = String::new();
    let server = loop {
        match open(&control, &config, &portal).await {
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
    let access = server.access().clone();
    let mut claimed = access.claimed();
    // Set once, here.
    let _ = control.access.set(access);
    let mut opened = server.open();
    let mut told = Open::default();
    loop {
        let open = opened.borrow_and_update().clone();
        tell(&server, &told, &open);
        told = open.clone();
        let doors = Doors {
            http: open.http,
            https: open.https,
            announced: config.web.as_ref().is_some_and(|web| web.announce),
            claimed: *claimed.borrow_and_update(),
        };
        *control.doors.lock().unwrap_or_else(PoisonError::into_inner) = doors;
        tokio::select! {
            () = stop.cancelled() => break,
            changed = claimed.changed() => if changed.is_err() { break },
            () = control.reset_asked.notified() => match server.factory_reset().await {
                Ok(()) => tracing::info!("the button has reset the device"),
                Err(problem) => tracing::error!("the button could not reset the device: {problem}"),
            },
            // The other end goes when all doors are open or closed for good.
            Ok(()) = opened.changed() => {}
        }
    }
    stop.cancelled().await;
    server.stop().await;
}

/// Logs where the page can be had from now on.
fn tell(server: &Server, before: &Open, now: &Open) {
    for address in now.http.iter().filter(|address| !before.http.contains(address)) {
        tracing::info!("the page is at http://{address}");
    }
    for address in now.https.iter().filter(|address| !before.https.contains(address)) {
        let fingerprint = server.fingerprint().unwrap_or_default();
        tracing::info!("the page is at https://{address}, its certificate is {fingerprint}");
    }
}

async fn open(
    control: &Arc<Control>,
    config: &Config,
    portal: &watch::Receiver<Option<IpAddr>>,
) -> anyhow::Result<Server> {
    let folder = folder(config);
    make_private(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut options = Options::new(folder);
    options.socket = Some(socket(config));
    options.portal = Some(portal.clone());
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
