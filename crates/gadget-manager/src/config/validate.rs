//! What the values of a configuration mean together: names that exist, ranges, contradictions.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use toml::Spanned;

use super::{
    error::Problem,
    model::{ButtonConfig, Config, DiskConfig, GadgetConfig, ListenAddress, MAX_LUNS, StoreKind},
};

/// Longest time a request may take where a USB host waits for it: hosts reset a device after 30 s.
const MAX_DEADLINE_SECONDS: u32 = 28;

/// `KEY_MAX` (`include/uapi/linux/input-event-codes.h`).
const MAX_KEY: u16 = 0x2ff;

/// What is wrong, and what is allowed but should be looked at.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Things that make the configuration unusable.
    pub errors: Vec<Problem>,
    /// Things that work.
    pub warnings: Vec<Problem>,
}

/// Judges a configuration that was read from `text`.
pub(crate) fn validate(text: &str, config: &Config) -> Verdict {
    let mut judge = Judge {
        text,
        verdict: Verdict::default(),
    };
    judge.device(config);
    judge.log(config);
    judge.folders(config);
    judge.wifi(config);
    judge.stores(config);
    judge.disks(config);
    judge.servers(config);
    judge.two_writers(config);
    judge.ublk(config);
    if let Some(gadget) = &config.gadget {
        judge.gadget(config, gadget);
    }
    if config.gadget.is_none() && config.nbd.is_empty() {
        judge.verdict.warnings.push(Problem::whole_file(
            "neither a [gadget] nor an [[nbd]] server is configured",
            "without a front end nobody sees the disks",
        ));
    }
    judge.verdict
}

/// Whether a name can be a part of a host name (RFC 1123, 2.1).
fn is_host_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

struct Judge<'a> {
    text: &'a str,
    verdict: Verdict,
}

/// Whether a name can be used in commands, file names and USB strings without quoting.
fn is_plain_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !name.starts_with(['-', '.'])
}

impl Judge<'_> {
    fn error<T>(&mut self, at: &Spanned<T>, message: impl Into<String>, remedy: impl Into<String>) {
        self.verdict
            .errors
            .push(Problem::at(self.text, Some(at.span()), message, remedy));
    }

    fn name(&mut self, what: &str, name: &Spanned<String>) {
        if !is_plain_name(name.get_ref()) {
            let message = format!("\"{}\" cannot be the name of a {what}", name.get_ref());
            self.error(
                name,
                message,
                "use 1 to 64 letters, digits, `-`, `_` and `.`, not beginning with `-` or `.`",
            );
        }
    }

    fn log(&mut self, config: &Config) {
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        let known = |part: &str| levels.contains(&part.rsplit('=').next().unwrap_or(part).trim());
        let level = config.log.level.as_str();
        if !level.split(',').all(known) || crate::logging::check(level).is_err() {
            self.verdict.errors.push(Problem {
                line: section_line(self.text, "[log]"),
                message: format!("[log]: \"{level}\" is no level"),
                remedy: Some(
                    "use error, warn, info, debug, trace, or a filter like \"info,store_azure=debug\"".to_owned(),
                ),
            });
        }
        if config.secrets.as_ref().is_some_and(|path| !path.is_absolute()) {
            self.verdict.errors.push(Problem::whole_file(
                "`secrets` must be an absolute path",
                "begin it with /",
            ));
        }
    }

    fn wifi(&mut self, config: &Config) {
        let Some(wifi) = &config.wifi else { return };
        if let Some(country) = &wifi.country {
            let code = country.get_ref();
            if code.len() != 2 || !code.bytes().all(|letter| letter.is_ascii_uppercase()) {
                let message = format!("\"{code}\" is no country");
                self.error(country, message, "use two capital letters, such as \"DE\"");
            }
        }
        if !(1..=3600).contains(wifi.patience_seconds.get_ref()) {
            let message = "`patience_seconds` of [wifi] must be 1 to 3600";
            self.error(&wifi.patience_seconds, message, "leave it out for 120");
        }
        if !wifi.dhcp_script.is_absolute() {
            let message = "`dhcp_script` of [wifi] must be an absolute path";
            self.verdict
                .errors
                .push(Problem::whole_file(message, "begin it with /"));
        }
        let mut known = BTreeSet::new();
        for network in &wifi.networks {
            match network.ssid.get_ref().parse::<wifi::Ssid>() {
                Err(error) => self.error(&network.ssid, error.to_string(), "write it as phones show it"),
                Ok(ssid) if known.contains(&ssid) => {
                    let message = format!("Wi-Fi network {:?} is there twice", network.ssid.get_ref());
                    self.error(&network.ssid, message, "leave one of them");
                }
                Ok(ssid) => {
                    known.insert(ssid);
                }
            }
        }
    }

    /// A LUN and a server that both write to one disk.
    fn two_writers(&mut self, config: &Config) {
        let luns = config.gadget.iter().flat_map(|gadget| &gadget.luns);
        let written: Vec<_> = luns
            .filter(|lun| !crate::daemon::usb::is_read_only(config, lun))
            .filter_map(|lun| Some(lun.disk.as_ref()?.get_ref()))
            .collect();
        for server in config.nbd.iter().filter(|server| !server.read_only) {
            for disk in server.disks.iter().filter(|disk| written.contains(&disk.get_ref())) {
                self.verdict.warnings.push(Problem::at(
                    self.text,
                    Some(disk.span()),
                    format!(
                        "disk \"{}\" can be written by the USB host and by NBD clients at once",
                        disk.get_ref()
                    ),
                    "two file systems at work on one disk destroy it: make one side read_only",
                ));
            }
        }
    }

    fn device(&mut self, config: &Config) {
        let name = config.name.get_ref();
        if !is_host_label(name) {
            self.error(
                &config.name,
                "`name` cannot be the name of a device",
                "use 1 to 63 letters, digits and hyphens, none of the latter at the ends",
            );
        }
        let Some(web) = &config.web else { return };
        if let Some(button) = &web.button {
            self.button(button);
        }
        let all = web.http.iter().chain(&web.https).flatten();
        let mut seen = BTreeMap::new();
        for address in all.filter(|address| address.port() != 0) {
            if seen.insert(address, ()).is_some() {
                let message = format!("[web] listens at {address} twice");
                self.verdict.errors.push(Problem::whole_file(message, "remove one"));
            }
        }
    }

    fn button(&mut self, button: &ButtonConfig) {
        let mut error = |message: &str, remedy: &str| {
            self.verdict.errors.push(Problem {
                line: section_line(self.text, "[web.button]"),
                message: format!("[web.button]: {message}"),
                remedy: Some(remedy.to_owned()),
            });
        };
        if button.device.is_empty() {
            error(
                "`device` is empty",
                "name the input device, as in /sys/class/input/event*/device/name",
            );
        }
        if button.key.is_some_and(|key| key == 0 || key > MAX_KEY) {
            error("there is no such `key`", "use the number of the key, 1 to 767");
        }
        if !(1..=60).contains(&button.hold().as_secs()) {
            error("`hold_seconds` is out of range", "use 1 to 60");
        }
        let soon = button.hold() + Duration::from_secs(5);
        if button
            .reset()
            .is_some_and(|reset| reset < soon || reset.as_secs() > 300)
        {
            error(
                "`reset_seconds` is out of range",
                "use 5 more than `hold_seconds` at least, 300 at most, or 0 for no reset",
            );
        }
    }

    fn folders(&mut self, config: &Config) {
        for (key, path) in [("state_dir", &config.state_dir), ("run_dir", &config.run_dir)] {
            if !path.is_absolute() {
                let message = format!("`{key}` must be an absolute path");
                self.verdict
                    .errors
                    .push(Problem::whole_file(message, "begin it with /"));
            }
        }
    }

    fn stores(&mut self, config: &Config) {
        let mut lines = BTreeMap::new();
        for store in &config.stores {
            let mut problem = |message: String, remedy: &str| {
                self.verdict.errors.push(Problem {
                    line: Some(store.line),
                    message,
                    remedy: Some(remedy.to_owned()),
                });
            };
            if !is_plain_name(&store.name) {
                let message = format!("\"{}\" cannot be the name of a store", store.name);
                problem(
                    message,
                    "use 1 to 64 letters, digits, `-`, `_` and `.`, not beginning with `-` or `.`",
                );
            }
            if let Some(line) = lines.insert(store.name.clone(), store.line) {
                problem(
                    format!("there is another store \"{}\" at line {line}", store.name),
                    "rename one of them",
                );
            }
            if let StoreKind::Azure(azure) = &store.kind
                && let Err(error) = azure.validate()
            {
                problem(format!("store \"{}\": {error}", store.name), "see docs/stores/azure.md");
            }
            if let StoreKind::Rbd(rbd) = &store.kind
                && let Err(error) = rbd.validate()
            {
                problem(format!("store \"{}\": {error}", store.name), "see docs/stores/rbd.md");
            }
            if let StoreKind::File(file) = &store.kind
                && !file.folder.is_absolute()
            {
                problem(
                    format!("store \"{}\": `folder` must be an absolute path", store.name),
                    "begin it with /",
                );
            }
        }
    }

    fn disks(&mut self, config: &Config) {
        let mut names: BTreeMap<&str, ()> = BTreeMap::new();
        let mut images: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        let mut paths: BTreeMap<&Path, &str> = BTreeMap::new();
        for disk in &config.disks {
            let name = disk.name.get_ref().as_str();
            self.name("disk", &disk.name);
            if names.insert(name, ()).is_some() {
                self.error(
                    &disk.name,
                    format!("there is another disk \"{name}\""),
                    "rename one of them",
                );
            }
            self.place(config, disk);
            let other = match (&disk.store, &disk.image, &disk.path) {
                (Some(store), Some(image), None) => images.insert((store.get_ref(), image.get_ref()), name),
                (None, None, Some(path)) => paths.insert(path, name),
                _ => None,
            };
            if let Some(other) = other {
                let message = format!("disks \"{other}\" and \"{name}\" are the same image");
                self.error(
                    &disk.name,
                    message,
                    "a disk can be served to several front ends; remove one",
                );
            }
            if let Some(seconds) = &disk.deadline_seconds
                && !(1..=MAX_DEADLINE_SECONDS).contains(seconds.get_ref())
            {
                let message = format!("deadline_seconds = {} is out of range", seconds.get_ref());
                let remedy = format!("use 1 to {MAX_DEADLINE_SECONDS}: USB hosts give up after 30 s");
                self.error(seconds, message, remedy);
            }
            let rate = disk.limit.write_bytes.map_or(0, |rate| rate.0);
            if rate > 0 && rate.saturating_mul(disk.deadline().as_secs()) < 4 << 20 {
                self.verdict.warnings.push(Problem::at(
                    self.text,
                    Some(disk.name.span()),
                    format!("disk \"{name}\" may write less than 4 MiB within a deadline"),
                    "writes of the USB host can then fail for lack of time; allow more in `limit.write_bytes`",
                ));
            }
            if disk.read_only && disk.take_over {
                let message = format!("disk \"{name}\" is read-only and cannot take over an image");
                self.error(&disk.name, message, "remove `take_over` or `read_only`");
            }
        }
    }

    /// Where the blocks of a disk are.
    fn place(&mut self, config: &Config, disk: &DiskConfig) {
        match (&disk.store, &disk.image, &disk.path) {
            (Some(store), Some(image), None) => {
                if !config.stores.iter().any(|known| known.name == *store.get_ref()) {
                    let known: Vec<_> = config.stores.iter().map(|store| store.name.as_str()).collect();
                    let message = format!("there is no store \"{}\"", store.get_ref());
                    let remedy = if known.is_empty() {
                        "add a [[store]]".to_owned()
                    } else {
                        format!("add a [[store]] of that name, or use one of: {}", known.join(", "))
                    };
                    self.error(store, message, remedy);
                }
                if let Err(error) = image.get_ref().parse::<block::store::ImageRef>() {
                    self.error(image, error.to_string(), "correct `image`");
                }
            }
            (None, None, Some(path)) => {
                if !path.is_absolute() {
                    self.error(
                        &disk.name,
                        format!("`path` of disk \"{}\" must be absolute", disk.name.get_ref()),
                        "begin it with /",
                    );
                }
            }
            _ => {
                let message = format!("disk \"{}\" has no place", disk.name.get_ref());
                self.error(&disk.name, message, "give it either `store` and `image`, or `path`");
            }
        }
    }

    fn disk_exists(&mut self, config: &Config, name: &Spanned<String>) -> bool {
        let found = config.disks.iter().any(|disk| disk.name.get_ref() == name.get_ref());
        if !found {
            self.error(
                name,
                format!("there is no disk \"{}\"", name.get_ref()),
                "add a [[disk]] of that name",
            );
        }
        found
    }

    fn servers(&mut self, config: &Config) {
        let mut taken: BTreeMap<&str, ()> = BTreeMap::new();
        for server in &config.nbd {
            match server.listen.get_ref().parse::<ListenAddress>() {
                Ok(ListenAddress::Tcp(address)) if !address.ip().is_loopback() => {
                    self.verdict.warnings.push(Problem::at(
                        self.text,
                        Some(server.listen.span()),
                        format!("the NBD server at {address} can be reached from other machines"),
                        "NBD has no password: listen on 127.0.0.1 or a Unix socket unless the network is yours alone",
                    ));
                }
                Ok(_) => {}
                Err(message) => self.error(&server.listen, message, "correct `listen`"),
            }
            if taken.insert(server.listen.get_ref(), ()).is_some() {
                let message = format!("another server listens at \"{}\"", server.listen.get_ref());
                self.error(
                    &server.listen,
                    message,
                    "one server can serve several disks: merge them",
                );
            }
            if server.disks.is_empty() {
                self.error(&server.listen, "this server has no disks", "add disks = [\"…\"]");
            }
            for (index, disk) in server.disks.iter().enumerate() {
                self.disk_exists(config, disk);
                if server.disks[..index].contains(disk) {
                    self.error(
                        disk,
                        format!("disk \"{}\" is listed twice", disk.get_ref()),
                        "remove one",
                    );
                }
            }
            if server.max_clients == Some(0) {
                self.error(
                    &server.listen,
                    "max_clients = 0 lets nobody in",
                    "use 1 or more, or remove it",
                );
            }
        }
    }

    fn ublk(&mut self, config: &Config) {
        let ublk = &config.ublk;
        let mut wrong = |message: &str, remedy: &str| {
            self.verdict
                .errors
                .push(Problem::whole_file(format!("[ublk]: {message}"), remedy));
        };
        if !(1..=8).contains(&ublk.queues) {
            wrong("`queues` is out of range", "use 1 to 8");
        }
        if !(1..=1024).contains(&ublk.depth) {
            wrong("`depth` is out of range", "use 1 to 1024");
        }
        if !(65536..=4 << 20).contains(&ublk.max_io.0) || !ublk.max_io.0.is_power_of_two() {
            wrong("`max_io` is no usable size", "use a power of two from 64 KiB to 4 MiB");
        }
        if ublk.dirty.0 < 1 << 20 {
            wrong("`dirty` is too small", "use 1 MiB or more");
        }
    }

    fn gadget(&mut self, config: &Config, gadget: &GadgetConfig) {
        if gadget.luns.is_empty() || gadget.luns.len() > MAX_LUNS {
            self.verdict.errors.push(Problem::whole_file(
                format!("[gadget] has {} LUNs", gadget.luns.len()),
                format!("add 1 to {MAX_LUNS} [[gadget.lun]]"),
            ));
        }
        if let Some(speed) = &gadget.max_speed
            && !matches!(speed.get_ref().as_str(), "full" | "high" | "super")
        {
            let message = format!("there is no USB speed \"{}\"", speed.get_ref());
            self.error(speed, message, "use \"full\", \"high\" or \"super\"");
        }
        let mut used: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, lun) in gadget.luns.iter().enumerate() {
            let Some(disk) = &lun.disk else {
                if !lun.removable && !lun.cdrom {
                    self.verdict.errors.push(Problem::whole_file(
                        format!("LUN {index} is empty and not removable"),
                        "give it a disk, or removable = true",
                    ));
                }
                continue;
            };
            if self.disk_exists(config, disk)
                && let Some(other) = used.insert(disk.get_ref(), index)
            {
                let message = format!("disk \"{}\" is in LUN {other} and LUN {index}", disk.get_ref());
                self.error(
                    disk,
                    message,
                    "two LUNs on one disk would destroy its file system; remove one",
                );
            }
        }
        for problem in crate::daemon::usb::problems(config, gadget) {
            self.verdict.errors.push(Problem {
                line: section_line(self.text, "[gadget]"),
                message: format!("[gadget]: {problem}"),
                remedy: None,
            });
        }
    }
}

fn section_line(text: &str, heading: &str) -> Option<usize> {
    text.lines()
        .position(|line| line.trim() == heading)
        .map(|index| index + 1)
}
