//! The configuration as a whole: changing it, its versions, back-ups, the way back to the factory.

mod backup;
mod draft;
mod files;
mod history;
mod keeper;
mod settle;
mod wipe;

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use web::{
    api::{Applied, Backup, Finding, Problem, ProblemCode, Restore, Unit, Version},
    appliance::{BackupFile, Configuration, Report, Result},
};

pub(crate) use draft::Draft;
pub(crate) use files::recover;
pub(in crate::control) use files::write_aside;
pub(crate) use keeper::Keeper;
pub(in crate::control) use keeper::judge;
pub(in crate::control) use wipe::Wiper;

use super::{Control, problem};
use crate::doctor;

/// Files of `state_dir` that a factory reset removes: who the device is to its stores, and the key of its own Wi-Fi network. The
/// next start makes others.
const FORGOTTEN: [&str; 2] = ["owner-id", "access-point-key"];

#[async_trait]
impl Configuration for Control {
    async fn rename(&self, name: &str) -> Result<Applied> {
        let new = name.to_owned();
        let edit = move |draft: &mut Draft| {
            draft.set_name(&new);
            Ok(())
        };
        let applied = self.keeper.change_surely(format!("called {name}"), edit).await;
        self.state.refresh();
        applied
    }

    async fn versions(&self) -> Result<Vec<Version>> {
        let current = self.keeper.version();
        let versions = self.keeper.list().await?;
        Ok(versions.into_iter().map(|version| version.seen(current)).collect())
    }

    async fn go_back(&self, version: u64) -> Result<Applied> {
        let applied = self.keeper.go_back(version).await;
        self.state.refresh();
        applied
    }

    async fn backup(&self, backup: Backup) -> Result<BackupFile> {
        let texts = self.keeper.texts().await?;
        let name = self.handle.view().loaded.config.name.get_ref().clone();
        match backup.passphrase {
            None => Ok(BackupFile {
                name: format!("{name}.toml"),
                media_type: "application/toml",
                content: backup::plain(&texts).into(),
            }),
            Some(passphrase) => Ok(BackupFile {
                name: format!("{name}.backup"),
                media_type: "application/octet-stream",
                content: on_a_thread(move || backup::encrypted(&texts, &passphrase))
                    .await?
                    .into(),
            }),
        }
    }

    async fn restore(&self, restore: Restore) -> Result<Applied> {
        let data = BASE64_STANDARD.decode(restore.data.expose().trim()).map_err(|_| {
            Problem::new(ProblemCode::Invalid, "this is not base64")
                .remedy("send the file as it was made, in base64")
                .at("/data")
        })?;
        let found = on_a_thread(move || backup::open(&data, restore.passphrase.as_ref())).await?;
        let edit = move |draft: &mut Draft| {
            draft.replace_config(&found.config)?;
            match &found.secrets {
                Some(secrets) => draft.merge_secrets(secrets),
                None => Ok(()),
            }
        };
        let applied = self.keeper.change("restored from a back-up", edit).await;
        self.state.refresh();
        applied
    }

    async fn doctor(&self, report: Report<'_>) -> Result<Vec<Finding>> {
        let loaded = self.handle.view().loaded.clone();
        let chapters = doctor::examine(Ok(&loaded), &|done, all| report(done, all, Unit::Steps)).await;
        let findings = chapters.into_iter().flat_map(|chapter| {
            let heading = chapter.heading;
            chapter.findings.into_iter().map(move |finding| Finding {
                check: format!("{heading}: {}", finding.check),
                ..Finding::from(finding)
            })
        });
        Ok(findings.collect())
    }

    async fn factory_reset(&self) -> Result<()> {
        let Some(wiper) = Wiper::find() else {
            return self.clear().await;
        };
        // First: from here on nothing keeps it from being done, neither a pulled plug nor a card that takes no file any more.
        wiper.mark().await?;
        if let Err(problem) = self.clear().await {
            tracing::warn!("the factory reset is left to the next start: {problem}");
        }
        Ok(())
    }

    async fn restart_to_wipe(&self) -> Result<()> {
        match Wiper::find() {
            Some(wiper) => wiper.restart().await,
            None => Ok(()),
        }
    }
}

impl Control {
    /// Removes all that is of the owner, as files are removed.
    async fn clear(&self) -> Result<()> {
        self.keeper.clear().await?;
        self.state.refresh();
        let state_dir = self.handle.view().loaded.config.state_dir.clone();
        for name in FORGOTTEN {
            let file = state_dir.join(name);
            match tokio::fs::remove_file(&file).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(problem::internal(format!("{}: {error}", file.display())));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Runs what takes a while on a thread that may.
pub(super) async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(problem::internal("the device met a fault of its own")))
}
