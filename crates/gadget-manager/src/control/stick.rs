//! Disks, and the stick they are in.

use std::time::Duration;

use async_trait::async_trait;
use block::store::ImageRef;
use tokio::time::Instant;
use web::{
    api::{Applied, DiskChange, IdentityChange, LunSettings, NewDisk, Problem, ProblemCode},
    appliance::{Result, Stick},
};

use super::{Control, configuration::Draft, problem};
use crate::daemon::usb::Remote;

/// How long a medium has to be in.
const INSERTION: Duration = Duration::from_secs(10);
/// How long taking over may take before it is said that it goes on.
const TAKE_OVER: Duration = Duration::from_secs(50);

/// Refuses what cannot be the name of an image or snapshot.
fn check_image(image: &str, field: &str) -> Result<()> {
    match image.parse::<ImageRef>() {
        Ok(_) => Ok(()),
        Err(error) => Err(problem::of_store(&error).at(field)),
    }
}

impl Control {
    pub(super) fn stick(&self) -> Result<Remote> {
        let view = self.handle.view();
        view.usb.clone().ok_or_else(|| {
            Problem::new(ProblemCode::Conflict, "no stick is configured").remedy("put a disk into it first")
        })
    }

    fn disk_exists(&self, name: &str) -> Result<()> {
        let loaded = self.handle.view().loaded.clone();
        match loaded.config.disks.iter().any(|disk| disk.name.get_ref() == name) {
            true => Ok(()),
            false => Err(problem::not_found("disk", name)),
        }
    }
}

#[async_trait]
impl Stick for Control {
    async fn add_disk(&self, disk: NewDisk) -> Result<Applied> {
        check_image(&disk.image, "/image")?;
        let words = format!("disk {} added", disk.name);
        let edit = move |draft: &mut Draft| draft.add_disk(&disk);
        self.keeper.change(words, edit).await
    }

    async fn change_disk(&self, name: &str, change: DiskChange) -> Result<Applied> {
        self.disk_exists(name)?;
        if let Some(image) = &change.image {
            check_image(image, "/image")?;
        }
        let words = format!("disk {name} changed");
        let name = name.to_owned();
        let edit = move |draft: &mut Draft| draft.change_disk(&name, &change);
        self.keeper.change(words, edit).await
    }

    async fn remove_disk(&self, name: &str) -> Result<Applied> {
        self.disk_exists(name)?;
        let words = format!("disk {name} removed");
        let name = name.to_owned();
        let edit = move |draft: &mut Draft| draft.remove_disk(&name);
        self.keeper.change_surely(words, edit).await
    }

    async fn take_over(&self, name: &str) -> Result<()> {
        self.disk_exists(name)?;
        match tokio::time::timeout(TAKE_OVER, self.handle.take_over(name)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(problem::of_store(&error).about(name)),
            Err(_) => {
                Err(Problem::new(ProblemCode::Timeout, "the store does not answer; it is tried again").about(name))
            }
        }
    }

    async fn set_identity(&self, change: IdentityChange) -> Result<Applied> {
        let edit = move |draft: &mut Draft| {
            draft.set_identity(&change);
            Ok(())
        };
        self.keeper.change("identity of the stick changed", edit).await
    }

    async fn set_luns(&self, luns: Vec<LunSettings>) -> Result<Applied> {
        if luns.is_empty() {
            return Err(
                Problem::new(ProblemCode::Invalid, "a stick has one unit at least").remedy("leave an empty one")
            );
        }
        let edit = move |draft: &mut Draft| {
            draft.set_luns(&luns);
            Ok(())
        };
        self.keeper.change("units of the stick changed", edit).await
    }

    async fn show_setup_stick(&self, shown: bool) -> Result<()> {
        self.setup_asked.send_replace(shown);
        Ok(())
    }

    async fn insert(&self, lun: usize) -> Result<()> {
        let stick = self.stick()?;
        stick
            .insert(Some(lun))
            .await
            .map_err(|error| problem::of_order(&error))?;
        let end = Instant::now() + INSERTION;
        loop {
            let report = stick.report();
            let Some(unit) = report.luns.get(lun) else {
                return Err(problem::not_found("unit", &lun.to_string()));
            };
            let Some(disk) = &unit.disk else {
                return Err(
                    Problem::new(ProblemCode::Conflict, format!("no disk belongs in unit {lun}"))
                        .remedy("choose one for it first"),
                );
            };
            if unit.inserted {
                return Ok(());
            }
            if Instant::now() >= end {
                let why = unit
                    .error
                    .clone()
                    .unwrap_or_else(|| format!("disk \"{disk}\" is not ready"));
                return Err(Problem::new(ProblemCode::Conflict, why)
                    .remedy("it goes in by itself as soon as it can")
                    .about(disk));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn eject(&self, lun: usize, force: bool) -> Result<()> {
        let stick = self.stick()?;
        stick.eject(lun, force).await.map_err(|error| problem::of_order(&error))
    }
}
