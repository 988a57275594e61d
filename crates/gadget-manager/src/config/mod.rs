//! The configuration file and the file of secrets beside it.

mod error;
pub(crate) mod model;
mod parse;
pub(crate) mod quantity;
pub(crate) mod secrets;
mod validate;
pub(crate) mod wifi;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) use error::{ConfigError, Problem};
pub(crate) use model::Config;
pub(crate) use parse::{default_state_dir, parse};
pub(crate) use quantity::ByteSize;
pub(crate) use secrets::{Secrets, StoreSecrets};
pub(crate) use validate::{Verdict, validate};

/// A configuration that was read, judged and found usable.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The file it came from.
    pub file: PathBuf,
    /// Its text.
    pub text: Arc<str>,
    /// What it says.
    pub config: Config,
    /// The secrets beside it.
    pub secrets: Secrets,
    /// What is allowed but should be looked at.
    pub warnings: Vec<Problem>,
}

/// Reads and judges the configuration at `file`, and the secrets that belong to it.
///
/// # Errors
///
/// Everything that is wrong, with lines and remedies.
pub(crate) fn load(file: &Path) -> Result<Loaded, ConfigError> {
    let fail = |problems| ConfigError {
        file: file.to_owned(),
        problems,
    };
    let text = std::fs::read_to_string(file).map_err(|error| {
        let remedy = "give its path with --config; docs/configuration.md shows what goes into it";
        fail(vec![Problem::whole_file(format!("cannot be read: {error}"), remedy)])
    })?;
    judge(file, &text, Secrets::load)
}

/// Judges the text of a configuration that is or will be at `file`, with the secrets that `secrets` finds at the path where
/// they belong.
///
/// # Errors
///
/// Everything that is wrong, with lines and remedies.
pub(crate) fn judge(
    file: &Path,
    text: &str,
    secrets: impl FnOnce(&Path) -> Result<Secrets, ConfigError>,
) -> Result<Loaded, ConfigError> {
    let fail = |problems| ConfigError {
        file: file.to_owned(),
        problems,
    };
    let config = parse(text).map_err(fail)?;
    let Verdict { errors, mut warnings } = validate(text, &config);
    if !errors.is_empty() {
        return Err(fail(errors));
    }
    let secrets_file = secrets_path(file, &config);
    if config.secrets.is_some() && !secrets_file.exists() {
        let message = format!("the file of secrets, {}, does not exist", secrets_file.display());
        return Err(fail(vec![Problem::whole_file(
            message,
            "make it (chmod 600), or remove `secrets`",
        )]));
    }
    let secrets = secrets(&secrets_file)?;
    let lacking: Vec<_> = config.stores.iter().filter_map(|store| store.lacks(&secrets)).collect();
    if !lacking.is_empty() {
        return Err(ConfigError {
            file: secrets_file,
            problems: lacking,
        });
    }
    if let Some(wifi) = &config.wifi {
        warnings.extend(wifi.lacks(&secrets));
    }
    let names: Vec<String> = config.stores.iter().map(|store| store.name.clone()).collect();
    for unknown in secrets.unknown(&names) {
        let message = format!(
            "{} has secrets for a store \"{unknown}\" that is not configured",
            secrets_file.display()
        );
        warnings.push(Problem::whole_file(message, "correct the name, or remove them"));
    }
    Ok(Loaded {
        file: file.to_owned(),
        text: text.into(),
        config,
        secrets,
        warnings,
    })
}

/// Where the secrets of a configuration are: beside it unless it says otherwise.
pub(crate) fn secrets_path(file: &Path, config: &Config) -> PathBuf {
    config.secrets.clone().unwrap_or_else(|| secrets::default_path(file))
}
