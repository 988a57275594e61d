//! Whether this machine can be a USB device, and what to do if it cannot.

use std::{fs, path::Path};

use nix::unistd::geteuid;
use serde::Serialize;

use crate::{DeviceState, Environment, GadgetError, attribute, udc};

/// How to get the mass-storage function.
pub(crate) const FUNCTION_REMEDY: &str =
    "load module usb_f_mass_storage (kernel option CONFIG_USB_CONFIGFS_MASS_STORAGE)";
const CONFIGFS_REMEDY: &str = "mount it: mount -t configfs none /sys/kernel/config (module configfs, \
                               CONFIG_CONFIGFS_FS)";
const COMPOSITE_REMEDY: &str = "load module libcomposite (kernel options CONFIG_USB_GADGET, CONFIG_USB_CONFIGFS)";

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Good,
    /// Works, or will by itself, but worth knowing.
    Warning,
    /// No gadget is possible.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, as a short stable name: `configfs`, `libcomposite`, `mass-storage`, `rights`, `udc`, `cable`.
    pub check: &'static str,
    /// How it is.
    pub level: Level,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Finding {
    fn good(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            check,
            level: Level::Good,
            message: message.into(),
            remedy: None,
        }
    }

    fn bad(check: &'static str, level: Level, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            check,
            level,
            message: message.into(),
            remedy: Some(remedy.into()),
        }
    }
}

/// Looks at everything a gadget needs, without changing anything.
#[must_use]
pub fn support() -> Vec<Finding> {
    look(&Environment::default())
}

pub(crate) fn look(environment: &Environment) -> Vec<Finding> {
    let mut findings = vec![
        configfs(environment),
        composite(environment),
        function(environment),
        rights(),
    ];
    findings.extend(controllers(environment));
    findings
}

/// Whether a gadget can be created at all; a missing `usb_gadget` folder is first asked for by loading its module.
pub(crate) fn prepare(environment: &Environment) -> Result<(), GadgetError> {
    let missing = |what: &str, remedy: &str| GadgetError::Unsupported {
        what: what.to_owned(),
        remedy: remedy.to_owned(),
    };
    if !environment.gadgets().is_dir() {
        // The crate loads libcomposite when it looks for the folder; its error says less than ours.
        let _ = usb_gadget::registered();
    }
    if configfs(environment).level == Level::Problem {
        return Err(missing("configfs is not mounted", CONFIGFS_REMEDY));
    }
    if !environment.gadgets().is_dir() {
        return Err(missing("this kernel has no USB gadgets in configfs", COMPOSITE_REMEDY));
    }
    Ok(())
}

fn configfs(environment: &Environment) -> Finding {
    let mounts = fs::read_to_string(environment.procfs.join("mounts")).unwrap_or_default();
    let mounted = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let folder = fields.next()?;
        (fields.next()? == "configfs").then_some(folder)
    });
    match mounted {
        Some(folder) => Finding::good("configfs", format!("configfs is mounted on {folder}")),
        None => Finding::bad("configfs", Level::Problem, "configfs is not mounted", CONFIGFS_REMEDY),
    }
}

fn composite(environment: &Environment) -> Finding {
    let check = "libcomposite";
    if environment.gadgets().is_dir() {
        return Finding::good(check, "the kernel can compose gadgets");
    }
    match module(environment, check) {
        Module::Absent => Finding::bad(
            check,
            Level::Problem,
            "the kernel cannot compose gadgets",
            COMPOSITE_REMEDY,
        ),
        _ => Finding::bad(
            check,
            Level::Warning,
            "libcomposite is not loaded yet",
            "it is loaded when it is needed",
        ),
    }
}

fn function(environment: &Environment) -> Finding {
    let check = "mass-storage";
    match module(environment, "usb_f_mass_storage") {
        Module::Loaded => Finding::good(check, "the mass-storage function is there"),
        Module::Loadable => Finding::good(check, "the mass-storage function can be loaded (usb_f_mass_storage)"),
        Module::Absent => Finding::bad(
            check,
            Level::Problem,
            "the kernel has no mass-storage function",
            FUNCTION_REMEDY,
        ),
    }
}

fn rights() -> Finding {
    if geteuid().is_root() {
        Finding::good("rights", "running as root")
    } else {
        Finding::bad(
            "rights",
            Level::Problem,
            "not running as root, so configfs cannot be written",
            "run as root",
        )
    }
}

fn controllers(environment: &Environment) -> Vec<Finding> {
    let all = udc::list(environment);
    let Some(first) = all.first() else {
        return vec![Finding::bad(
            "udc",
            Level::Problem,
            "no USB device controller",
            udc_remedy(environment),
        )];
    };
    let names = all.iter().map(|udc| udc.name.as_str()).collect::<Vec<_>>().join(", ");
    let mut findings = vec![match (&first.gadget, all.len()) {
        (Some(gadget), _) => Finding::bad(
            "udc",
            Level::Warning,
            format!("USB device controller {} is in use by gadget {gadget}", first.name),
            "unbind that gadget first, unless it is this stick",
        ),
        (None, 1) => Finding::good(
            "udc",
            format!("USB device controller {names}, up to {}", first.max_speed),
        ),
        (None, _) => Finding::bad(
            "udc",
            Level::Warning,
            format!("several USB device controllers ({names}): {} is taken", first.name),
            "set `udc` to choose",
        ),
    }];
    findings.extend(all.iter().filter(|udc| udc.gadget.is_some()).map(cable));
    findings
}

/// What a bound controller says about its cable; an unbound one cannot know.
fn cable(udc: &udc::Udc) -> Finding {
    let name = &udc.name;
    match udc.state {
        DeviceState::Configured => Finding::good("cable", format!("{name}: the host uses the device at {}", udc.speed)),
        DeviceState::Suspended => Finding::bad(
            "cable",
            Level::Warning,
            format!("{name}: the host has suspended the device"),
            "wake the host; a TV in standby does this",
        ),
        DeviceState::NotAttached => Finding::bad(
            "cable",
            Level::Warning,
            format!("{name}: no host"),
            "plug the cable into the board's OTG port and switch the host on; a cable that only charges has no data wires",
        ),
        DeviceState::Attached | DeviceState::Powered => Finding::bad(
            "cable",
            Level::Warning,
            format!("{name}: there is power but the host says nothing"),
            "use a cable with data wires, without a hub, in a port that takes USB sticks",
        ),
        state => Finding::bad(
            "cable",
            Level::Warning,
            format!("{name}: {state}, the host has not taken the device into use"),
            "wait a moment; if it stays so, try a shorter cable, another port, or `max_speed = \"full\"`",
        ),
    }
}

/// What to do about a missing controller on this machine.
pub(crate) fn udc_remedy(environment: &Environment) -> String {
    let ports = host_only_ports(&environment.sysfs.join("firmware/devicetree/base"));
    let tree = if ports.is_empty() {
        "set dr_mode = \"peripheral\" (or \"otg\") and status = \"okay\" for the OTG port in the device tree".to_owned()
    } else {
        format!(
            "set dr_mode = \"peripheral\" (or \"otg\") in the device tree, where {} now is a host only",
            ports.join(", ")
        )
    };
    format!(
        "{tree}, and load the module of the controller (sunxi: musb_hdrc with the `sunxi` glue; others: dwc2, dwc3)"
    )
}

/// Controllers whose node says `dr_mode = "host"`, two folders deep at most (`/soc/usb@…`, `/usb@…`).
fn host_only_ports(tree: &Path) -> Vec<String> {
    let folders = |path: &Path| -> Vec<_> {
        fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect()
    };
    let top = folders(tree);
    let mut ports: Vec<_> = top
        .iter()
        .flat_map(|node| folders(node))
        .chain(top.iter().cloned())
        .filter(|node| attribute::read(&node.join("dr_mode")).is_ok_and(|mode| mode == "host"))
        .filter_map(|node| Some(node.file_name()?.to_string_lossy().into_owned()))
        .collect();
    ports.sort();
    ports
}

#[derive(Debug, PartialEq, Eq)]
enum Module {
    Loaded,
    Loadable,
    Absent,
}

/// Whether a module is in the kernel (loaded or built in), or lies ready.
fn module(environment: &Environment, name: &str) -> Module {
    if environment.sysfs.join("module").join(name).is_dir() {
        return Module::Loaded;
    }
    let release = attribute::read(&environment.procfs.join("sys/kernel/osrelease")).unwrap_or_default();
    let folder = environment.modules.join(release);
    let file = format!("/{name}.ko");
    let lists = |list: &str| fs::read_to_string(folder.join(list)).is_ok_and(|text| text.contains(&file));
    if lists("modules.builtin") {
        Module::Loaded
    } else if lists("modules.dep") {
        Module::Loadable
    } else {
        Module::Absent
    }
}

#[cfg(test)]
#[path = "support_tests.rs"]
mod tests;
