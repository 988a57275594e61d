//! Another configuration: what can change under a plugged-in stick changes in place.

use std::sync::Arc;

use tracing::{error, info, warn};

use super::{Applied, ApplyError, Daemon, Stick, disk, servers, usb};
use crate::config::{self, Config, Loaded, model::DiskConfig};

impl Daemon {
    /// SIGHUP: reads the configuration again and puts it in force. One with a mistake changes nothing. A medium that
    /// somebody ejected comes back.
    pub(super) async fn reload(&mut self) {
        let loaded = match config::load(&self.loaded.file) {
            Ok(loaded) => Arc::new(loaded),
            Err(problems) => {
                error!("not reloaded, everything stays as it is:\n{problems}");
                return;
            }
        };
        for warning in &loaded.warnings {
            warn!("{}", warning.message);
        }
        if let Err(problem) = self.put_in_force(loaded.clone(), Stick::Replug).await {
            error!("not reloaded: {problem}");
            return;
        }
        if let Some(remote) = self.usb.as_ref().map(usb::Runner::remote) {
            // It may be busy writing out, which nobody here should wait for.
            tokio::spawn(async move { remote.insert(None).await });
        }
        info!("reloaded {}", loaded.file.display());
    }

    /// Puts another configuration in force.
    ///
    /// Disks and servers that are new, gone or different are started, stopped or started again; limits of speed, the
    /// log level and what is in which LUN change in place. USB identity and the number and kind of LUNs need a new
    /// enumeration: the host then sees the stick pulled and plugged in again, now or when the same configuration is put in
    /// force once more.
    pub(super) async fn put_in_force(&mut self, loaded: Arc<Loaded>, stick: Stick) -> Result<Applied, ApplyError> {
        let (old, new) = (&self.loaded.config, &loaded.config);
        let restart = [
            ("run_dir", old.run_dir != new.run_dir),
            ("state_dir", old.state_dir != new.state_dir),
            ("web", old.web != new.web),
            ("wifi", !same_radio(old, new)),
        ];
        if let Some((key, _)) = restart.iter().find(|(_, differs)| *differs) {
            return Err(ApplyError::NeedsRestart(key));
        }
        if let Err(problem) = self.log.set_level(&loaded.config.log.level) {
            error!("{problem:#}");
        }
        let old = std::mem::replace(&mut self.loaded, loaded.clone());
        let kept = stick == Stick::Keep && shape(&self.shown.config) != shape(&loaded.config);
        let mut shown = self.shown.clone();
        if !kept {
            shown = std::mem::replace(&mut self.shown, loaded.clone());
        }
        let outdated: Vec<String> = self
            .disks
            .iter()
            .filter(|(_, runner)| !self.keeps(&old, runner))
            .map(|(name, _)| name.clone())
            .collect();
        for disk in &loaded.config.disks {
            let name = disk.name.get_ref();
            if let Some(runner) = self.disks.get_mut(name).filter(|_| !outdated.contains(name)) {
                runner.set_limit(disk.limit).await;
            }
        }
        let replugged = self.stop_outdated(&shown.config, &outdated).await;
        self.start_missing(&loaded, None);
        self.sweep();
        self.changed.send_replace(());
        Ok(Applied { replugged, kept })
    }

    /// Closes a disk, with what serves it, and opens it again unless somebody wants it to stay closed.
    pub(super) async fn restart(&mut self, disk: &str, take_over: bool) {
        let (loaded, shown) = (self.loaded.clone(), self.shown.clone());
        self.stop_outdated(&shown.config, &[disk.to_owned()]).await;
        self.start_missing(&loaded, Some(disk).filter(|_| take_over));
        self.changed.send_replace(());
    }

    /// Whether a disk can go on as it is, but for its limits.
    fn keeps(&self, old: &Loaded, runner: &disk::Runner) -> bool {
        let before = runner.config();
        let Some(now) = self.loaded.config.disks.iter().find(|disk| disk.name == before.name) else {
            return false;
        };
        let state = runner.state().borrow().clone();
        let same = DiskConfig {
            limit: before.limit,
            ..now.clone()
        } == *before
            && same_store(old, &self.loaded, now)
            && old.config.ublk == self.loaded.config.ublk
            && in_a_lun(&old.config, before) == in_a_lun(&self.loaded.config, now)
            && !matches!(state.phase, disk::Phase::Fenced { .. });
        // A disk that is still being opened takes up what is new (a corrected key) only when started again.
        same && state.stack.is_some()
    }

    /// Stops what the new configuration has no more or has differently: first LUNs and servers, then their disks. Says
    /// whether the stick, which followed `before`, was pulled for it.
    async fn stop_outdated(&mut self, before: &Config, outdated: &[String]) -> bool {
        let differs = shape(before) != shape(&self.shown.config);
        let pulled = self
            .usb
            .take_if(|_| differs && !matches!(self.setup, Some((super::Place::Instead, _))));
        let replugged = pulled.is_some();
        if let Some(usb) = pulled {
            usb.stop().await;
        }
        let wanted = &self.loaded.config.nbd;
        let (keep, stop) = std::mem::take(&mut self.servers)
            .into_iter()
            .partition(|server: &servers::Runner| {
                let config = server.config();
                wanted.contains(config) && !config.disks.iter().any(|disk| outdated.contains(disk.get_ref()))
            });
        self.servers = keep;
        futures::future::join_all(stop.into_iter().map(servers::Runner::stop)).await;
        let stop: Vec<_> = outdated
            .iter()
            .filter_map(|name| Some((name, self.disks.remove(name)?)))
            .collect();
        if let Some(usb) = &self.usb {
            usb.set_slots(self.slots());
        }
        let ends = stop.into_iter().map(|(name, runner)| async move {
            if let Err(problem) = runner.stop().await {
                error!(disk = %name, "not closed cleanly: {problem}");
            }
        });
        futures::future::join_all(ends).await;
        replugged
    }

    /// Starts what the configuration has and what does not run, without the disks that are to stay closed and their
    /// servers. One disk may be started by taking it over.
    fn start_missing(&mut self, loaded: &Arc<Loaded>, take_over: Option<&str>) {
        for disk in &loaded.config.disks {
            let name = disk.name.get_ref().as_str();
            if !self.disks.contains_key(name) && !self.suspended.contains_key(name) {
                self.start_disk(disk, take_over == Some(name));
            }
        }
        for config in &loaded.config.nbd {
            let runs = self.servers.iter().any(|server| server.config() == config);
            let waits = config
                .disks
                .iter()
                .any(|disk| self.suspended.contains_key(disk.get_ref()));
            if !runs && !waits {
                self.start_server(config);
            }
        }
        match &self.usb {
            Some(usb) => usb.set_slots(self.slots()),
            None => self.start_usb(),
        }
    }
}

/// What of the configured stick cannot change without the host noticing.
fn shape(config: &Config) -> Option<gadget::GadgetConfig> {
    config.gadget.as_ref().map(|gadget| usb::shape(config, gadget))
}

/// Whether the store of a disk, and the secrets for it, are as before.
fn same_store(old: &Loaded, new: &Loaded, disk: &DiskConfig) -> bool {
    let Some(name) = disk.store.as_ref().map(|name| name.get_ref()) else {
        return true;
    };
    let settings = |loaded: &Loaded| {
        let store = loaded.config.stores.iter().find(|store| store.name == *name);
        // No secret is in there; the text has every setting.
        store.map(|store| format!("{:?}", store.kind))
    };
    settings(old) == settings(new) && old.secrets.of(name) == new.secrets.of(name)
}

fn in_a_lun(config: &Config, disk: &DiskConfig) -> bool {
    let luns = config.gadget.iter().flat_map(|gadget| &gadget.luns);
    luns.filter_map(|lun| lun.disk.as_ref()).any(|name| *name == disk.name)
}

/// Whether Wi-Fi differs at most in the networks it joins: the rest is taken up at a start only.
fn same_radio(old: &Config, new: &Config) -> bool {
    match (&old.wifi, &new.wifi) {
        (Some(old), Some(new)) => old.differs_in_networks_only(new),
        (None, None) => true,
        _ => false,
    }
}
