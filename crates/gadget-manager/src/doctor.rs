//! Looks at everything a stick needs and says what to do about what is wrong.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use block::store::{Finding, ImageRef, Verdict};

use crate::{
    config::{ConfigError, Loaded},
    stack,
};

/// No clock of a working machine is before this: 2025-01-01. Certificates and signatures fail with one that is.
pub(crate) const EARLIEST: u64 = 1_735_689_600;

/// A group of findings under a heading.
pub(crate) struct Chapter {
    /// What was examined.
    pub heading: String,
    /// What was found, in the order of the checks.
    pub findings: Vec<Finding>,
}

/// Examines everything; `report` is told how many chapters are done, and of how many.
pub(crate) async fn examine(
    loaded: Result<&Loaded, &ConfigError>,
    report: &(dyn Fn(u64, u64) + Send + Sync),
) -> Vec<Chapter> {
    let usable = loaded.ok();
    let stores = usable.map_or(&[][..], |loaded| &loaded.config.stores);
    let wants_gadget = usable.is_none_or(|loaded| loaded.config.gadget.is_some());
    let all = 2 + if wants_gadget { 2 } else { 0 } + stores.len() as u64;
    let mut chapters = Vec::new();
    let mut add = |heading: &str, findings| {
        chapters.push(Chapter {
            heading: heading.to_owned(),
            findings,
        });
        report(chapters.len() as u64, all);
    };
    add("Configuration", configuration(loaded));
    add("Machine", machine(usable));
    if wants_gadget {
        add("Kernel block devices (ublk)", ublk());
        add("USB", usb());
    }
    if let Some(loaded) = usable {
        for store in stores {
            let (heading, findings) = store_chapter(loaded, &store.name).await;
            add(&heading, findings);
        }
    }
    chapters
}

fn configuration(loaded: Result<&Loaded, &ConfigError>) -> Vec<Finding> {
    match loaded {
        Ok(loaded) => {
            let mut findings = vec![Finding::good(
                "configuration",
                format!("{} is usable", loaded.file.display()),
            )];
            for warning in &loaded.warnings {
                let remedy = warning.remedy.clone().unwrap_or_default();
                findings.push(Finding::warning("configuration", warning.message.clone(), remedy));
            }
            findings
        }
        Err(error) => error
            .problems
            .iter()
            .map(|problem| {
                let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
                let detail = format!("{}{line}: {}", error.file.display(), problem.message);
                Finding::bad("configuration", detail, problem.remedy.clone().unwrap_or_default())
            })
            .collect(),
    }
}

fn ublk() -> Vec<Finding> {
    let checks = export_ublk::support().checks.into_iter();
    let finding = |check: export_ublk::Check| Finding {
        check: check.name.to_owned(),
        verdict: match (check.ok, check.required) {
            (true, _) => Verdict::Good,
            (false, true) => Verdict::Bad,
            (false, false) => Verdict::Warning,
        },
        detail: check.found,
        remedy: check.remedy.filter(|_| !check.ok),
    };
    checks.map(finding).collect()
}

fn usb() -> Vec<Finding> {
    let finding = |found: gadget::Finding| Finding {
        check: found.check.to_owned(),
        verdict: match found.level {
            gadget::Level::Good => Verdict::Good,
            gadget::Level::Warning => Verdict::Warning,
            gadget::Level::Problem => Verdict::Bad,
        },
        detail: found.message,
        remedy: found.remedy,
    };
    gadget::support().into_iter().map(finding).collect()
}

fn machine(loaded: Option<&Loaded>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if nix::unistd::geteuid().is_root() {
        findings.push(Finding::good("rights", "running as root"));
    } else {
        let detail = format!("running as user {}", nix::unistd::geteuid());
        let remedy = "run it as root: configfs, ublk and the USB controller are root's";
        findings.push(Finding::warning("rights", detail, remedy));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    if now < EARLIEST {
        let remedy = "set it (ntpd -q -p pool.ntp.org, or date -s); signatures and certificates are refused otherwise";
        findings.push(Finding::bad("clock", "it is before 2025", remedy));
    } else {
        findings.push(Finding::good(
            "clock",
            "plausible; each store's own time is compared below",
        ));
    }
    match nix::sys::utsname::uname() {
        Ok(name) => findings.push(Finding::good("kernel", name.release().to_string_lossy())),
        Err(error) => findings.push(Finding::warning(
            "kernel",
            format!("cannot be asked: {error}"),
            "look at uname -r",
        )),
    }
    if let Some(loaded) = loaded {
        for (key, folder) in [
            ("run_dir", &loaded.config.run_dir),
            ("state_dir", &loaded.config.state_dir),
        ] {
            findings.push(folder_finding(key, folder));
        }
    }
    findings
}

/// Whether the daemon can keep files in `folder`, or make it.
fn folder_finding(key: &str, folder: &Path) -> Finding {
    let place = folder
        .ancestors()
        .find(|place| place.exists())
        .unwrap_or(Path::new("/"));
    match nix::unistd::access(place, nix::unistd::AccessFlags::W_OK) {
        Ok(()) => Finding::good(key, format!("{} can be written", folder.display())),
        Err(error) => {
            let remedy = format!("make it writable, or set `{key}` to a folder that is");
            Finding::bad(key, format!("{}: {error}", place.display()), remedy)
        }
    }
}

/// What the store `name` has to say, on behalf of the disks in it.
async fn store_chapter(loaded: &Loaded, name: &str) -> (String, Vec<Finding>) {
    let heading = format!("Store {name}");
    let store = match stack::store(loaded, name) {
        Ok(store) => store,
        Err(error) => {
            let findings = vec![Finding::bad(
                "settings",
                error.to_string(),
                "correct the configuration or the secrets",
            )];
            return (heading, findings);
        }
    };
    let disks = loaded
        .config
        .disks
        .iter()
        .filter(|disk| disk.store.as_ref().is_some_and(|store| store.get_ref() == name));
    let images: Vec<ImageRef> = disks
        .filter_map(|disk| disk.image.as_ref()?.get_ref().parse().ok())
        .collect();
    let mut findings = store.diagnose(images.first().map(|image| image.image.as_str())).await;
    for image in images.iter().skip(1) {
        findings.push(match store.info(image).await {
            Ok(info) => Finding::good("image", format!("{image}: {} bytes", info.size)),
            Err(error) => Finding::bad(
                "image",
                error.to_string(),
                "correct the name, or make it with `disk create`",
            ),
        });
    }
    (format!("{heading} ({})", store.describe()), findings)
}
