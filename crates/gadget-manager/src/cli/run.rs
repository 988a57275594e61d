//! `run`: the daemon.

use crate::{config::Loaded, daemon, exit::Failure, logging::Logging};

/// Serves the configured disks until SIGTERM.
pub(super) async fn run(loaded: Loaded, log: Logging) -> Result<(), Failure> {
    for warning in &loaded.warnings {
        let line = warning.line.map(|line| format!(":{line}")).unwrap_or_default();
        let remedy = warning.remedy.as_deref().unwrap_or_default();
        tracing::warn!("{}{line}: {}; {remedy}", loaded.file.display(), warning.message);
    }
    daemon::run(loaded, log).await
}
