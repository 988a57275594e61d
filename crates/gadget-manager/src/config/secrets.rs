//! The file of secrets: `[store.NAME]` tables with keys, passwords and tokens, `[wifi.NAME]` tables with passwords, readable by
//! its owner only.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use store_rbd::RbdSecret;
use zeroize::Zeroizing;

use super::{
    error::{ConfigError, Problem, line_of},
    parse::MAX_LENGTH,
};

/// The secrets of one store. Which of them a store wants is the store's business.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreSecrets {
    /// A connection string as the Azure portal shows it.
    pub connection_string: Option<Zeroizing<String>>,
    /// The key of a storage account, base64.
    pub account_key: Option<Zeroizing<String>>,
    /// A shared access signature.
    pub sas: Option<Zeroizing<String>>,
    /// The secret of an Entra application.
    pub client_secret: Option<Zeroizing<String>>,
    /// The key of a user of Ceph.
    pub key: Option<Zeroizing<String>>,
    /// A keyring of Ceph, as text.
    pub keyring: Option<Zeroizing<String>>,
}

impl StoreSecrets {
    /// The one that a store in a Ceph cluster is to use, if there is one.
    pub(crate) fn rbd(&self) -> Option<RbdSecret> {
        let secret = |text: &Zeroizing<String>| store_rbd::Secret::new(text.as_str());
        match (&self.key, &self.keyring) {
            (Some(key), _) => Some(RbdSecret::Key(secret(key))),
            (None, Some(keyring)) => Some(RbdSecret::Keyring(secret(keyring))),
            (None, None) => None,
        }
    }

    /// How many there are for a store in Azure.
    pub(crate) fn azure(&self) -> usize {
        let others = ["key", "keyring"];
        self.given().filter(|(key, _)| !others.contains(key)).count()
    }

    /// Those that are there, by their keys in the file.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, &Zeroizing<String>)> {
        let all = [
            ("connection_string", &self.connection_string),
            ("account_key", &self.account_key),
            ("sas", &self.sas),
            ("client_secret", &self.client_secret),
            ("key", &self.key),
            ("keyring", &self.keyring),
        ];
        all.into_iter()
            .filter_map(|(key, secret)| Some((key, secret.as_ref()?)))
    }
}

/// The secret of a Wi-Fi network.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WifiSecrets {
    password: Zeroizing<String>,
}

/// All secrets, by store and by Wi-Fi network.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    #[serde(default)]
    store: BTreeMap<String, StoreSecrets>,
    #[serde(default)]
    wifi: BTreeMap<String, WifiSecrets>,
}

/// Names which secrets there are, never what they are.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.store.keys())
            .entries(self.wifi.keys())
            .finish()
    }
}

impl Secrets {
    /// Reads the file at `path`. A file that does not exist has no secrets in it.
    ///
    /// # Errors
    ///
    /// A file that others can read or write or that belongs to another user is refused before it is read; errors in it
    /// name the line, never the text.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let fail = |problem: Problem| ConfigError {
            file: path.to_owned(),
            problems: vec![problem],
        };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(fail(Problem::whole_file(
                    format!("cannot be read: {error}"),
                    "check its owner and mode",
                )));
            }
        };
        let metadata = file
            .metadata()
            .map_err(|error| fail(Problem::whole_file(error.to_string(), "check the file")))?;
        if !metadata.is_file() {
            return Err(fail(Problem::whole_file(
                "is not a regular file",
                "give the path of a file",
            )));
        }
        let user = nix::unistd::geteuid().as_raw();
        if metadata.uid() != user && metadata.uid() != 0 {
            let message = format!(
                "belongs to user {} and not to the one that runs this ({user})",
                metadata.uid()
            );
            return Err(fail(Problem::whole_file(
                message,
                format!("run: chown {user} {}", path.display()),
            )));
        }
        if metadata.mode() & 0o077 != 0 {
            let message = format!(
                "can be read or written by others (mode {:04o})",
                metadata.mode() & 0o7777
            );
            return Err(fail(Problem::whole_file(
                message,
                format!("run: chmod 600 {}", path.display()),
            )));
        }
        let mut text = Zeroizing::new(String::new());
        file.by_ref()
            .take(MAX_LENGTH as u64 + 1)
            .read_to_string(&mut text)
            .map_err(|error| {
                fail(Problem::whole_file(
                    format!("cannot be read: {}", error.kind()),
                    "it must be text",
                ))
            })?;
        Self::parse(&text).map_err(fail)
    }

    /// Reads the text of a file of secrets.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > MAX_LENGTH {
            return Err(Problem::whole_file(
                format!("is longer than {MAX_LENGTH} bytes"),
                "this is no file of secrets",
            ));
        }
        toml::from_str(text).map_err(|error| {
            // The reader's own message may quote what it found, and that may be a secret.
            let message = match error.message() {
                text if text.starts_with("unknown field") => {
                    let key: String = text.split('`').nth(1).unwrap_or("?").chars().take(32).collect();
                    format!("unknown key `{key}`")
                }
                text if text.starts_with("duplicate") => "a key is given twice".to_owned(),
                text if text.starts_with("invalid type") => "a value has the wrong type".to_owned(),
                _ => "is not valid TOML here".to_owned(),
            };
            Problem {
                line: error.span().map(|span| line_of(text, span.start)),
                message,
                remedy: Some(
                    "it holds [store.NAME] tables with connection_string, account_key, sas or client_secret \
                     (Azure) or key or keyring (Ceph), and [wifi.NAME] tables with password, each in quotes"
                        .to_owned(),
                ),
            }
        })
    }

    /// The secrets of the store `name`: those of the environment if there are any, else those of the file. Variables are
    /// called `CLOUD_STICK_<STORE>_ACCOUNT_KEY` and so on, the name in capitals, other characters as `_`.
    pub(crate) fn of(&self, name: &str) -> StoreSecrets {
        let prefix: String = name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_uppercase()
                } else {
                    '_'
                }
            })
            .collect();
        let from_environment = |key: &str| {
            let value = std::env::var(format!("CLOUD_STICK_{prefix}_{key}")).ok();
            value.filter(|value| !value.is_empty()).map(Zeroizing::new)
        };
        let given = StoreSecrets {
            connection_string: from_environment("CONNECTION_STRING"),
            account_key: from_environment("ACCOUNT_KEY"),
            sas: from_environment("SAS"),
            client_secret: from_environment("CLIENT_SECRET"),
            key: from_environment("KEY"),
            keyring: from_environment("KEYRING"),
        };
        if given == StoreSecrets::default() {
            self.store.get(name).cloned().unwrap_or_default()
        } else {
            given
        }
    }

    /// The password of a Wi-Fi network.
    pub(crate) fn wifi(&self, name: &str) -> Option<&Zeroizing<String>> {
        self.wifi.get(name).map(|secrets| &secrets.password)
    }

    /// All passwords of Wi-Fi networks.
    pub(crate) fn of_wifi(&self) -> impl Iterator<Item = &Zeroizing<String>> {
        self.wifi.values().map(|secrets| &secrets.password)
    }

    /// Stores that have secrets but are not configured: a sign of a misspelt name.
    pub(crate) fn unknown<'a>(&'a self, known: &'a [String]) -> impl Iterator<Item = &'a str> {
        self.store
            .keys()
            .filter(move |name| !known.contains(name))
            .map(String::as_str)
    }
}

/// Where the secrets of a configuration are: beside it unless it says otherwise.
pub(crate) fn default_path(config: &Path) -> PathBuf {
    config.with_file_name("secrets.toml")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SECRET: &str = "cGxhbnRlZCBzZWNyZXQ=";

    fn written(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        for mode in [0o644, 0o640, 0o602, 0o660] {
            let (_folder, path) = written("", mode);
            let error = Secrets::load(&path).unwrap_err().to_string();
            assert!(error.contains("chmod 600"), "{mode:o}: {error}");
        }
        let (_folder, path) = written(&format!("[store.cloud]\naccount_key = \"{SECRET}\"\n"), 0o600);
        let secrets = Secrets::load(&path).unwrap();
        assert_eq!(
            secrets.of("cloud").account_key.as_ref().map(|key| key.as_str()),
            Some(SECRET)
        );
    }

    #[test]
    fn errors_never_repeat_the_text() {
        for text in [
            format!("[store.cloud]\naccount_key = {SECRET}\n"),
            format!("[store.cloud]\naccount_key = [\"{SECRET}\"]\n"),
            format!("[store.cloud]\nacount_key = \"{SECRET}\"\n"),
            format!("store = \"{SECRET}\"\n"),
            format!("[store.cloud]\nsas = \"{SECRET}\"\nsas = \"{SECRET}\"\n"),
            format!("{SECRET}\n"),
        ] {
            let problem = Secrets::parse(&text).unwrap_err();
            assert!(!format!("{problem:?}").contains(SECRET), "{problem:?}");
            assert!(problem.line.is_some(), "{text}");
        }
    }

    #[test]
    fn debug_shows_names_only() {
        let secrets = Secrets::parse(&format!("[store.cloud]\nsas = \"{SECRET}\"\n")).unwrap();
        assert_eq!(format!("{secrets:?}"), "[\"cloud\"]");
    }

    #[test]
    fn a_missing_file_has_no_secrets() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            Secrets::load(&folder.path().join("none"))
                .unwrap()
                .of("cloud")
                .account_key
                .is_none()
        );
    }
}
