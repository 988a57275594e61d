//! `ceph.conf`, as far as a client needs it.
//!
//! The text may come from a stranger's paste, so it is never given to librados, which would open the log files, sockets,
//! keyrings and plugins that it names. Only settings on a list of harmless ones are passed on, each with its value alone.

pub(crate) mod ini;
mod monitors;
mod secrets;

use ini::{IniError, Section};
pub use monitors::{Address, BadMonitors, Monitor, Monitors, PORT_V1, PORT_V2, Protocol};

/// Settings that are passed to librados: none of them names a file, an address to listen at or something to load.
const ALLOWED: [&str; 22] = [
    "auth_client_required",
    "auth_cluster_required",
    "auth_service_required",
    "auth_supported",
    "cephx_require_signatures",
    "cephx_require_version",
    "cephx_service_require_signatures",
    "cephx_service_require_version",
    "cephx_sign_messages",
    "mon_client_hunt_interval",
    "ms_bind_ipv4",
    "ms_bind_ipv6",
    "ms_client_mode",
    "ms_crc_data",
    "ms_crc_header",
    "ms_mon_client_mode",
    "ms_tcp_nodelay",
    "ms_tcp_rcvbuf",
    "rbd_default_data_pool",
    "rbd_default_features",
    "rbd_default_order",
    "rbd_read_from_replica_policy",
];

/// Settings that are understood here and not passed on under their names.
const OWN: [&str; 5] = ["fsid", "mon_host", "mon_addr", "key", "mon_initial_members"];

/// A configuration file of Ceph.
#[derive(Clone)]
pub struct CephConf {
    sections: Vec<Section>,
}

/// What a configuration file has for one user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientConf {
    /// Where the monitors are.
    pub monitors: Monitors,
    /// Which cluster it is.
    pub fsid: Option<String>,
    /// Settings for librados, each once.
    pub options: Vec<(String, String)>,
    /// Settings that are not used, in the order of the file.
    pub ignored: Vec<String>,
}

/// What is wrong with a configuration file. Never quotes more of it than an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfError {
    /// The text has no such form.
    #[error("{0}")]
    Syntax(String),
    /// `mon_host` is no list of addresses.
    #[error("mon_host: {0}")]
    Monitors(#[from] BadMonitors),
    /// `fsid` is no UUID.
    #[error("fsid is no UUID such as 9b3a2f4e-1c5d-4b6a-8f7e-0a1b2c3d4e5f")]
    Fsid,
    /// A secret in a text that is shown again, on this line.
    #[error(
        "line {0} holds a key or password, and this text is shown again: take the line out, and put the key into the keyring"
    )]
    Secret(usize),
    /// A value that cannot be passed on.
    #[error("{0} has a value that cannot be used")]
    Value(String),
}

impl From<IniError> for ConfError {
    fn from(error: IniError) -> Self {
        Self::Syntax(error.to_string())
    }
}

impl std::fmt::Debug for CephConf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.sections.iter().map(|section| &section.name);
        f.debug_list().entries(names).finish()
    }
}

impl CephConf {
    /// Reads a configuration file.
    ///
    /// # Errors
    ///
    /// The line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ConfError> {
        Ok(Self {
            sections: ini::parse(text)?,
        })
    }

    /// Reads a configuration file whose text is kept as a setting, which is shown again: there must be no secret in it.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse), and the line of a secret.
    pub fn parse_shown(text: &str) -> Result<Self, ConfError> {
        let conf = Self::parse(text)?;
        match secrets::line(text, &conf.sections) {
            Some(line) => Err(ConfError::Secret(line)),
            None => Ok(conf),
        }
    }

    /// What it has for `client.user`: its own section goes before `[client]`, that before `[global]`; of settings given
    /// twice in one section the last counts.
    ///
    /// # Errors
    ///
    /// A value that cannot be.
    pub fn for_user(&self, user: &str) -> Result<ClientConf, ConfError> {
        let own = format!("client.{user}");
        let mut conf = ClientConf::default();
        let mut monitors = None;
        for name in ["global", "client", &own] {
            let entries = self.sections.iter().filter(|section| section.name == name);
            for entry in entries.flat_map(|section| &section.entries) {
                match entry.key.as_str() {
                    "mon_host" => monitors = Some(entry.value.parse()?),
                    "fsid" => conf.fsid = Some(fsid(&entry.value)?),
                    key if ALLOWED.contains(&key) => {
                        if !is_plain(&entry.value) {
                            return Err(ConfError::Value(key.to_owned()));
                        }
                        conf.options.retain(|(known, _)| known != key);
                        conf.options.push((key.to_owned(), entry.value.to_string()));
                    }
                    key if OWN.contains(&key) => {}
                    key => {
                        let shown: String = key.chars().take(60).collect();
                        if !conf.ignored.contains(&shown) {
                            conf.ignored.push(shown);
                        }
                    }
                }
            }
        }
        conf.monitors = match monitors {
            Some(monitors) => monitors,
            None => self.monitors_of_sections()?,
        };
        Ok(conf)
    }

    /// The older way: a section `[mon.NAME]` with `mon addr` for each monitor.
    fn monitors_of_sections(&self) -> Result<Monitors, ConfError> {
        let mut all = Monitors::default();
        for section in self.sections.iter().filter(|section| section.name.starts_with("mon.")) {
            if let Some(entry) = section.entries.iter().rfind(|entry| entry.key == "mon_addr") {
                all.extend(entry.value.parse()?)?;
            }
        }
        Ok(all)
    }
}

/// Checks the name of a cluster and writes it in lower case.
pub(crate) fn fsid(text: &str) -> Result<String, ConfError> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    if lengths == [8, 4, 4, 4, 12] && groups.concat().chars().all(|c| c.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(ConfError::Fsid)
    }
}

/// Numbers, words and lists of words: no path and no metavariable, which librados would expand.
fn is_plain(value: &str) -> bool {
    value.len() <= 200
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | ',' | '_' | '-' | '.' | '+' | ':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As cephadm and `ceph config generate-minimal-conf` write it.
    const MINIMAL: &str = "# minimal ceph.conf for 9b3a2f4e-1c5d-4b6a-8f7e-0a1b2c3d4e5f\n[global]\n\
        \tfsid = 9b3a2f4e-1c5d-4b6a-8f7e-0a1b2c3d4e5f\n\
        \tmon_host = [v2:192.168.1.5:3300/0,v1:192.168.1.5:6789/0]\n";

    fn client(text: &str) -> ClientConf {
        CephConf::parse(text).unwrap().for_user("tv").unwrap()
    }

    #[test]
    fn a_minimal_conf_has_all_that_is_needed() {
        let conf = client(MINIMAL);
        assert_eq!(conf.fsid.as_deref(), Some("9b3a2f4e-1c5d-4b6a-8f7e-0a1b2c3d4e5f"));
        assert_eq!(conf.monitors.to_string(), "[v2:192.168.1.5:3300,v1:192.168.1.5:6789]");
        assert!(conf.options.is_empty() && conf.ignored.is_empty());
    }

    #[test]
    fn the_nearest_section_wins() {
        let conf = client(
            "[client.tv]\nms_client_mode = secure\n[global]\nms client mode = crc\nmon host = 10.0.0.1\n\
             ms tcp nodelay = true\n[client]\nmon_host = 10.0.0.2 10.0.0.3\n[client.other]\nmon_host = 10.0.0.9\n",
        );
        assert_eq!(conf.monitors.to_string(), "10.0.0.2,10.0.0.3");
        assert_eq!(
            conf.options,
            [
                ("ms_tcp_nodelay".to_owned(), "true".to_owned()),
                ("ms_client_mode".to_owned(), "secure".to_owned())
            ]
        );
    }

    #[test]
    fn what_could_touch_this_machine_is_not_passed_on() {
        let conf = client(
            "[global]\nmon_host = 10.0.0.1\nlog file = /etc/passwd\n[client]\nadmin socket = /run/x.asok\n\
             keyring = /etc/shadow\nplugin dir = /tmp\nerasure_code_dir = /tmp\nrbd_plugins = evil\n\
             log_to_file = true\ncrash dir = /\nlog file = /x\nrun dir = /\nkeyfile = /k\nrbd_persistent_cache_path = /x\n",
        );
        assert!(conf.options.is_empty(), "{:?}", conf.options);
        assert_eq!(
            conf.ignored,
            [
                "log_file",
                "admin_socket",
                "keyring",
                "plugin_dir",
                "erasure_code_dir",
                "rbd_plugins",
                "log_to_file",
                "crash_dir",
                "run_dir",
                "keyfile",
                "rbd_persistent_cache_path"
            ]
        );
    }

    #[test]
    fn values_that_librados_would_expand_are_refused() {
        for value in ["$pid", "/etc/passwd", "a$name", "`id`"] {
            let conf = CephConf::parse(&format!("[global]\nrbd_default_data_pool = {value}\n")).unwrap();
            assert!(conf.for_user("tv").is_err(), "{value}");
        }
    }

    #[test]
    fn sections_have_no_more_monitors_than_a_list() {
        let sections: String = (0..65)
            .map(|number| format!("[mon.{number}]\nmon addr = 10.0.0.{number}\n"))
            .collect();
        let conf = CephConf::parse(&sections).unwrap();
        assert!(matches!(conf.for_user("tv"), Err(ConfError::Monitors(_))));
    }

    #[test]
    fn monitors_may_have_sections_of_their_own() {
        let conf =
            client("[mon.a]\nhost = a\nmon addr = 10.0.0.1:6789\n[mon.b]\nmon addr = 10.0.0.2:6789\n[osd]\nx = 1\n");
        assert_eq!(conf.monitors.to_string(), "10.0.0.1:6789,10.0.0.2:6789");
    }

    #[test]
    fn a_wrong_fsid_or_monitor_is_named() {
        let error = |text: &str| {
            let conf = CephConf::parse(text).unwrap();
            conf.for_user("tv").unwrap_err().to_string()
        };
        assert!(error("[global]\nfsid = mine\n").contains("fsid"));
        assert!(error("[global]\nmon_host = $host\n").contains("mon_host"));
    }
}
