//! Wi-Fi, run for this device: told who owns it, what is remembered and whether there is a cable, and asked how it is.

use std::{
    fs, io,
    io::Write as _,
    net::IpAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wifi::{AccessPoint, Facts, Key, Mode, Settings, Ssid, Status, Wifi};
use zeroize::Zeroizing;

use super::interfaces::{interfaces, is_wired};
use crate::{
    config::{Config, Loaded, wifi::WifiConfig},
    control::Control,
};

/// How often it is looked whether there is a cable.
const LOOK: Duration = Duration::from_secs(2);
/// How often it is tried to read or keep the access point's key.
const RETRY: Duration = Duration::from_secs(5);

/// Wi-Fi as the rest of the device sees it.
#[derive(Clone)]
pub(in crate::control) struct Radio {
    pub(super) wifi: Wifi,
    status: watch::Receiver<Status>,
    own: Option<AccessPoint>,
}

impl Radio {
    /// How it is.
    pub(in crate::control) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// The network that the device makes, while it does.
    pub(in crate::control) fn access_point(&self) -> Option<&AccessPoint> {
        let is_open = self.status.borrow().mode == Mode::AccessPoint;
        self.own.as_ref().filter(|_| is_open)
    }

    /// The network that the device makes when it has none.
    pub(in crate::control) fn own(&self) -> Option<&AccessPoint> {
        self.own.as_ref()
    }
}

/// Runs Wi-Fi, if the configuration says that this device looks after it.
pub(in crate::control) async fn keep(
    control: Arc<Control>,
    portal: watch::Sender<Option<IpAddr>>,
    stop: CancellationToken,
) {
    let loaded = control.handle.view().loaded.clone();
    let Some(config) = &loaded.config.wifi else { return };
    let Some(own) = own(&loaded.config, config, &stop).await else {
        return;
    };
    if let Some(own) = &own {
        control.recent.hide(vec![Zeroizing::new(own.key.expose().to_owned())]);
    }
    // Whoever looks after owners is there soon: until then nobody owns the device, which must not open it.
    let Some(access) = stop.run_until_cancelled(opened(&control)).await else {
        return;
    };
    let mut claimed = access.claimed();
    let mut views = control.handle.views();
    let look = |loaded: &Loaded, owned| Facts {
        wired: is_wired(&interfaces()),
        owned,
        remembered: remembered(loaded).into(),
    };
    let first = look(&views.borrow_and_update().loaded, *claimed.borrow_and_update());
    let (sender, facts) = watch::channel(first);
    let settings = settings(&loaded.config, config, own.clone());
    let (wifi, run) = Wifi::start(settings, facts, stop.clone());
    let mut status = wifi.status();
    // Set once, here.
    let _ = control.radio.set(Radio {
        status: status.clone(),
        wifi,
        own,
    });
    let run = tokio::spawn(run);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            // The other ends live as long as the daemon.
            _ = views.changed() => {}
            _ = claimed.changed() => {}
            _ = status.changed() => {
                let is_open = status.borrow_and_update().mode == Mode::AccessPoint;
                portal.send_replace(is_open.then_some(wifi::PORTAL_ADDRESS.into()));
                control.state.refresh();
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        let now = look(&views.borrow_and_update().loaded, *claimed.borrow_and_update());
        sender.send_if_modified(|facts| {
            let differs = *facts != now;
            *facts = now;
            differs
        });
    }
    if let Err(panic) = run.await {
        tracing::error!("the task of Wi-Fi ended: {panic}");
    }
}

async fn opened(control: &Control) -> Arc<web::access::Access> {
    loop {
        match control.access.get() {
            Some(access) => return access.clone(),
            None => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

fn remembered(loaded: &Loaded) -> Vec<wifi::Network> {
    let wifi = loaded.config.wifi.as_ref();
    wifi.map_or(Vec::new(), |wifi| wifi.networks(&loaded.secrets))
}

fn settings(config: &Config, wifi: &WifiConfig, own: Option<AccessPoint>) -> Settings {
    Settings {
        interface: wifi.interface.clone(),
        country: wifi.country.as_ref().map(|country| country.get_ref().clone()),
        access_point: own,
        patience: wifi.patience(),
        dhcp_script: wifi.dhcp_script.clone(),
        host_name: config.name.get_ref().to_ascii_lowercase(),
        folder: config.run_dir.join("wifi"),
    }
}

/// The access point, if there is to be one; nothing at all when it is time to stop.
async fn own(config: &Config, wifi: &WifiConfig, stop: &CancellationToken) -> Option<Option<AccessPoint>> {
    if !wifi.access_point {
        return Some(None);
    }
    let file = key_file(config);
    let mut last = String::new();
    loop {
        match key(&file).and_then(|key| access_point(&gadget::machine_serial().serial, key)) {
            Ok(own) => return Some(Some(own)),
            Err(error) => {
                let text = error.to_string();
                if text != last {
                    tracing::error!("no access point: {}: {text}; trying again", file.display());
                    last = text;
                }
            }
        }
        stop.run_until_cancelled(tokio::time::sleep(RETRY)).await?;
    }
}

/// Named by the end of the board's serial number, which is on no other one nearby.
fn access_point(serial: &str, key: Key) -> io::Result<AccessPoint> {
    let letters: Vec<char> = serial.chars().filter(char::is_ascii_alphanumeric).collect();
    let end: String = letters[letters.len().saturating_sub(4)..].iter().collect();
    let ssid = Ssid::new(format!("CloudStick-{}", end.to_ascii_uppercase())).map_err(io::Error::other)?;
    Ok(AccessPoint { ssid, key })
}

/// Where the access point's key is kept. The card's first start may have put one there (`start.d/card.sh`).
fn key_file(config: &Config) -> PathBuf {
    config.state_dir.join("access-point-key")
}

/// Reads the key, or makes one and keeps it: this user's only.
fn key(file: &Path) -> io::Result<Key> {
    match fs::read_to_string(file).map(Zeroizing::new) {
        Ok(text) => {
            if let Ok(key) = Key::new(text.trim().to_owned()) {
                return Ok(key);
            }
            tracing::warn!("{} has no key in it; making another one", file.display());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let text = wifi::make_key()?;
    let new = file.with_extension("new");
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut written = options.open(&new)?;
    written.write_all(text.as_bytes())?;
    written.sync_all()?;
    fs::rename(&new, file)?;
    Key::new(text).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/access-point-key");
        let made = key(&file).unwrap();
        assert_eq!(made, key(&file).unwrap());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&file, "FROM-THE-CARD\r\n").unwrap();
        assert_eq!(key(&file).unwrap().expose(), "FROM-THE-CARD");
        fs::write(&file, "short").unwrap();
        assert_ne!(key(&file).unwrap().expose(), "short");
    }

    #[test]
    fn the_name_ends_as_the_serial_number_does() {
        let key = Key::new("x".repeat(8)).unwrap();
        let name = |serial: &str| access_point(serial, key.clone()).unwrap().ssid.to_string();
        assert_eq!(name("0251a0c4-9e1f"), "CloudStick-9E1F");
        assert_eq!(name("7"), "CloudStick-7");
    }
}
