//! A device that lives in memory. Its images are real ones, in a folder.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use block::store::{CreateOptions, Store as _, StoreError};
use store_file::FileStore;
use time::OffsetDateTime;
use tokio::sync::{broadcast, watch};
use web::{
    api::*,
    appliance::{
        BackupFile, Configuration, Images, Live, LogFollower, Logs, NetworkControl, Observe, Report, Result, Stick,
        Stores,
    },
};

/// The device.
pub(crate) struct Fake {
    images: FileStore,
    live: watch::Sender<Arc<Live>>,
    name: watch::Sender<Arc<str>>,
    log: Mutex<Vec<Arc<LogLine>>>,
    follow: broadcast::Sender<Arc<LogLine>>,
    /// How often each store's settings were put in force.
    pub(crate) applied: AtomicUsize,
    /// How many probes have begun, and how many of them were dropped before their end.
    pub(crate) probes: AtomicUsize,
    pub(crate) dropped: AtomicUsize,
    /// Everything secret that arrived.
    pub(crate) secrets: Mutex<Vec<String>>,
}

impl Fake {
    pub(crate) fn new(folder: PathBuf) -> Arc<Self> {
        std::fs::create_dir_all(&folder).unwrap();
        Arc::new(Self {
            images: FileStore::new(folder),
            live: watch::Sender::new(Arc::new(first())),
            name: watch::Sender::new("my-stick".into()),
            log: Mutex::default(),
            follow: broadcast::channel(64).0,
            applied: AtomicUsize::new(0),
            probes: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            secrets: Mutex::default(),
        })
    }

    /// How many watch the state.
    pub(crate) fn watchers(&self) -> usize {
        self.live.receiver_count()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Live)) {
        self.live.send_modify(|live| change(Arc::make_mut(live)));
    }

    pub(crate) fn write_log(&self, text: &str) {
        let mut log = self.log.lock().unwrap();
        let line = Arc::new(LogLine {
            number: log.len() as u64,
            time: OffsetDateTime::now_utc(),
            level: LogLevel::Info,
            target: "test".to_owned(),
            text: text.to_owned(),
        });
        log.push(line.clone());
        let _ = self.follow.send(line);
    }

    fn apply(&self) -> Applied {
        self.applied.fetch_add(1, Ordering::SeqCst);
        self.change(|live| live.configuration += 1);
        Applied {
            version: self.live.borrow().configuration,
            replugged: false,
            warnings: Vec::new(),
        }
    }

    fn keep(&self, secret: Option<&Secret>) {
        self.secrets
            .lock()
            .unwrap()
            .extend(secret.map(|secret| secret.expose().to_owned()));
    }

    fn keep_values(&self, settings: &StoreSettings) {
        for value in settings.values.values() {
            if let FormValue::Text(text) = value {
                self.keep(Some(text));
            }
        }
    }

    fn only(&self, store: &str) -> Result<()> {
        if store == "card" {
            return Ok(());
        }
        Err(Problem::new(ProblemCode::NotFound, format!("there is no store \"{store}\"")).about(store))
    }

    fn disk(&self, name: &str) -> Result<usize> {
        let live = self.live.borrow();
        let found = live.disks.iter().position(|disk| disk.name == name);
        found.ok_or_else(|| Problem::new(ProblemCode::NotFound, format!("there is no disk \"{name}\"")))
    }
}

fn problem(error: StoreError) -> Problem {
    let code = match &error {
        StoreError::NotFound { .. } => ProblemCode::NotFound,
        StoreError::AlreadyExists { .. } => ProblemCode::AlreadyExists,
        StoreError::InUse { .. } => ProblemCode::InUse,
        StoreError::Invalid { .. } => ProblemCode::Invalid,
        StoreError::Unsupported { .. } => ProblemCode::Unsupported,
        StoreError::Block(_) => ProblemCode::Unreachable,
    };
    Problem::new(code, error.to_string())
}

fn seen(info: block::store::ImageInfo) -> Image {
    Image {
        name: info.name,
        size: info.size,
        allocated: info.allocated,
        format: info.format,
        owner: info.owner,
        modified: info.modified,
        disk: None,
        details: info.details,
    }
}

fn seen_snapshot(snapshot: block::store::Snapshot) -> Snapshot {
    Snapshot {
        id: snapshot.id,
        label: snapshot.label,
        created: snapshot.created,
        size: snapshot.size,
    }
}

fn first() -> Live {
    let now = OffsetDateTime::now_utc();
    Live {
        configuration: 1,
        device: Device {
            name: "my-stick".to_owned(),
            version: "0".to_owned(),
            board: None,
            kernel: "6.12".to_owned(),
            serial: "0123".to_owned(),
            started: now,
            clock: Clock {
                now,
                source: ClockSource::Network,
            },
            memory: Memory {
                total: 512 << 20,
                available: 300 << 20,
                daemon: 30 << 20,
            },
            problems: vec![Problem::new(ProblemCode::Unsupported, "no controller").remedy("plug it in")],
        },
        usb: Usb {
            controller: Some("musb-hdrc.2.auto".to_owned()),
            state: UsbState::Connected,
            speed: Some(Speed::High),
            problem: None,
            identity: Identity {
                vendor_id: 0x1d6b,
                product_id: 0x0104,
                manufacturer: "Cloud Stick".to_owned(),
                product: "Stick".to_owned(),
                serial: "0123".to_owned(),
                max_power_ma: 500,
            },
            luns: vec![Lun {
                settings: LunSettings {
                    disk: Some("films".to_owned()),
                    read_only: false,
                    cdrom: false,
                    removable: true,
                },
                medium: Medium::Inserted,
                problem: None,
            }],
        },
        disks: vec![Disk {
            name: "films".to_owned(),
            store: Some("card".to_owned()),
            image: "films".to_owned(),
            read_only: false,
            limits: Limits::default(),
            phase: DiskPhase::Online,
            since: now,
            problem: None,
            size: Some(1 << 30),
            path: vec![Link {
                kind: LinkKind::Store,
                state: LinkState::Good,
                detail: None,
            }],
            counters: Some(Counters {
                read: Operation::default(),
                write: Operation::default(),
                flush: Operation::default(),
                in_flight: 0,
            }),
        }],
        stores: vec![Store {
            name: "card".to_owned(),
            r#type: "file".to_owned(),
            description: "folder".to_owned(),
            values: BTreeMap::from([("folder".to_owned(), "/data".into())]),
            secrets: vec!["key".to_owned()],
            disks: vec!["films".to_owned()],
        }],
        network: Network {
            urls: vec!["http://my-stick.local/".to_owned()],
            interfaces: vec![Interface {
                name: "eth0".to_owned(),
                kind: InterfaceKind::Ethernet,
                up: true,
                addresses: vec!["192.0.2.7/24".to_owned(), "2001:db8::7/64".to_owned()],
                mac: None,
                ssid: None,
            }],
            wifi: true,
            ..Network::default()
        },
    }
}

impl Observe for Fake {
    fn name(&self) -> watch::Receiver<Arc<str>> {
        self.name.subscribe()
    }

    fn live(&self) -> watch::Receiver<Arc<Live>> {
        self.live.subscribe()
    }
}

impl Logs for Fake {
    fn recent(&self, from: u64) -> Vec<Arc<LogLine>> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| line.number >= from).cloned().collect()
    }

    fn follow(&self) -> LogFollower {
        self.follow.subscribe()
    }
}

/// Counts what was dropped before its end.
struct Unfinished<'a>(&'a AtomicUsize, bool);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Stores for Fake {
    fn types(&self) -> Vec<StoreType> {
        let field = |key: &str, kind| Field {
            key: key.to_owned(),
            label: key.to_owned(),
            help: None,
            kind,
            required: true,
            advanced: false,
            default: None,
            example: None,
        };
        vec![StoreType {
            key: "file".to_owned(),
            label: "Card".to_owned(),
            about: "A folder.".to_owned(),
            form: Form {
                ways: vec![Way {
                    key: "folder".to_owned(),
                    label: "Folder".to_owned(),
                    fields: vec![
                        field("folder", FieldKind::Text { max_length: 100 }),
                        field("key", FieldKind::Secret { max_length: 100 }),
                    ],
                }],
                common: Vec::new(),
            },
            place_label: None,
            formats: vec!["raw".to_owned()],
            snapshots: true,
            unavailable: None,
        }]
    }

    /// The way `hang` never ends, the way `panic` panics with all it knows, any other lists the images' folder.
    async fn probe(&self, request: ProbeRequest, report: Report<'_>) -> Result<Probe> {
        self.keep_values(&request.settings);
        self.probes.fetch_add(1, Ordering::SeqCst);
        let mut unfinished = Unfinished(&self.dropped, false);
        for step in 0..1000 {
            report(step, 1000, Unit::Steps);
        }
        match request.settings.way.as_str() {
            "hang" => std::future::pending().await,
            "panic" => panic!("asked for: {request:?}"),
            "wrong" => Err(Problem::new(ProblemCode::Denied, "the store refuses the key").at("/settings/values/key")),
            _ => {
                unfinished.1 = true;
                let findings = self.images.diagnose(None).await;
                Ok(Probe {
                    usable: true,
                    findings: findings.into_iter().map(Finding::from).collect(),
                    places: vec![Place { name: "a".to_owned() }],
                })
            }
        }
    }

    async fn make_place(&self, place: NewPlace) -> Result<Place> {
        self.keep_values(&place.settings);
        Ok(Place { name: place.name })
    }

    async fn set_store(&self, _: &str, settings: StoreSettings) -> Result<Applied> {
        self.keep_values(&settings);
        match settings.way.as_str() {
            "panic" => panic!("asked for: {settings:?}"),
            "full" => Err(Problem::new(ProblemCode::NoSpace, "the card is full")),
            "late" => Err(Problem::new(ProblemCode::Unreachable, "the store does not answer")),
            _ => Ok(self.apply()),
        }
    }

    async fn forget_store(&self, name: &str) -> Result<Applied> {
        self.only(name)?;
        Err(Problem::new(ProblemCode::Conflict, "disks live in it"))
    }
}

#[async_trait]
impl Images for Fake {
    async fn images(&self, store: &str) -> Result<Vec<Image>> {
        self.only(store)?;
        let images = self.images.list().await.map_err(problem)?;
        Ok(images.into_iter().map(seen).collect())
    }

    async fn image(&self, store: &str, image: &str) -> Result<Image> {
        self.only(store)?;
        self.images
            .info(&image.parse().map_err(problem)?)
            .await
            .map(seen)
            .map_err(problem)
    }

    async fn create_image(&self, store: &str, image: NewImage, report: Report<'_>) -> Result<Image> {
        self.only(store)?;
        report(0, image.size, Unit::Bytes);
        let options = CreateOptions {
            size: image.size,
            format: image.format,
        };
        let made = self.images.create(&image.name, &options).await.map_err(problem)?;
        report(image.size, image.size, Unit::Bytes);
        Ok(seen(made))
    }

    async fn resize_image(&self, store: &str, image: &str, size: Resize, _: Report<'_>) -> Result<Image> {
        self.only(store)?;
        self.images.resize(image, size.size).await.map(seen).map_err(problem)
    }

    async fn delete_image(&self, store: &str, image: &str, _: Report<'_>) -> Result<()> {
        self.only(store)?;
        self.images.delete(image, true).await.map_err(problem)
    }

    async fn snapshots(&self, store: &str, image: &str) -> Result<Vec<Snapshot>> {
        self.only(store)?;
        let snapshots = self.images.snapshots(image).await.map_err(problem)?;
        Ok(snapshots.into_iter().map(seen_snapshot).collect())
    }

    async fn take_snapshot(&self, store: &str, image: &str, new: NewSnapshot, _: Report<'_>) -> Result<Snapshot> {
        self.only(store)?;
        let taken = self.images.snapshot(image, new.label.as_deref()).await;
        taken.map(seen_snapshot).map_err(problem)
    }

    async fn restore_snapshot(&self, store: &str, image: &str, snapshot: &str, report: Report<'_>) -> Result<()> {
        self.only(store)?;
        let progress = |done, total| report(done, total, Unit::Bytes);
        self.images.restore(image, snapshot, &progress).await.map_err(problem)
    }

    async fn delete_snapshot(&self, store: &str, image: &str, snapshot: &str) -> Result<()> {
        self.only(store)?;
        self.images.delete_snapshot(image, snapshot).await.map_err(problem)
    }
}

#[async_trait]
impl Stick for Fake {
    async fn add_disk(&self, disk: NewDisk) -> Result<Applied> {
        if self.disk(&disk.name).is_ok() {
            return Err(Problem::new(ProblemCode::AlreadyExists, "there is one of that name"));
        }
        Ok(self.apply())
    }

    async fn change_disk(&self, name: &str, change: DiskChange) -> Result<Applied> {
        let index = self.disk(name)?;
        self.change(|live| {
            let disk = &mut live.disks[index];
            disk.read_only = change.read_only.unwrap_or(disk.read_only);
            disk.limits = change.limits.unwrap_or(disk.limits);
        });
        Ok(self.apply())
    }

    async fn remove_disk(&self, name: &str) -> Result<Applied> {
        let index = self.disk(name)?;
        self.change(|live| {
            live.disks.remove(index);
        });
        Ok(self.apply())
    }

    async fn take_over(&self, name: &str) -> Result<()> {
        self.disk(name).map(|_| ())
    }

    async fn set_identity(&self, change: IdentityChange) -> Result<Applied> {
        self.change(|live| live.usb.identity.product = change.product.unwrap_or_default());
        Ok(self.apply())
    }

    async fn set_luns(&self, _: Vec<LunSettings>) -> Result<Applied> {
        Ok(self.apply())
    }

    async fn insert(&self, lun: usize) -> Result<()> {
        if lun == 0 {
            return Ok(());
        }
        Err(Problem::new(ProblemCode::NotFound, format!("there is no unit {lun}")))
    }

    async fn eject(&self, lun: usize, _: bool) -> Result<()> {
        self.insert(lun).await
    }
}

#[async_trait]
impl NetworkControl for Fake {
    async fn scan(&self, _: Report<'_>) -> Result<Vec<WifiNetwork>> {
        Ok(vec![WifiNetwork {
            ssid: "<script>alert(1)</script>".to_owned(),
            signal: 70,
            security: WifiSecurity::Password,
        }])
    }

    async fn join(&self, join: Join, _: Report<'_>) -> Result<()> {
        self.keep(join.password.as_ref());
        Err(Problem::new(
            ProblemCode::Denied,
            format!("\"{}\" refuses the password", join.ssid),
        ))
    }

    async fn forget(&self, _: &str) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Configuration for Fake {
    async fn rename(&self, name: &str) -> Result<Applied> {
        self.name.send_replace(name.into());
        self.change(|live| name.clone_into(&mut live.device.name));
        Ok(self.apply())
    }

    async fn versions(&self) -> Result<Vec<Version>> {
        Ok(vec![Version {
            version: 1,
            time: OffsetDateTime::now_utc(),
            change: "first".to_owned(),
            current: true,
        }])
    }

    async fn go_back(&self, version: u64) -> Result<Applied> {
        if version == 1 {
            return Ok(self.apply());
        }
        Err(Problem::new(
            ProblemCode::NotFound,
            format!("there is no version {version}"),
        ))
    }

    async fn backup(&self, backup: Backup) -> Result<BackupFile> {
        self.keep(backup.passphrase.as_ref());
        Ok(BackupFile {
            name: "back\"up.toml".to_owned(),
            media_type: "application/octet-stream",
            content: "x = 1\n".into(),
        })
    }

    async fn restore(&self, restore: Restore) -> Result<Applied> {
        self.keep(Some(&restore.data));
        self.keep(restore.passphrase.as_ref());
        Err(Problem::new(ProblemCode::NotApplied, "this is not a back-up"))
    }

    async fn doctor(&self, report: Report<'_>) -> Result<Vec<Finding>> {
        report(1, 1, Unit::Steps);
        Ok(self
            .images
            .diagnose(None)
            .await
            .into_iter()
            .map(Finding::from)
            .collect())
    }

    async fn factory_reset(&self) -> Result<()> {
        Ok(())
    }
}
