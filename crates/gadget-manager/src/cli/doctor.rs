//! `doctor`: looks at everything a stick needs and says what to do about what is wrong.

use std::{
    io::IsTerminal,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use block::store::{Finding, ImageRef, Verdict};
use serde_json::json;

use crate::{
    config::{ConfigError, Loaded},
    exit::{Code, Failure},
    stack,
};

/// No clock of a working machine is before this: 2025-01-01. Certificates and signatures fail with one that is.
const EARLIEST: u64 = 1_735_689_600;

/// A group of findings under a heading.
struct Chapter {
    heading: String,
    findings: Vec<Finding>,
}

/// Examines everything and prints what was found.
///
/// # Errors
///
/// [`Code::Findings`] if anything does not work.
pub(super) async fn doctor(loaded: Result<Loaded, ConfigError>, json: bool) -> Result<(), Failure> {
    let mut chapters = vec![Chapter {
        heading: "Configuration".to_owned(),
        findings: configuration(&loaded),
    }];
    let config = loaded.as_ref().ok().map(|loaded| &loaded.config);
    let wants_gadget = config.is_none_or(|config| config.gadget.is_some());
    chapters.push(Chapter {
        heading: "Machine".to_owned(),
        findings: machine(loaded.as_ref().ok()),
    });
    if wants_gadget {
        chapters.push(Chapter {
            heading: "Kernel block devices (ublk)".to_owned(),
            findings: ublk(),
        });
        chapters.push(Chapter {
            heading: "USB".to_owned(),
            findings: usb(),
        });
    }
    if let Ok(loaded) = &loaded {
        for store in &loaded.config.stores {
            chapters.push(store_chapter(loaded, &store.name).await);
        }
    }
    let bad = chapters
        .iter()
        .flat_map(|chapter| &chapter.findings)
        .any(|finding| finding.verdict == Verdict::Bad);
    if json {
        let chapters: Vec<_> = chapters
            .iter()
            .map(|chapter| json!({ "chapter": chapter.heading, "findings": chapter.findings }))
            .collect();
        println!("{:#}", json!({ "healthy": !bad, "chapters": chapters }));
    } else {
        print(&chapters);
    }
    if bad {
        Err(Failure::Reported(Code::Findings))
    } else {
        Ok(())
    }
}

fn configuration(loaded: &Result<Loaded, ConfigError>) -> Vec<Finding> {
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
async fn store_chapter(loaded: &Loaded, name: &str) -> Chapter {
    let heading = format!("Store {name}");
    let store = match stack::store(loaded, name) {
        Ok(store) => store,
        Err(error) => {
            let findings = vec![Finding::bad(
                "settings",
                error.to_string(),
                "correct the configuration or the secrets",
            )];
            return Chapter { heading, findings };
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
    Chapter {
        heading: format!("{heading} ({})", store.describe()),
        findings,
    }
}

fn print(chapters: &[Chapter]) {
    let color = std::io::stdout().is_terminal();
    let mark = |verdict| match (verdict, color) {
        (Verdict::Good, true) => "\x1b[32mok\x1b[0m     ",
        (Verdict::Warning, true) => "\x1b[33mlook at\x1b[0m",
        (Verdict::Bad, true) => "\x1b[31mBROKEN\x1b[0m ",
        (Verdict::Good, false) => "ok     ",
        (Verdict::Warning, false) => "look at",
        (Verdict::Bad, false) => "BROKEN ",
    };
    for chapter in chapters {
        println!("{}", chapter.heading);
        for finding in &chapter.findings {
            println!("  {} {}: {}", mark(finding.verdict), finding.check, finding.detail);
            if let Some(remedy) = &finding.remedy {
                println!("          → {remedy}");
            }
        }
    }
}
