//! `run`: the daemon.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    config::{ConfigError, Loaded, default_state_dir},
    control, daemon,
    exit::Failure,
    logging::Logging,
};

/// Serves the configured disks until SIGTERM.
pub(super) async fn run(loaded: Loaded, log: Logging) -> Result<(), Failure> {
    for warning in &loaded.warnings {
        let line = warning.line.map(|line| format!(":{line}")).unwrap_or_default();
        let remedy = warning.remedy.as_deref().unwrap_or_default();
        tracing::warn!("{}{line}: {}; {remedy}", loaded.file.display(), warning.message);
    }
    let (state_dir, recent) = (loaded.config.state_dir.clone(), log.recent());
    let result = daemon::run(loaded, log).await;
    let file = control::last_log(&state_dir);
    match &result {
        Ok(()) => {
            // Usually there is none.
            let _ = fs::remove_file(file);
        }
        Err(failure) => {
            let lines = recent.from(0);
            let lines = lines.iter().map(|line| format!("{} {}\n", line.time, line.text));
            keep(&file, &format!("{}{failure}\n", lines.collect::<String>()));
        }
    }
    result
}

/// Keeps what is wrong with a configuration that cannot be used, where it wants the state to be kept if it says so.
pub(super) fn remember(error: &ConfigError) {
    let text = fs::read_to_string(&error.file).unwrap_or_default();
    let state_dir = text.parse::<toml_edit::DocumentMut>().ok().and_then(|document| {
        let folder = PathBuf::from(document.get("state_dir")?.as_str()?);
        folder.is_absolute().then_some(folder)
    });
    let file = control::last_log(&state_dir.unwrap_or_else(default_state_dir));
    keep(&file, &format!("{error}\n"));
}

/// For the setup stick, and for who looks at the card. Where it cannot be kept, standard error has to do.
fn keep(file: &Path, text: &str) {
    if let Err(error) = write(file, text) {
        eprintln!("gadget-manager: {}: {error}", file.display());
    }
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    use std::{
        io::Write as _,
        os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    };
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(file)?.write_all(text.as_bytes())
}
