//! The process, and what it is told.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::{
    Message,
    control::{Control, WpaError},
    scan::{Found, scan_results},
};
use crate::{
    AccessPoint, Network,
    process::{self, Process},
};

/// How long the process may take until it can be talked to.
const START_TIME: Duration = Duration::from_secs(20);

/// The number that `wpa_supplicant` gives a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NetworkId(u32);

/// A `wpa_supplicant` that runs.
pub(crate) struct Supplicant {
    process: Process,
    control: Control,
}

impl Supplicant {
    /// Starts it for an interface, in the place of one that a daemon before this one left. `folder` is for its files.
    pub(crate) async fn start(
        interface: &str,
        country: Option<&str>,
        folder: &Path,
    ) -> Result<(Self, mpsc::Receiver<Message>), WpaError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let (configuration, sockets) = (folder.join("wpa.conf"), folder.join("wpa"));
        let number = folder.join("wpa.pid");
        process::end_leftover(&number, folder).await;
        write_private(&configuration, &text(&sockets, country))?;
        let socket = sockets.join(interface);
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let mut process = Process::start(
            "wpa_supplicant",
            &["-i", interface, "-D", "nl80211", "-c", &path(&configuration)],
        )?;
        // It does so itself in the background only.
        process.write_number(&number)?;
        let opened = tokio::time::timeout(START_TIME, async {
            while !socket.exists() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Control::open(&socket, folder).await
        });
        let (control, messages) = tokio::select! {
            said = process.ended() => return Err(io::Error::other(said).into()),
            opened = opened => opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??,
        };
        Ok((Self { process, control }, messages))
    }

    /// Returns when the process has ended.
    pub(crate) async fn ended(&mut self) -> String {
        self.process.ended().await
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        self.process.stop().await;
    }

    /// Adds a network to join; the first of several in reach is that with the highest priority.
    pub(crate) async fn add(&self, network: &Network, priority: usize) -> Result<NetworkId, WpaError> {
        let id = self.add_empty().await?;
        self.set(id, "ssid", &network.ssid.to_hex()).await?;
        if network.hidden {
            self.set(id, "scan_ssid", "1").await?;
        }
        match &network.key {
            Some(key) => {
                self.set(id, "psk", &key.to_value()).await?;
                // WPA3 where the network and the driver have it, with protected management frames where both do.
                self.set(id, "key_mgmt", "WPA-PSK WPA-PSK-SHA256 SAE").await?;
                self.set(id, "ieee80211w", "1").await?;
            }
            None => self.set(id, "key_mgmt", "NONE").await?,
        }
        self.set(id, "priority", &priority.to_string()).await?;
        Ok(id)
    }

    /// Makes a network, at a frequency in MHz.
    pub(crate) async fn open_access_point(&self, own: &AccessPoint, frequency: u32) -> Result<(), WpaError> {
        let id = self.add_empty().await?;
        self.set(id, "mode", "2").await?;
        self.set(id, "ssid", &own.ssid.to_hex()).await?;
        self.set(id, "frequency", &frequency.to_string()).await?;
        self.set(id, "psk", &own.key.to_value()).await?;
        for (name, value) in [
            ("key_mgmt", "WPA-PSK"),
            ("proto", "RSN"),
            ("pairwise", "CCMP"),
            ("group", "CCMP"),
        ] {
            self.set(id, name, value).await?;
        }
        self.select(id).await
    }

    async fn add_empty(&self) -> Result<NetworkId, WpaError> {
        let answer = self.control.ask("ADD_NETWORK").await?;
        let number = answer.trim().parse();
        number
            .map(NetworkId)
            .map_err(|_| WpaError::Refused("ADD_NETWORK".to_owned()))
    }

    async fn set(&self, NetworkId(id): NetworkId, name: &str, value: &str) -> Result<(), WpaError> {
        let command = Zeroizing::new(format!("SET_NETWORK {id} {name} {value}"));
        self.control.tell(&command).await
    }

    /// Joins this network, and no other.
    pub(crate) async fn select(&self, NetworkId(id): NetworkId) -> Result<(), WpaError> {
        self.control.tell(&format!("SELECT_NETWORK {id}")).await
    }

    /// Lets it choose among all it knows; one that it is in already stays.
    pub(crate) async fn enable_all(&self) -> Result<(), WpaError> {
        self.control.tell("ENABLE_NETWORK all").await
    }

    /// Forgets a network; if it is in that, it leaves.
    pub(crate) async fn remove(&self, NetworkId(id): NetworkId) -> Result<(), WpaError> {
        self.control.tell(&format!("REMOVE_NETWORK {id}")).await
    }

    /// Leaves whatever it is in, and forgets all networks.
    pub(crate) async fn clear(&self) -> Result<(), WpaError> {
        self.control.tell("REMOVE_NETWORK all").await
    }

    /// Begins to look for all networks in reach; [`Message::ScanResults`] follows.
    pub(crate) async fn scan(&self) -> Result<(), WpaError> {
        self.control.tell("SCAN").await
    }

    /// What it has found.
    pub(crate) async fn found(&self) -> Result<Vec<Found>, WpaError> {
        Ok(scan_results(&self.control.ask("SCAN_RESULTS").await?))
    }

    /// How many are in the access point.
    pub(crate) async fn clients(&self) -> Result<usize, WpaError> {
        let mut answer = self.control.ask("STA-FIRST").await;
        let mut number = 0;
        // Each answer begins with the address that leads to the next one; without one it was the last. The kernel has no
        // access point with more.
        while number < 2007 {
            let client = match answer {
                Ok(answer) => answer,
                Err(WpaError::Refused(_)) => break,
                Err(error) => return Err(error),
            };
            let Some(address) = client.lines().next().filter(|line| line.len() == 17) else {
                break;
            };
            number += usize::from(client.contains("[AUTHORIZED]"));
            answer = self.control.ask(&format!("STA-NEXT {address}")).await;
        }
        Ok(number)
    }

    /// The network it is in.
    pub(crate) async fn current(&self) -> Result<Option<crate::Ssid>, WpaError> {
        let status = self.control.ask("STATUS").await?;
        let line = status.lines().find_map(|line| line.strip_prefix("ssid="));
        Ok(line.and_then(|name| crate::Ssid::from_escaped(name).ok()))
    }
}

/// The configuration: networks come over the socket, so that their keys are in no file.
fn text(sockets: &Path, country: Option<&str>) -> String {
    let country = country.map_or(String::new(), |country| format!("country={country}\n"));
    format!(
        "ctrl_interface=DIR={}\nupdate_config=0\np2p_disabled=1\n{country}",
        sockets.display()
    )
}

fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(file)?.write_all(text.as_bytes())
}
