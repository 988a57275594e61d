//! What a gadget shall be, and whether it can be that.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use crate::{GadgetError, Inquiry, Speed};

/// Most LUNs the kernel gives one mass-storage function (`FSG_MAX_LUNS` is 16; hosts are only sure of 8).
pub const MAX_LUNS: usize = 8;

/// Longest [`GadgetConfig::name`]: `mass_storage.cloud-stick-NAME-0` must stay under the kernel's `MAX_NAME_LEN` of 40
/// (`drivers/usb/gadget/configfs.c`).
const MAX_NAME: usize = 12;

/// Longest USB string in bytes of UTF-8 (`USB_MAX_STRING_LEN`, `include/uapi/linux/usb/ch9.h`).
const MAX_STRING: usize = 126;

/// A mass-storage gadget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GadgetConfig {
    /// Short name, unique on this machine: 1-12 of `a-z`, `0-9`, `_`, `-`. In configfs it gets the prefix
    /// [`NAME_PREFIX`](crate::NAME_PREFIX).
    pub name: String,
    /// The USB device controller by name (an entry of `/sys/class/udc`); found by itself when `None`, see
    /// [`udcs`](crate::udcs).
    pub udc: Option<String>,
    /// USB vendor id (`idVendor`).
    pub vendor_id: u16,
    /// USB product id (`idProduct`).
    pub product_id: u16,
    /// Device release (`bcdDevice`), binary-coded decimal: 0x0100 is 1.00.
    pub device_release: u16,
    /// Manufacturer, up to 126 bytes.
    pub manufacturer: String,
    /// Product, up to 126 bytes.
    pub product: String,
    /// Serial number: 12 or more of `0-9`, `A-F`, as the Bulk-Only Transport specification (4.1.1) demands. Derived from
    /// the machine when `None`, see [`machine_serial`](crate::machine_serial).
    pub serial: Option<String>,
    /// Most current drawn from the host in mA: even, 2-500, up to 900 (in steps of 8) where `max_speed` allows super
    /// speed; 0 only if self-powered.
    pub max_power_ma: u16,
    /// The device has a power supply of its own.
    pub self_powered: bool,
    /// Highest speed offered; what the controller can do when `None`.
    pub max_speed: Option<Speed>,
    /// Whether the function may halt its bulk endpoints to end a short answer, as the specification wants; `Some(false)`
    /// for controllers that cannot. The kernel's own choice when `None`.
    pub stall: Option<bool>,
    /// 1-8 logical units.
    pub luns: Vec<LunConfig>,
}

impl Default for GadgetConfig {
    /// One empty removable LUN under the kernel's own ids for a storage gadget (0525:a4a5), 500 mA.
    fn default() -> Self {
        Self {
            name: "0".to_owned(),
            udc: None,
            vendor_id: 0x0525,
            product_id: 0xa4a5,
            device_release: 0x0100,
            manufacturer: "Cloud Stick".to_owned(),
            product: "Cloud Stick".to_owned(),
            serial: None,
            max_power_ma: 500,
            self_powered: false,
            max_speed: None,
            stall: None,
            luns: vec![LunConfig::default()],
        }
    }
}

/// A logical unit: one disk, or one drive, of the gadget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LunConfig {
    /// A regular file or block device, by absolute path; an empty drive when `None`.
    pub medium: Option<PathBuf>,
    /// The host may not write.
    pub read_only: bool,
    /// The medium can be changed. What is not removable needs a medium from the start.
    pub removable: bool,
    /// Looks like a CD-ROM drive; always read-only, 2048-byte sectors.
    pub cdrom: bool,
    /// Ignore the host's FUA flag ("force unit access"): faster, less safe.
    pub no_fua: bool,
    /// 28 columns of INQUIRY text, see [`Inquiry`]; the kernel's own when `None`.
    pub inquiry: Option<String>,
}

impl Default for LunConfig {
    /// An empty, writable, removable drive.
    fn default() -> Self {
        Self {
            medium: None,
            read_only: false,
            removable: true,
            cdrom: false,
            no_fua: false,
            inquiry: None,
        }
    }
}

/// One thing wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The LUN it is about.
    pub lun: Option<usize>,
    /// The field.
    pub field: &'static str,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(lun) = self.lun {
            write!(f, "LUN {lun}: ")?;
        }
        write!(f, "{}: {}: {}", self.field, self.problem, self.remedy)
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Findings {
    lun: Option<usize>,
    errors: Vec<ConfigError>,
}

impl Findings {
    fn add(&mut self, field: &'static str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.errors.push(ConfigError {
            lun: self.lun,
            field,
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }
}

impl GadgetConfig {
    /// Checks everything that can be known without touching the system.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, not just the first.
    pub fn validate(&self) -> Result<(), Vec<ConfigError>> {
        let mut found = Findings::default();
        self.check_name(&mut found);
        self.check_ids(&mut found);
        self.check_strings(&mut found);
        self.check_power(&mut found);
        self.check_luns(&mut found);
        if found.errors.is_empty() {
            Ok(())
        } else {
            Err(found.errors)
        }
    }

    pub(crate) fn checked(&self) -> Result<(), GadgetError> {
        self.validate().map_err(GadgetError::Config)
    }

    fn check_name(&self, found: &mut Findings) {
        let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if self.name.is_empty() || self.name.len() > MAX_NAME || !self.name.bytes().all(legal) {
            let problem = format!("\"{}\" is no name for a gadget", self.name.escape_debug());
            found.add("name", problem, format!("use 1 to {MAX_NAME} of a-z, 0-9, _ and -"));
        }
        if let Some(udc) = &self.udc
            && (udc.is_empty() || udc.contains(['/', '\n', '\0']) || udc == "." || udc == "..")
        {
            let problem = format!("\"{}\" is no controller's name", udc.escape_debug());
            found.add("udc", problem, "use a name from /sys/class/udc, or leave it out");
        }
    }

    fn check_ids(&self, found: &mut Findings) {
        if self.vendor_id == 0 {
            found.add(
                "vendor_id",
                "0 is nobody's id",
                "use an id of your own, or 0x0525 with product 0xa4a5 for tests",
            );
        }
        if (0..4).any(|digit| self.device_release >> (4 * digit) & 0xf > 9) {
            let problem = format!("0x{:04x} is not binary-coded decimal", self.device_release);
            found.add(
                "device_release",
                problem,
                "use digits 0-9 only, 0x0100 for release 1.00",
            );
        }
        if self.max_speed == Some(Speed::Unknown) {
            found.add(
                "max_speed",
                "no speed is called \"unknown\"",
                "name one, or leave it out",
            );
        }
    }

    fn check_strings(&self, found: &mut Findings) {
        for (field, text) in [("manufacturer", &self.manufacturer), ("product", &self.product)] {
            if text.trim().is_empty() {
                found.add(field, "is empty", "say something: hosts show it");
            } else if text.len() > MAX_STRING {
                found.add(
                    field,
                    format!("has {} bytes", text.len()),
                    format!("use at most {MAX_STRING}"),
                );
            } else if text.chars().any(char::is_control) {
                found.add(field, "has control characters", "leave them out");
            } else if text.chars().any(|c| c > '\u{ffff}') {
                found.add(
                    field,
                    "has characters outside Unicode's first plane",
                    "the kernel cannot tell them to a host",
                );
            }
        }
        if let Some(serial) = &self.serial {
            let hex = serial.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
            if serial.len() < 12 || serial.len() > MAX_STRING || !hex {
                let problem = format!(
                    "\"{}\" is no serial number for a mass-storage device",
                    serial.escape_debug()
                );
                found.add("serial", problem, "use 12 to 126 of 0-9 and A-F, or leave it out");
            }
        }
    }

    fn check_power(&self, found: &mut Findings) {
        let super_speed = self.max_speed.is_some_and(|speed| speed >= Speed::Super);
        // USB 2.0 9.6.3 counts in 2 mA up to 500 mA, USB 3.2 9.6.3 in 8 mA up to 900 mA.
        let limit = if super_speed { 900 } else { 500 };
        let power = self.max_power_ma;
        if power > limit {
            let remedy = format!("a host gives at most {limit} mA; a hungrier board needs its own supply");
            found.add("max_power_ma", format!("{power} mA is more than USB allows"), remedy);
        } else if !power.is_multiple_of(2) || (power > 500 && !power.is_multiple_of(8)) {
            let step = if power > 500 { 8 } else { 2 };
            found.add(
                "max_power_ma",
                format!("{power} mA cannot be told"),
                format!("use a multiple of {step} mA"),
            );
        } else if power == 0 && !self.self_powered {
            let problem = "0 mA, but the device has no supply of its own";
            found.add("max_power_ma", problem, "say what the board draws, or set self_powered");
        }
    }

    fn check_luns(&self, found: &mut Findings) {
        if self.luns.is_empty() || self.luns.len() > MAX_LUNS {
            found.add(
                "luns",
                format!("there are {}", self.luns.len()),
                format!("use 1 to {MAX_LUNS}"),
            );
        }
        let mut seen: BTreeMap<&Path, usize> = BTreeMap::new();
        for (index, lun) in self.luns.iter().enumerate() {
            found.lun = Some(index);
            lun.check(found);
            let Some(medium) = &lun.medium else { continue };
            if let Some(&other) = seen.get(medium.as_path()) {
                let shared = lun.is_read_only() && self.luns[other].is_read_only();
                if !shared {
                    let problem = format!("{} is in LUN {other} already", medium.display());
                    found.add(
                        "medium",
                        problem,
                        "two writers destroy it: make both read-only, or choose another",
                    );
                }
            } else {
                seen.insert(medium, index);
            }
        }
        found.lun = None;
    }
}

impl LunConfig {
    /// Whether the host cannot write: asked for, or a CD-ROM.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only || self.cdrom
    }

    fn check(&self, found: &mut Findings) {
        match &self.medium {
            None if !self.removable => {
                found.add("medium", "a fixed disk needs one", "name a medium, or set removable");
            }
            Some(medium) => {
                if let Err(problem) = crate::medium::check_path(medium) {
                    found.add(
                        "medium",
                        format!("{} {problem}", medium.display()),
                        "name a file or block device",
                    );
                }
            }
            None => {}
        }
        if let Some(Err(problem)) = self.inquiry.as_ref().map(|text| text.parse::<Inquiry>()) {
            found.add(
                "inquiry",
                problem,
                "use 8 columns for the vendor, 16 for the product, 4 for the revision",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(config: &GadgetConfig) -> Vec<&'static str> {
        config
            .validate()
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|error| error.field)
            .collect()
    }

    #[test]
    fn the_default_is_valid() {
        assert_eq!(GadgetConfig::default().validate(), Ok(()));
    }

    #[test]
    fn every_bad_field_is_found_at_once_and_has_a_remedy() {
        let config = GadgetConfig {
            name: "Fernseher im Wohnzimmer".into(),
            udc: Some("../x".into()),
            vendor_id: 0,
            device_release: 0x01a0,
            manufacturer: String::new(),
            product: "x".repeat(127),
            serial: Some("abc".into()),
            max_power_ma: 501,
            luns: Vec::new(),
            ..GadgetConfig::default()
        };
        assert_eq!(
            fields(&config),
            [
                "name",
                "udc",
                "vendor_id",
                "device_release",
                "manufacturer",
                "product",
                "serial",
                "max_power_ma",
                "luns"
            ]
        );
        assert!(
            config
                .validate()
                .unwrap_err()
                .iter()
                .all(|error| !error.remedy.is_empty())
        );
    }

    #[test]
    fn power_is_told_in_the_units_of_its_speed() {
        let with = |max_power_ma, self_powered, max_speed| {
            fields(&GadgetConfig {
                max_power_ma,
                self_powered,
                max_speed,
                ..GadgetConfig::default()
            })
        };
        assert!(with(2, false, None).is_empty());
        assert!(with(500, false, Some(Speed::High)).is_empty());
        assert!(with(0, true, None).is_empty());
        assert!(with(896, false, Some(Speed::Super)).is_empty());
        assert_eq!(with(0, false, None), ["max_power_ma"]);
        assert_eq!(with(499, false, None), ["max_power_ma"]);
        assert_eq!(with(896, false, Some(Speed::High)), ["max_power_ma"]);
        assert_eq!(with(898, false, Some(Speed::Super)), ["max_power_ma"]);
        assert_eq!(with(902, true, Some(Speed::Super)), ["max_power_ma"]);
    }

    #[test]
    fn one_to_eight_luns() {
        let with = |count| {
            fields(&GadgetConfig {
                luns: vec![LunConfig::default(); count],
                ..GadgetConfig::default()
            })
        };
        assert_eq!(with(0), ["luns"]);
        assert!(with(1).is_empty());
        assert!(with(8).is_empty());
        assert_eq!(with(9), ["luns"]);
    }

    #[test]
    fn luns_are_checked_one_by_one() {
        let luns = vec![
            LunConfig {
                removable: false,
                ..LunConfig::default()
            },
            LunConfig {
                medium: Some("disk.img".into()),
                ..LunConfig::default()
            },
            LunConfig {
                inquiry: Some("x".repeat(29)),
                ..LunConfig::default()
            },
        ];
        let errors = GadgetConfig {
            luns,
            ..GadgetConfig::default()
        }
        .validate()
        .unwrap_err();
        let found: Vec<_> = errors.iter().map(|error| (error.lun, error.field)).collect();
        assert_eq!(found, [(Some(0), "medium"), (Some(1), "medium"), (Some(2), "inquiry")]);
    }

    #[test]
    fn a_medium_is_in_two_luns_only_if_nobody_writes() {
        let lun = |read_only, cdrom| LunConfig {
            medium: Some("/dev/ublkb0".into()),
            read_only,
            cdrom,
            ..LunConfig::default()
        };
        let with = |luns| {
            fields(&GadgetConfig {
                luns,
                ..GadgetConfig::default()
            })
        };
        assert_eq!(with(vec![lun(false, false), lun(true, false)]), ["medium"]);
        assert!(with(vec![lun(true, false), lun(false, true)]).is_empty());
    }
}
