//! The configuration as data: one struct per table of the file. `docs/configuration.md` explains every key.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::Deserialize;
use toml::Spanned;

use super::{error::Problem, quantity::ByteSize, secrets::Secrets, wifi::WifiConfig};

/// LUNs of a stick. `FSG_MAX_LUNS` is 16; hosts and the project's promise end at 8.
pub(crate) const MAX_LUNS: usize = 8;

/// The whole file.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// What the device is called in the home network.
    pub name: Spanned<String>,
    /// Where things that outlive a reboot are kept: the owner's identity.
    pub state_dir: PathBuf,
    /// Where things that do not are kept: locks, sockets, the status.
    pub run_dir: PathBuf,
    /// Where the secrets are, if not beside the configuration.
    pub secrets: Option<PathBuf>,
    /// What is logged.
    pub log: LogConfig,
    /// The page for the phone.
    pub web: Option<WebConfig>,
    /// Wi-Fi.
    pub wifi: Option<WifiConfig>,
    /// Places where images live.
    pub stores: Vec<StoreConfig>,
    /// Images that are served.
    pub disks: Vec<DiskConfig>,
    /// NBD servers.
    pub nbd: Vec<NbdConfig>,
    /// Kernel block devices, made for every disk that a LUN wants.
    pub ublk: UblkConfig,
    /// The USB stick.
    pub gadget: Option<GadgetConfig>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,store_azure=debug`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// `[web]`: the page for the phone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WebConfig {
    /// Where to listen without TLS; port 80 of every address if left out.
    pub http: Option<Vec<SocketAddr>>,
    /// Where to listen with TLS; port 443 of every address if left out.
    pub https: Option<Vec<SocketAddr>>,
    /// Names and addresses, besides the device's own, by which the page may be asked for.
    pub allowed_hosts: Vec<String>,
    /// Whether to announce the name in the network (mDNS).
    pub announce: bool,
    /// The terminal that the claim code is written to while the device has no owner; empty for none.
    pub console: PathBuf,
    /// The board's button.
    pub button: Option<ButtonConfig>,
}

/// `[web.button]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ButtonConfig {
    /// Its input device: a path, or the name that the kernel knows it by.
    pub device: String,
    /// The key of it (`KEY_` in `include/uapi/linux/input-event-codes.h`); any if left out.
    pub key: Option<u16>,
    /// How long it is held to be more than pressed.
    pub hold_seconds: Option<u32>,
    /// How long it is held for a factory reset; 0 for never.
    pub reset_seconds: Option<u32>,
}

impl ButtonConfig {
    /// How long it is held to be more than pressed.
    pub(crate) fn hold(&self) -> Duration {
        Duration::from_secs(self.hold_seconds.unwrap_or(5).into())
    }

    /// How long it is held for a factory reset, if that is possible.
    pub(crate) fn reset(&self) -> Option<Duration> {
        let seconds = self.reset_seconds.map_or(self.hold().as_secs().max(20) + 10, u64::from);
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            http: None,
            https: None,
            allowed_hosts: Vec::new(),
            announce: true,
            console: "/dev/console".into(),
            button: None,
        }
    }
}

/// `[[store]]`
#[derive(Debug, Clone)]
pub(crate) struct StoreConfig {
    /// What disks call it.
    pub name: String,
    /// Line of its heading.
    pub line: usize,
    /// What it is.
    pub kind: StoreKind,
}

/// The stores there are, each with its own keys.
#[derive(Debug, Clone)]
pub(crate) enum StoreKind {
    /// `type = "file"`: image files in a folder.
    File(FileStoreConfig),
    /// `type = "azure"`: page blobs in a container.
    Azure(Box<store_azure::AzureConfig>),
    /// `type = "rbd"`: images in a Ceph pool.
    Rbd(Box<store_rbd::RbdConfig>),
}

/// The keys of a store of type `file`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileStoreConfig {
    /// The folder the images are in.
    pub folder: PathBuf,
}

/// `[[disk]]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiskConfig {
    /// What LUNs and servers call it.
    pub name: Spanned<String>,
    /// The store it is in, or nothing for a local block device or file given by `path`.
    pub store: Option<Spanned<String>>,
    /// The image in the store, `image` or `image@snapshot`.
    pub image: Option<Spanned<String>>,
    /// A block device or file of this machine, instead of `store` and `image`.
    pub path: Option<PathBuf>,
    /// Refuse every write.
    #[serde(default)]
    pub read_only: bool,
    /// Take the image from whoever owns it, at start.
    #[serde(default)]
    pub take_over: bool,
    /// How long a request may take, in seconds.
    pub deadline_seconds: Option<Spanned<u32>>,
    /// Limits of speed.
    #[serde(default)]
    pub limit: LimitConfig,
}

/// `[disk.limit]`: 0 or nothing is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitConfig {
    /// Bytes read per second.
    pub read_bytes: Option<ByteSize>,
    /// Bytes written per second.
    pub write_bytes: Option<ByteSize>,
    /// Read requests per second.
    pub read_requests: Option<u32>,
    /// Modifying requests per second.
    pub write_requests: Option<u32>,
}

/// `[[nbd]]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NbdConfig {
    /// `unix:/path` or `address:port`.
    pub listen: Spanned<String>,
    /// The disks it serves; the first is the default export.
    pub disks: Vec<Spanned<String>>,
    /// Refuse writes.
    #[serde(default)]
    pub read_only: bool,
    /// Clients served at once.
    pub max_clients: Option<usize>,
}

/// Where an NBD server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    /// A socket file.
    Unix(PathBuf),
    /// An address and port.
    Tcp(SocketAddr),
}

impl std::str::FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err(format!("\"{text}\": the path of a socket must begin with /"))
            };
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            format!("\"{text}\" is no address; write \"unix:/run/cloud-stick/nbd.sock\" or \"127.0.0.1:10809\"")
        })
    }
}

/// `[ublk]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UblkConfig {
    /// Queues per device; the USB gadget feeds only one.
    pub queues: u16,
    /// Requests per queue.
    pub depth: u16,
    /// Longest request, in bytes.
    pub max_io: ByteSize,
    /// Bytes of dirty page cache per device, so that a flush never has long to write.
    pub dirty: ByteSize,
}

impl Default for UblkConfig {
    fn default() -> Self {
        Self {
            queues: 1,
            depth: 64,
            max_io: ByteSize(512 << 10),
            dirty: ByteSize(16 << 20),
        }
    }
}

/// `[gadget]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GadgetConfig {
    /// The USB device controller; found by itself where there is one only.
    pub udc: Option<String>,
    /// USB vendor id.
    pub vendor_id: u16,
    /// USB product id.
    pub product_id: u16,
    /// Device release, binary-coded decimal.
    pub device_release: u16,
    /// Manufacturer string.
    pub manufacturer: String,
    /// Product string.
    pub product: String,
    /// Serial number; derived from the machine if left out.
    pub serial: Option<String>,
    /// Power asked from the host, in mA.
    pub max_power_ma: u16,
    /// Whether the board has a power supply of its own.
    pub self_powered: bool,
    /// Highest USB speed offered: `full`, `high`, `super`.
    pub max_speed: Option<Spanned<String>>,
    /// The units the host sees.
    #[serde(rename = "lun")]
    pub luns: Vec<LunConfig>,
}

impl Default for GadgetConfig {
    fn default() -> Self {
        Self {
            udc: None,
            // NetChip's, given to the kernel's own file storage gadget (FSG_VENDOR_ID and FSG_PRODUCT_ID in
            // drivers/usb/gadget/legacy/mass_storage.c).
            vendor_id: 0x0525,
            product_id: 0xa4a5,
            device_release: 0x0100,
            manufacturer: "Cloud Stick".to_owned(),
            product: "Cloud Stick".to_owned(),
            serial: None,
            max_power_ma: 500,
            self_powered: false,
            max_speed: None,
            luns: Vec::new(),
        }
    }
}

/// `[[gadget.lun]]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LunConfig {
    /// The disk in it; nothing for an empty slot.
    pub disk: Option<Spanned<String>>,
    /// The host may not write.
    pub read_only: bool,
    /// The medium can be taken out: what a stick or a card reader is.
    pub removable: bool,
    /// Looks like a CD-ROM drive; implies read-only.
    pub cdrom: bool,
    /// Ignore the host's FUA flag.
    pub no_fua: bool,
    /// What INQUIRY says: vendor (8), product (16), revision (4).
    pub inquiry: Option<String>,
}

impl Default for LunConfig {
    fn default() -> Self {
        Self {
            disk: None,
            read_only: false,
            removable: true,
            cdrom: false,
            no_fua: false,
            inquiry: None,
        }
    }
}

impl StoreConfig {
    /// What is wrong with the secrets for this store.
    pub(crate) fn lacks(&self, secrets: &Secrets) -> Option<Problem> {
        let name = &self.name;
        let given = secrets.of(name);
        let problem = |message: String, remedy: String| Some(Problem::whole_file(message, remedy));
        match &self.kind {
            StoreKind::File(_) => None,
            StoreKind::Azure(_) => match given.azure() {
                1 => None,
                0 => problem(
                    format!("store \"{name}\" has no secret"),
                    format!("put connection_string, account_key, sas or client_secret into [store.{name}]"),
                ),
                _ => problem(
                    format!("store \"{name}\" has several secrets"),
                    "leave one of them".to_owned(),
                ),
            },
            StoreKind::Rbd(_) if given.key.is_some() && given.keyring.is_some() => problem(
                format!("store \"{name}\" has several secrets"),
                "leave `key` or `keyring`".to_owned(),
            ),
            // Without a secret there may be a keyring file.
            StoreKind::Rbd(rbd) => match rbd.access(given.rbd().as_ref()) {
                Ok(_) => None,
                Err(error) => problem(
                    format!("store \"{name}\": {error}"),
                    "see docs/stores/rbd.md".to_owned(),
                ),
            },
        }
    }
}

impl DiskConfig {
    /// Whether it cannot be written, as far as the configuration tells.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only || self.image.as_ref().is_some_and(|image| image.get_ref().contains('@'))
    }

    /// Longest time a request may take; under the 30 s after which USB hosts reset the device.
    pub(crate) fn deadline(&self) -> Duration {
        self.deadline_seconds
            .as_ref()
            .map_or(Duration::from_secs(20), |seconds| {
                Duration::from_secs(u64::from(*seconds.get_ref()))
            })
    }
}
