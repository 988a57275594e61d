//! Images in a folder of this device.

use std::path::Path;

use async_trait::async_trait;
use block::store::{Finding, Store as _};
use store_file::FileStore;
use web::api::{Form, Place, Problem, ProblemCode, StoreType, Way};

use super::{Filled, Kind, words};
use crate::config::{
    StoreSecrets,
    model::{StoreConfig, StoreKind},
};

/// Images in a folder of this device.
pub(super) struct File;

#[async_trait]
impl Kind for File {
    fn key(&self) -> &'static str {
        "file"
    }

    fn describe(&self) -> StoreType {
        let folder = words::help(
            "A folder on the card or on a disk of this device. It is made if it is missing.",
            words::text("folder", "Folder", 255),
        );
        StoreType {
            key: self.key().to_owned(),
            label: "This device".to_owned(),
            about: "A folder on its card, or on a disk that is plugged in.".to_owned(),
            form: Form {
                ways: vec![Way {
                    key: "folder".to_owned(),
                    label: "Folder".to_owned(),
                    fields: vec![words::default("/var/lib/cloud-stick/images", folder)],
                }],
                common: Vec::new(),
            },
            place_label: None,
            place_field: None,
            formats: vec!["raw".to_owned()],
            snapshots: true,
            unavailable: None,
        }
    }

    fn is(&self, kind: &StoreKind) -> bool {
        matches!(kind, StoreKind::File(_))
    }

    fn check(&self, filled: &mut Filled<'_>) -> Result<(), Problem> {
        let folder = filled.text("folder").unwrap_or_default();
        let plain = folder.starts_with('/') && !folder.split('/').any(|part| part == "..") && !folder.contains('\0');
        if !plain {
            return Err(filled
                .wrong("folder", "the folder must be an absolute path")
                .remedy("begin it with /, and leave out .."));
        }
        // Images there would vanish, or hide what the system needs.
        let reserved = [
            "/", "/proc", "/sys", "/dev", "/run", "/etc", "/boot", "/bin", "/sbin", "/lib", "/usr",
        ];
        let path = Path::new(folder);
        let inside = reserved[1..].iter().any(|reserved| path.starts_with(reserved));
        if inside || path == Path::new("/") {
            return Err(filled
                .wrong("folder", "this folder belongs to the system")
                .remedy("choose another, such as /var/lib/cloud-stick/images"));
        }
        Ok(())
    }

    async fn explore(&self, store: &StoreConfig, _: StoreSecrets) -> (Vec<Finding>, Vec<Place>) {
        let StoreKind::File(file) = &store.kind else {
            return (Vec::new(), Vec::new());
        };
        // A missing folder is made when the store is kept; until then its parent has to do.
        let mut findings = FileStore::new(&file.folder).diagnose(None).await;
        if !file.folder.exists()
            && let Some(place) = file.folder.ancestors().find(|place| place.is_dir())
        {
            findings = match nix::unistd::access(place, nix::unistd::AccessFlags::W_OK) {
                Ok(()) => vec![Finding::good(
                    "folder",
                    format!("{} will be made", file.folder.display()),
                )],
                Err(error) => vec![Finding::bad(
                    "folder",
                    format!("{}: {error}", place.display()),
                    "choose a folder that can be written",
                )],
            };
        }
        (findings, Vec::new())
    }

    async fn make_place(&self, store: &StoreConfig, _: StoreSecrets) -> Result<(), Problem> {
        let StoreKind::File(file) = &store.kind else {
            return Ok(());
        };
        tokio::fs::create_dir_all(&file.folder).await.map_err(|error| {
            Problem::new(ProblemCode::Invalid, format!("{}: {error}", file.folder.display()))
                .remedy("choose a folder that can be made")
        })
    }

    fn describe_store(&self, kind: &StoreKind) -> String {
        match kind {
            StoreKind::File(file) => format!("folder {}", file.folder.display()),
            _ => String::new(),
        }
    }
}
