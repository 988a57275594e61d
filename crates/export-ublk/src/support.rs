//! What this machine has of what is needed, for people who look for the reason.

use std::{fs, path::Path};

use libublk::sys;
use serde::Serialize;

use crate::{UblkError, control};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// Whether nothing works without it.
    pub required: bool,
    /// What was found.
    pub found: String,
    /// What to do about it, if it is not.
    pub remedy: Option<String>,
}

/// What the kernel can do for ublk devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Support {
    /// All checks, in the order in which they build on each other.
    pub checks: Vec<Check>,
    /// The driver's `UBLK_F_*` bits, if it could be asked.
    pub features: Option<u64>,
}

impl Support {
    /// Whether devices can be made.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.checks.iter().all(|check| check.ok || !check.required)
    }
}

/// The features without which there is no device: their flag, name and the first kernel.
const REQUIRED: [(u32, &str, &str); 3] = [
    (sys::UBLK_F_USER_RECOVERY, "UBLK_F_USER_RECOVERY", "6.1"),
    (sys::UBLK_F_USER_RECOVERY_REISSUE, "UBLK_F_USER_RECOVERY_REISSUE", "6.1"),
    (sys::UBLK_F_USER_COPY, "UBLK_F_USER_COPY", "6.5"),
];

/// The driver's features; an error if one that is needed is missing.
pub(crate) fn required() -> Result<u64, UblkError> {
    let features = control::features()?;
    for (flag, feature, since) in REQUIRED {
        if features & u64::from(flag) == 0 {
            return Err(UblkError::MissingFeature { feature, since });
        }
    }
    Ok(features)
}

/// Looks at everything that ublk devices need. Changes nothing.
#[must_use]
pub fn support() -> Support {
    let control = Path::new(control::CONTROL);
    let module = Path::new("/sys/module/ublk_drv");
    let mut checks = vec![check(
        "ublk driver",
        control.exists() && module.exists(),
        if module.exists() { "loaded" } else { "not loaded" }.to_owned(),
        "run `modprobe ublk_drv` (and list it in /etc/modules-load.d), or build the kernel with CONFIG_BLK_DEV_UBLK",
    )];
    if let Ok(disabled) = fs::read_to_string("/proc/sys/kernel/io_uring_disabled") {
        let value = disabled.trim();
        // 1 leaves it to those with CAP_SYS_ADMIN, which a ublk server has.
        checks.push(check(
            "io_uring",
            value != "2",
            format!("kernel.io_uring_disabled = {value}"),
            "run `sysctl kernel.io_uring_disabled=0`",
        ));
    }
    let features = control.exists().then(control::features);
    match &features {
        None => {}
        Some(Err(error)) => checks.push(check(
            "ublk control",
            false,
            error.to_string(),
            "run as root (CAP_SYS_ADMIN), with a kernel of Linux 6.5 or newer",
        )),
        Some(Ok(bits)) => {
            checks.push(check("ublk control", true, format!("features {bits:#x}"), ""));
            for (flag, feature, since) in REQUIRED {
                let has = bits & u64::from(flag) != 0;
                let found = if has { "present" } else { "missing" };
                checks.push(check(
                    feature,
                    has,
                    found.to_owned(),
                    &format!("use Linux {since} or newer"),
                ));
            }
            let resize = bits & u64::from(sys::UBLK_F_UPDATE_SIZE) != 0;
            checks.push(Check {
                required: false,
                ..check(
                    "UBLK_F_UPDATE_SIZE",
                    resize,
                    if resize { "present" } else { "missing" }.to_owned(),
                    "to change the size of a disk in use, use Linux 6.16 or newer; without it, eject and insert",
                )
            });
        }
    }
    Support {
        checks,
        features: features.and_then(Result::ok),
    }
}

fn check(name: &'static str, ok: bool, found: String, remedy: &str) -> Check {
    Check {
        name,
        ok,
        required: true,
        found,
        remedy: (!ok).then(|| remedy.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_missing_has_a_remedy() {
        let support = support();
        assert!(!support.checks.is_empty());
        for check in &support.checks {
            assert_eq!(check.remedy.is_none(), check.ok, "{check:?}");
        }
    }

    #[test]
    fn what_is_optional_does_not_make_it_unusable() {
        let mut support = Support {
            checks: vec![Check {
                required: false,
                ..check("a", false, "missing".into(), "get it")
            }],
            features: None,
        };
        assert!(support.usable());
        support.checks.push(check("b", false, "missing".into(), "get it"));
        assert!(!support.usable());
    }
}
