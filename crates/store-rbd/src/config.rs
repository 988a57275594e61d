//! The settings of a store in a Ceph cluster, and the secret that goes with them.

use std::{
    fs::File,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    Secret,
    access::Access,
    conf::{self, CephConf, ClientConf, Monitors, ini::MAX_LENGTH},
    error::{RbdError, Result},
    features::Features,
    keyring::{self, Keyring},
};

/// Where Ceph's own tools look for the conf file.
const DEFAULT_CONF: &str = "/etc/ceph/ceph.conf";

/// Largest disk in bytes: 1 EiB. librbd takes sizes near 2^64 and gets their objects wrong.
pub(crate) const MAX_SIZE: u64 = 1 << 60;

/// Which client does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientKind {
    /// librbd where this build has it, else the kernel's.
    #[default]
    Auto,
    /// The library of Ceph, in user space.
    Librbd,
    /// The kernel's rbd client.
    Kernel,
}

/// Where the pool is and how it is to be used. Holds no secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RbdConfig {
    /// The pool that holds the images.
    pub pool: String,
    /// A namespace within the pool.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The pool for the data of new images, for instance an erasure-coded one.
    #[serde(default)]
    pub data_pool: Option<String>,
    /// `auto`, `librbd` or `kernel`.
    #[serde(default)]
    pub client: ClientKind,
    /// With the kernel's client: let other clients have the image's lock when they ask for it, as `rbd resize` and `rbd snap
    /// create` do, and whoever else wants to write. The kernel cannot tell them apart, hence not by default.
    #[serde(default)]
    pub lend_lock: bool,
    /// Path of a ceph.conf; `/etc/ceph/ceph.conf` where neither `conf` nor `monitors` are given.
    #[serde(default)]
    pub conf_file: Option<PathBuf>,
    /// The text of a ceph.conf. Holds no key: it is shown as any setting is.
    #[serde(default)]
    pub conf: Option<String>,
    /// Addresses of the monitors, instead of a ceph.conf: a list, or one text with commas.
    #[serde(default, deserialize_with = "one_or_many")]
    pub monitors: Vec<String>,
    /// Which cluster it must be; a ceph.conf tells.
    #[serde(default)]
    pub fsid: Option<String>,
    /// Who we are, without `client.`; default the one user of the keyring, else `admin`.
    #[serde(default)]
    pub user: Option<String>,
    /// Path of a keyring, instead of a secret; `/etc/ceph/ceph.client.USER.keyring` where there is neither.
    #[serde(default)]
    pub keyring_file: Option<PathBuf>,
    /// Size in bytes of the objects of new images, a power of two, 4 KiB to 32 MiB; default what the cluster says, which is
    /// 4 MiB.
    #[serde(default)]
    pub object_size: Option<u64>,
    /// Features of new images; default what the cluster says.
    #[serde(default)]
    pub features: Option<Vec<String>>,
    /// Requests in flight per disk, 1 to 256; default 64.
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
    /// Longest time that connecting and each step of managing may take, in seconds, 2 to 600; default 15.
    #[serde(default = "default_deadline")]
    pub deadline_seconds: u64,
    /// What this device is called as the owner of a disk; default its host name.
    #[serde(default)]
    pub owner: Option<String>,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "addresses as a text or a list of texts")]
    enum Addresses {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Addresses::deserialize(value)? {
        Addresses::One(text) => vec![text],
        Addresses::Many(list) => list,
    })
}

fn default_concurrency() -> usize {
    64
}
fn default_deadline() -> u64 {
    15
}

/// The secret of a store. Shows nothing of itself.
#[derive(Debug, Clone)]
pub enum RbdSecret {
    /// The key of the user, as `ceph auth get-key` prints it.
    Key(Secret),
    /// The text of a keyring, as `ceph auth get` prints it.
    Keyring(Secret),
}

impl RbdConfig {
    /// The settings for a pool, all else by default.
    #[must_use]
    pub fn new(pool: &str) -> Self {
        Self {
            pool: pool.to_owned(),
            namespace: None,
            data_pool: None,
            client: ClientKind::Auto,
            lend_lock: false,
            conf_file: None,
            conf: None,
            monitors: Vec::new(),
            fsid: None,
            user: None,
            keyring_file: None,
            object_size: None,
            features: None,
            concurrency: default_concurrency(),
            deadline_seconds: default_deadline(),
            owner: None,
        }
    }

    /// Checks everything that can be checked without files and network.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RbdError::Invalid) naming the setting.
    pub fn validate(&self) -> Result<()> {
        check_name("pool", &self.pool)?;
        for (setting, name) in [
            ("namespace", &self.namespace),
            ("data_pool", &self.data_pool),
            ("user", &self.user),
        ] {
            if let Some(name) = name {
                check_name(setting, name)?;
            }
        }
        let within = |name: &str, value: u64, least: u64, most: u64| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(RbdError::invalid(
                name,
                format!("is {value}; it must be {least} to {most}"),
            )),
        };
        within("concurrency", self.concurrency as u64, 1, 256)?;
        within("deadline_seconds", self.deadline_seconds, 2, 600)?;
        if let Some(size) = self.object_size {
            within("object_size", size, 4096, 32 << 20)?;
            if !size.is_power_of_two() {
                return Err(RbdError::invalid("object_size", "must be a power of two"));
            }
        }
        self.features()?;
        if self.lend_lock && self.client == ClientKind::Librbd {
            let detail = "is for the kernel's client; librbd does for others what they want the lock for, and keeps it";
            return Err(RbdError::invalid("lend_lock", detail));
        }
        if let Some(fsid) = &self.fsid {
            conf::fsid(fsid).map_err(|error| RbdError::invalid("fsid", error.to_string()))?;
        }
        let given = [self.conf_file.is_some(), self.conf.is_some(), !self.monitors.is_empty()];
        if given.iter().filter(|given| **given).count() > 1 {
            let detail = "give one of conf_file, conf and monitors: they say the same";
            return Err(RbdError::invalid("monitors", detail));
        }
        self.own_monitors()?;
        if let Some(text) = &self.conf {
            CephConf::parse_shown(text).map_err(|error| RbdError::invalid("conf", error.to_string()))?;
            self.read_conf("conf", text)?;
        }
        if self
            .owner
            .as_ref()
            .is_some_and(|owner| owner.len() > 200 || !owner.is_ascii())
        {
            return Err(RbdError::invalid("owner", "must be at most 200 ASCII characters"));
        }
        Ok(())
    }

    /// The features that new images are to have, if that is said.
    pub(crate) fn features(&self) -> Result<Option<Features>> {
        let names = self.features.as_ref();
        names
            .map(|names| Features::from_names(names.iter().map(String::as_str)))
            .transpose()
    }

    /// Longest time that a step of managing may take.
    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds)
    }

    fn own_monitors(&self) -> Result<Monitors> {
        let parsed = self.monitors.join(",").parse();
        parsed.map_err(|error: conf::BadMonitors| RbdError::invalid("monitors", error.to_string()))
    }

    fn read_conf(&self, name: &str, text: &str) -> Result<ClientConf> {
        let user = self.user.as_deref().unwrap_or("admin");
        let conf = CephConf::parse(text).and_then(|conf| conf.for_user(user));
        conf.map_err(|error| RbdError::invalid(name, error.to_string()))
    }

    /// Puts together how to reach the cluster, reading the files that the settings name.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RbdError::Invalid) naming the setting or file, never the content of a secret.
    pub fn access(&self, secret: Option<&RbdSecret>) -> Result<Access> {
        self.validate()?;
        let conf = self.client_conf()?;
        let own = self.own_monitors()?;
        let monitors = if own.is_empty() { conf.monitors } else { own };
        if monitors.is_empty() {
            let detail = "there are none; give monitors = [\"ADDRESS\"], or a ceph.conf with mon_host in it";
            return Err(RbdError::invalid("monitors", detail));
        }
        let fsid = match (&self.fsid, conf.fsid) {
            (Some(own), _) => Some(own.to_ascii_lowercase()),
            (None, theirs) => theirs,
        };
        let without_key = ["auth_client_required", "auth_supported"]
            .iter()
            .find_map(|name| conf.options.iter().find(|(key, _)| key == name))
            .is_some_and(|(_, value)| value.trim() == "none");
        let (user, key) = self.user_and_key(secret, without_key)?;
        Ok(Access {
            monitors,
            fsid,
            user,
            key,
            options: conf.options,
        })
    }

    fn client_conf(&self) -> Result<ClientConf> {
        if let Some(text) = &self.conf {
            return self.read_conf("conf", text);
        }
        let path = match &self.conf_file {
            Some(path) => path.as_path(),
            None if !self.monitors.is_empty() || !Path::new(DEFAULT_CONF).exists() => return Ok(ClientConf::default()),
            None => Path::new(DEFAULT_CONF),
        };
        let text = read_file(path, false)?;
        let conf = self.read_conf(&path.display().to_string(), &text)?;
        if !conf.ignored.is_empty() {
            tracing::debug!(file = %path.display(), ignored = conf.ignored.join(", "), "settings that are not used");
        }
        Ok(conf)
    }

    fn user_and_key(&self, secret: Option<&RbdSecret>, without_key: bool) -> Result<(String, Option<Secret>)> {
        let user = || self.user.clone().unwrap_or_else(|| "admin".to_owned());
        let from_keyring = |name: &str, text: &str| {
            let bad = |error: keyring::KeyError| RbdError::invalid(name, error.to_string());
            let keyring = Keyring::parse(text).map_err(bad)?;
            let user = match &self.user {
                Some(user) => user.clone(),
                None => keyring.only_user().unwrap_or("admin").to_owned(),
            };
            let key = keyring.key_of(&user).map_err(bad)?.clone();
            Ok((user, Some(key)))
        };
        match (secret, &self.keyring_file) {
            (Some(RbdSecret::Key(key)), _) => {
                let user = user();
                keyring::check_key(&format!("client.{user}"), key.expose())
                    .map_err(|error| RbdError::invalid("key", error.to_string()))?;
                Ok((user, Some(key.clone())))
            }
            (Some(RbdSecret::Keyring(text)), _) => from_keyring("keyring", text.expose()),
            (None, Some(path)) => from_keyring(&path.display().to_string(), &read_file(path, true)?),
            (None, None) => {
                let path = PathBuf::from(format!("/etc/ceph/ceph.client.{}.keyring", user()));
                if path.exists() {
                    return from_keyring(&path.display().to_string(), &read_file(&path, true)?);
                }
                if without_key {
                    return Ok((user(), None));
                }
                let detail = format!(
                    "there is none for client.{}; put `key` or `keyring` into the file of secrets, or give keyring_file",
                    user()
                );
                Err(RbdError::invalid("key", detail))
            }
        }
    }

    /// What we call ourselves as an owner.
    pub(crate) fn owner_name(&self) -> String {
        let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let name = self.owner.clone().or_else(host).unwrap_or_default();
        let plain = name.trim().chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
        let name: String = plain.take(200).collect();
        match name.is_empty() {
            true => "cloud-stick".to_owned(),
            false => name,
        }
    }
}

/// Checks the size of a disk in bytes.
pub(crate) fn check_size(object: &str, size: u64) -> Result<()> {
    if size.is_multiple_of(512) && (512..=MAX_SIZE).contains(&size) {
        return Ok(());
    }
    let detail = format!("cannot have {size} bytes: a disk has whole sectors of 512 bytes, and at most 1 EiB");
    Err(RbdError::invalid(object, detail))
}

/// Names of pools, namespaces, users, images and snapshots, as all of Ceph's tools can write them: `/` and `@` separate
/// them there, and the kernel's client separates by spaces and commas.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '/' | '@' | ',');
    // The kernel's client takes at most 96 characters of an image's name.
    if (1..=96).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    let detail = "a name has 1 to 96 characters, none of them a space, comma, / or @";
    Err(RbdError::invalid(what, detail))
}

/// Reads a file that the settings name; one with secrets only if nobody else can.
fn read_file(path: &Path, secret: bool) -> Result<Zeroizing<String>> {
    let object = path.display().to_string();
    let failed = |error: std::io::Error| RbdError::invalid(&object, format!("cannot be read: {error}"));
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(RbdError::invalid(&object, "is not a regular file"));
    }
    if secret && metadata.mode() & 0o077 != 0 {
        let detail = format!("can be read by others and has a key in it; run: chmod 600 {object}");
        return Err(RbdError::invalid(&object, detail));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_LENGTH as u64 + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::keyring::tests::key;

    fn with(change: impl FnOnce(&mut RbdConfig)) -> RbdConfig {
        let mut config = RbdConfig::new("rbd");
        change(&mut config);
        config
    }

    fn secret(fill: u8) -> RbdSecret {
        RbdSecret::Key(Secret::new(key(fill)))
    }

    #[test]
    fn settings_are_checked_by_name() {
        let refused = |change: fn(&mut RbdConfig)| with(change).validate().unwrap_err().to_string();
        assert!(RbdConfig::new("rbd").validate().is_ok());
        assert!(refused(|config| config.pool = "a/b".to_owned()).starts_with("pool"));
        assert!(refused(|config| config.namespace = Some("a b".to_owned())).starts_with("namespace"));
        assert!(refused(|config| config.concurrency = 0).starts_with("concurrency"));
        assert!(refused(|config| config.object_size = Some(3 << 20)).starts_with("object_size"));
        assert!(refused(|config| config.features = Some(vec!["speed".to_owned()])).starts_with("features"));
        assert!(refused(|config| config.fsid = Some("mine".to_owned())).starts_with("fsid"));
        let lends = |config: &mut RbdConfig| (config.client, config.lend_lock) = (ClientKind::Librbd, true);
        assert!(with(lends).validate().unwrap_err().to_string().starts_with("lend_lock"));
        assert!(refused(|config| config.monitors = vec!["a:b:c".to_owned()]).starts_with("monitors"));
        assert!(refused(|config| config.conf = Some("[global]\nmon_host = $x".to_owned())).starts_with("conf"));
        assert!(
            refused(|config| {
                config.conf = Some("[global]\nmon_host = a".to_owned());
                config.monitors = vec!["a".to_owned()];
            })
            .starts_with("monitors")
        );
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert!(serde_json::from_str::<RbdConfig>(r#"{"pool": "rbd", "client": "kernel"}"#).is_ok());
        assert!(serde_json::from_str::<RbdConfig>(r#"{"pool": "rbd", "key": "x"}"#).is_err());
        assert!(serde_json::from_str::<RbdConfig>(r#"{"pool": "rbd", "client": "nbd"}"#).is_err());
    }

    #[test]
    fn a_pasted_conf_and_keyring_are_enough() {
        let config = with(|config| {
            config.conf = Some(
                "[global]\nfsid = 9B3A2F4E-1c5d-4b6a-8f7e-0a1b2c3d4e5f\nmon_host = 10.0.0.1\n[client]\n\
                 ms_client_mode = secure\nlog file = /x\n"
                    .to_owned(),
            );
        });
        let keyring = RbdSecret::Keyring(Secret::new(format!("[client.tv]\nkey = {}\n", key(3))));
        let access = config.access(Some(&keyring)).unwrap();
        assert_eq!(access.user, "tv", "the one user of the keyring");
        assert_eq!(access.key.unwrap().expose(), key(3));
        assert_eq!(access.fsid.as_deref(), Some("9b3a2f4e-1c5d-4b6a-8f7e-0a1b2c3d4e5f"));
        assert_eq!(access.options, [("ms_client_mode".to_owned(), "secure".to_owned())]);
    }

    #[test]
    fn monitors_user_and_key_are_enough() {
        let config = with(|config| {
            config.monitors = vec!["10.0.0.1".to_owned(), "10.0.0.2:6789".to_owned()];
            config.user = Some("tv".to_owned());
        });
        let access = config.access(Some(&secret(1))).unwrap();
        assert_eq!(access.monitors.to_string(), "10.0.0.1,10.0.0.2:6789");
        assert!(!format!("{access:?} {:?}", secret(1)).contains(&key(1)));
        let missing = config.access(None).unwrap_err().to_string();
        assert!(
            missing.contains("client.tv") && missing.contains("secrets"),
            "{missing}"
        );
        let wrong = RbdSecret::Key(Secret::new("planted"));
        assert!(!config.access(Some(&wrong)).unwrap_err().to_string().contains("planted"));
    }

    #[test]
    fn a_keyring_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring");
        std::fs::write(&path, format!("[client.tv]\nkey = {}\n", key(1))).unwrap();
        let config = with(|config| {
            config.monitors = vec!["10.0.0.1".to_owned()];
            config.keyring_file = Some(path.clone());
        });
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(config.access(None).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(config.access(None).unwrap().user, "tv");
    }

    #[test]
    fn a_cluster_without_authentication_needs_no_key() {
        let config = with(|config| {
            config.conf = Some("[global]\nmon_host = 10.0.0.1\nauth_client_required = none\n".to_owned());
            config.user = Some("nobody-has-this-keyring".to_owned());
        });
        assert!(config.access(None).unwrap().key.is_none());
    }
}
