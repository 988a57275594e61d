//! USB device controllers: which there are, which one is taken, what state its cable is in.

use std::{fmt, fs, path::Path, str::FromStr};

use serde::Serialize;

use crate::{Environment, GadgetError, attribute, support};

/// A USB speed, slowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speed {
    /// Not known, as while no host is there.
    #[default]
    Unknown,
    /// 1.5 Mbit/s.
    Low,
    /// 12 Mbit/s.
    Full,
    /// 480 Mbit/s.
    High,
    /// 5 Gbit/s.
    Super,
    /// 10 Gbit/s and more.
    SuperPlus,
}

impl Speed {
    /// As the kernel spells it (`usb_speed_string`, `drivers/usb/common/common.c`).
    fn from_kernel(text: &str) -> Self {
        match text.trim() {
            "low-speed" => Self::Low,
            "full-speed" => Self::Full,
            "high-speed" => Self::High,
            "super-speed" => Self::Super,
            "super-speed-plus" => Self::SuperPlus,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn for_kernel(self) -> usb_gadget::Speed {
        match self {
            Self::Unknown => usb_gadget::Speed::Unknown,
            Self::Low => usb_gadget::Speed::LowSpeed,
            Self::Full => usb_gadget::Speed::FullSpeed,
            Self::High => usb_gadget::Speed::HighSpeed,
            Self::Super => usb_gadget::Speed::SuperSpeed,
            Self::SuperPlus => usb_gadget::Speed::SuperSpeedPlus,
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown speed",
            Self::Low => "low speed (1.5 Mbit/s)",
            Self::Full => "full speed (12 Mbit/s)",
            Self::High => "high speed (480 Mbit/s)",
            Self::Super => "super speed (5 Gbit/s)",
            Self::SuperPlus => "super speed plus (10 Gbit/s)",
        })
    }
}

/// Reads `low`, `full`, `high`, `super` or `super-plus`, as a configuration says it.
impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "low" => Ok(Self::Low),
            "full" => Ok(Self::Full),
            "high" => Ok(Self::High),
            "super" => Ok(Self::Super),
            "super-plus" => Ok(Self::SuperPlus),
            _ => Err(format!(
                "\"{}\" is no USB speed: use low, full, high, super or super-plus",
                text.escape_debug()
            )),
        }
    }
}

/// The state of a USB device (USB 2.0 9.1.1), as the kernel spells it (`usb_state_string`, `drivers/usb/common`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceState {
    /// No cable, no host, or not connected by us.
    #[default]
    NotAttached,
    /// A cable is in.
    Attached,
    /// The host gives power but has not asked anything yet.
    Powered,
    /// The host has reset the device.
    Default,
    /// The host has given it an address.
    Addressed,
    /// The host uses it.
    Configured,
    /// The host has put it to sleep.
    Suspended,
    /// The controller is gone: its driver was unbound.
    Absent,
    /// A state with another name.
    Unknown,
}

impl DeviceState {
    fn from_kernel(text: &str) -> Self {
        match text.trim() {
            "not attached" => Self::NotAttached,
            "attached" => Self::Attached,
            "powered" => Self::Powered,
            "default" => Self::Default,
            "addressed" => Self::Addressed,
            "configured" => Self::Configured,
            "suspended" => Self::Suspended,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for DeviceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAttached => "not attached",
            Self::Attached => "attached",
            Self::Powered => "powered",
            Self::Default => "default",
            Self::Addressed => "addressed",
            Self::Configured => "configured",
            Self::Suspended => "suspended",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        })
    }
}

/// What a gadget's controller is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UdcState {
    /// The controller.
    pub udc: String,
    /// Whether the gadget is bound to it.
    pub bound: bool,
    /// The state of the device; `NotAttached` while the gadget is not bound or softly disconnected.
    pub state: DeviceState,
    /// The speed the host runs it at.
    pub speed: Speed,
}

/// A USB device controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Udc {
    /// Its name in `/sys/class/udc`.
    pub name: String,
    /// The gadget bound to it, by its name in configfs (or of a legacy driver like `g_mass_storage`).
    pub gadget: Option<String>,
    /// State of the device. The kernel leaves it as it was when a gadget is unbound.
    pub state: DeviceState,
    /// Speed the host runs it at.
    pub speed: Speed,
    /// Highest speed it can do.
    pub max_speed: Speed,
}

impl Udc {
    fn read(folder: &Path, name: String) -> Self {
        let text = |attribute: &str| attribute::read(&folder.join(attribute)).unwrap_or_default();
        Self {
            gadget: Some(text("function")).filter(|gadget| !gadget.is_empty()),
            state: state_of(folder),
            speed: Speed::from_kernel(&text("current_speed")),
            max_speed: Speed::from_kernel(&text("maximum_speed")),
            name,
        }
    }

    /// A software controller (dummy_hcd, usbip-vudc) that no cable leads to.
    fn is_virtual(&self) -> bool {
        self.name.starts_with("dummy_udc") || self.name.starts_with("usbip-vudc")
    }
}

/// State of the controller in `folder`.
pub(crate) fn state_of(folder: &Path) -> DeviceState {
    attribute::read(&folder.join("state")).map_or(DeviceState::Absent, |text| DeviceState::from_kernel(&text))
}

/// Speed of the controller in `folder`.
pub(crate) fn speed_of(folder: &Path) -> Speed {
    Speed::from_kernel(&attribute::read(&folder.join("current_speed")).unwrap_or_default())
}

/// The controllers of this machine, in the order in which they are chosen from: real ones before software ones
/// (`dummy_hcd`, `usbip-vudc`), free ones before bound ones, then by name. A gadget without a configured `udc` takes the
/// first.
#[must_use]
pub fn udcs() -> Vec<Udc> {
    list(&Environment::default())
}

pub(crate) fn list(environment: &Environment) -> Vec<Udc> {
    let class = environment.udc_class();
    let mut found: Vec<_> = fs::read_dir(&class)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some(Udc::read(&entry.path(), entry.file_name().into_string().ok()?)))
        .collect();
    found.sort_by_cached_key(|udc| (udc.is_virtual(), udc.gadget.is_some(), udc.name.clone()));
    found
}

/// The controller to use: the one asked for, or the first.
pub(crate) fn choose(environment: &Environment, wanted: Option<&str>) -> Result<Udc, GadgetError> {
    let all = list(environment);
    let names = all.iter().map(|udc| udc.name.as_str()).collect::<Vec<_>>().join(", ");
    let Some(first) = all.first() else {
        return Err(GadgetError::NoUdc {
            remedy: support::udc_remedy(environment),
        });
    };
    match wanted {
        Some(name) => all
            .iter()
            .find(|udc| udc.name == name)
            .cloned()
            .ok_or_else(|| GadgetError::UdcNotFound {
                name: name.to_owned(),
                present: names,
            }),
        None => {
            if all.len() > 1 {
                tracing::warn!(
                    udc = first.name,
                    all = names,
                    "several USB device controllers: taking the first"
                );
            }
            Ok(first.clone())
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A sysfs with one controller more.
    pub(crate) fn add_udc(environment: &Environment, name: &str, gadget: &str) {
        let folder = environment.udc_class().join(name);
        fs::create_dir_all(&folder).unwrap();
        for (attribute, value) in [
            ("state", "configured"),
            ("function", gadget),
            ("current_speed", "high-speed"),
            ("maximum_speed", "super-speed"),
        ] {
            fs::write(folder.join(attribute), format!("{value}\n")).unwrap();
        }
    }

    fn environment(dir: &tempfile::TempDir) -> Environment {
        Environment {
            sysfs: dir.path().to_owned(),
            ..Environment::default()
        }
    }

    #[test]
    fn a_controller_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let environment = environment(&dir);
        add_udc(&environment, "musb-hdrc.2.auto", "other");
        assert_eq!(
            list(&environment),
            [Udc {
                name: "musb-hdrc.2.auto".into(),
                gadget: Some("other".into()),
                state: DeviceState::Configured,
                speed: Speed::High,
                max_speed: Speed::Super,
            }]
        );
    }

    #[test]
    fn real_before_software_and_free_before_bound() {
        let dir = tempfile::tempdir().unwrap();
        let environment = environment(&dir);
        for (name, gadget) in [("dummy_udc.0", ""), ("b.usb", "other"), ("d.usb", ""), ("c.usb", "")] {
            add_udc(&environment, name, gadget);
        }
        let names: Vec<_> = list(&environment).into_iter().map(|udc| udc.name).collect();
        assert_eq!(names, ["c.usb", "d.usb", "b.usb", "dummy_udc.0"]);
        assert_eq!(choose(&environment, None).unwrap().name, "c.usb");
        assert_eq!(choose(&environment, Some("dummy_udc.0")).unwrap().name, "dummy_udc.0");
        let error = choose(&environment, Some("x")).unwrap_err().to_string();
        assert!(error.contains("c.usb, d.usb"), "{error}");
    }

    #[test]
    fn none_is_an_error_with_a_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let error = choose(&environment(&dir), None).unwrap_err().to_string();
        assert!(error.contains("dr_mode"), "{error}");
        assert!(error.contains("module"), "{error}");
    }

    #[test]
    fn speeds_and_states_have_names() {
        for text in ["low", "full", "high", "super", "super-plus"] {
            assert_ne!(text.parse::<Speed>(), Ok(Speed::Unknown));
        }
        assert!("480".parse::<Speed>().is_err());
        assert!(Speed::Full < Speed::High);
        assert_eq!(DeviceState::from_kernel("not attached\n"), DeviceState::NotAttached);
        assert_eq!(DeviceState::from_kernel("reconnecting"), DeviceState::Unknown);
    }
}
