//! Everything else that it can do.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use block::store::Store as _;
use time::OffsetDateTime;
use web::{
    api::*,
    appliance::{Arriving, BackupFile, Configuration, NetworkControl, Report, Result, Stick, Stores, Updates},
};

use super::Fake;

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
            place_field: None,
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
            "wait" => Ok(self.apply_later().await),
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

    async fn show_setup_stick(&self, _: bool) -> Result<()> {
        Ok(())
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
        match version {
            1 => Ok(self.apply()),
            2 => Ok(self.apply_later().await),
            _ => Err(Problem::new(
                ProblemCode::NotFound,
                format!("there is no version {version}"),
            )),
        }
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

    async fn restart_to_wipe(&self) -> Result<()> {
        Ok(())
    }

    async fn factory_reset(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Updates for Fake {
    /// Takes what comes, or nothing of a file that begins with `no`.
    async fn install_update(&self, mut bundle: Arriving, allow_older: bool, report: Report<'_>) -> Result<()> {
        let mut length = 0;
        while let Some(part) = bundle.recv().await {
            let part = part?;
            if length == 0 && part.starts_with(b"no") {
                return Err(Problem::new(
                    ProblemCode::Untrusted,
                    "the signature of the bundle is wrong",
                ));
            }
            length += part.len() as u64;
            report(length, length, Unit::Bytes);
        }
        self.change(|live| {
            let updates = live.device.updates.as_mut().expect("it can be updated");
            updates.last = Some(Update {
                version: format!("{length} bytes, {allow_older}"),
                channel: "development".to_owned(),
                phase: UpdatePhase::Ready,
                time: OffsetDateTime::now_utc(),
                reason: None,
            });
        });
        Ok(())
    }

    async fn fetch_update(&self, from: FetchUpdate, _: Report<'_>) -> Result<()> {
        Err(Problem::new(
            ProblemCode::Unreachable,
            format!("{} does not answer", from.url),
        ))
    }

    async fn try_update(&self) -> Result<()> {
        Err(Problem::new(ProblemCode::Conflict, "no update is ready"))
    }
}
