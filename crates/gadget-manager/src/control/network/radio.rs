//! Wi-Fi, run for this device: told who owns it, what is remembered and whether there is a cable, and asked how it is.

use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::CancellationToken;
use wifi::{AccessPoint, Facts, Key, Mode, Settings, Ssid, Status, Wifi};
use zeroize::Zeroizing;

use super::interfaces::{interfaces, is_wired};
use crate::{
    config::{Config, Loaded, wifi::WifiConfig},
    control::{Control, configuration::write_aside},
};

/// How often it is looked whether there is a cable.
const LOOK: Duration = Duration::from_secs(2);

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
    let own = own(&loaded.config, config).await;
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
    let mut run = tokio::spawn(run);
    let ended = loop {
        match turn(&mut run, &mut views, &mut claimed, &mut status).await {
            Turn::Ended(ended) => break ended,
            Turn::Status => {
                let is_open = status.borrow_and_update().mode == Mode::AccessPoint;
                portal.send_replace(is_open.then_some(wifi::PORTAL_ADDRESS.into()));
                control.state.refresh();
            }
            Turn::Facts => {}
        }
        let now = look(&views.borrow_and_update().loaded, *claimed.borrow_and_update());
        sender.send_if_modified(|facts| {
            let differs = *facts != now;
            *facts = now;
            differs
        });
    };
    match ended {
        Ok(()) if stop.is_cancelled() => {}
        Ok(()) => tracing::error!("the task of Wi-Fi ended too early; there is no Wi-Fi until the next start"),
        Err(panic) => tracing::error!("the task of Wi-Fi ended: {panic}; there is no Wi-Fi until the next start"),
    }
}

/// What there is to do.
enum Turn {
    /// Nothing any more: the task of Wi-Fi ended. Told to stop, it does so by itself.
    Ended(Result<(), JoinError>),
    /// Wi-Fi is otherwise.
    Status,
    /// What Wi-Fi has to know may be otherwise.
    Facts,
}

/// Waits for whatever is next. Who publishes nothing any more is no reason to go on.
async fn turn<View>(
    run: &mut JoinHandle<()>,
    views: &mut watch::Receiver<View>,
    claimed: &mut watch::Receiver<bool>,
    status: &mut watch::Receiver<Status>,
) -> Turn {
    tokio::select! {
        ended = run => Turn::Ended(ended),
        Ok(()) = views.changed() => Turn::Facts,
        Ok(()) = claimed.changed() => Turn::Facts,
        Ok(()) = status.changed() => Turn::Status,
        () = tokio::time::sleep(LOOK) => Turn::Facts,
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

/// The access point, if there is to be one. Whatever is wrong with it, networks are joined without it.
async fn own(config: &Config, wifi: &WifiConfig) -> Option<AccessPoint> {
    if !wifi.access_point {
        return None;
    }
    let file = key_file(config);
    let made = tokio::task::spawn_blocking(move || access_point(&gadget::machine_serial().serial, key(&file)?));
    let made = made.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    made.inspect_err(|error| tracing::error!("no access point until the next start: {error}"))
        .ok()
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

/// Reads the key, or makes one and keeps it: this user's only. One that cannot be kept is as good, until the next start. Blocks.
fn key(file: &Path) -> io::Result<Key> {
    let unreadable = match fs::read(file).map(Zeroizing::new) {
        Ok(bytes) => {
            // The owner may have typed it on a PC, where some editors put a mark before the text. What is no UTF-8 has no key in it.
            let text = std::str::from_utf8(&bytes).unwrap_or_default();
            if let Ok(key) = Key::new(text.trim_start_matches('\u{feff}').trim().to_owned()) {
                return Ok(key);
            }
            tracing::warn!("{} has no key in it; making another one", file.display());
            None
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(error),
    };
    let text = wifi::make_key()?;
    // What cannot be read now may be read at the next start: it is not written over.
    let kept = unreadable.map_or_else(|| write(file, &text), Err);
    if let Err(error) = kept {
        tracing::error!(
            "the access point's key is another one after each start, since it cannot be kept in {}: {error}; see that the card is \
             neither full nor read-only, or remove the file",
            file.display()
        );
    }
    Key::new(text).map_err(io::Error::other)
}

fn write(file: &Path, key: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    write_aside(file, key.as_bytes(), 0o600)
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
    fn a_key_that_an_editor_has_saved_in_its_own_way_keeps_nobody_from_starting() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access-point-key");
        fs::write(&file, "\u{feff}FROM-THE-CARD\r\n").unwrap();
        assert_eq!(key(&file).unwrap().expose(), "FROM-THE-CARD");
        let utf16: Vec<u8> = "\u{feff}FROM-THE-CARD"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        fs::write(&file, utf16).unwrap();
        let made = key(&file).unwrap();
        assert_eq!(made, key(&file).unwrap(), "it is kept");
    }

    #[test]
    fn a_key_that_cannot_be_read_or_kept_is_one_until_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("unreadable");
        fs::create_dir(&file).unwrap();
        assert_ne!(key(&file).unwrap(), key(&file).unwrap());
        assert!(file.is_dir(), "it is left alone");
        let file = folder.path().join("file/access-point-key");
        fs::write(folder.path().join("file"), "").unwrap();
        assert_ne!(key(&file).unwrap(), key(&file).unwrap());
        // Nothing can be written in its place, whoever tries.
        let file = folder.path().join("full");
        fs::create_dir(folder.path().join(".full.new")).unwrap();
        assert_ne!(key(&file).unwrap(), key(&file).unwrap());
        assert!(!file.exists());
    }

    #[test]
    fn what_a_power_cut_left_does_not_show_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access-point-key");
        for left in [".access-point-key.new", "access-point-key.new"] {
            fs::write(folder.path().join(left), "half").unwrap();
        }
        key(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!folder.path().join(".access-point-key.new").exists());
    }

    #[tokio::test]
    async fn the_end_of_the_task_is_noticed_and_nobody_turns_in_circles() {
        let (_, mut views) = watch::channel(());
        let (_, mut claimed) = watch::channel(false);
        let (_, mut status) = watch::channel(Status::default());
        let mut run = tokio::spawn(std::future::pending());
        let early = turn(&mut run, &mut views, &mut claimed, &mut status);
        assert!(tokio::time::timeout(LOOK / 10, early).await.is_err());
        run.abort();
        let ended = turn(&mut run, &mut views, &mut claimed, &mut status).await;
        assert!(matches!(ended, Turn::Ended(Err(_))));
    }

    #[test]
    fn the_name_ends_as_the_serial_number_does() {
        let key = Key::new("x".repeat(8)).unwrap();
        let name = |serial: &str| access_point(serial, key.clone()).unwrap().ssid.to_string();
        assert_eq!(name("0251a0c4-9e1f"), "CloudStick-9E1F");
        assert_eq!(name("7"), "CloudStick-7");
    }
}
