//! Taking over a gadget that a killed process left, without the host noticing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{GadgetConfig, GadgetError, LunConfig, Speed, attribute};

/// Why a gadget cannot be taken over: what differs. For the log.
pub(crate) type Difference = String;

/// Compares what cannot change without the host seeing another device. Returns the function's folder and the controller.
///
/// Media are not compared: they may have changed since. The write protection is, where a medium is in, because it cannot
/// change then.
pub(crate) fn compare(
    folder: &Path,
    config: &GadgetConfig,
    serial: &str,
) -> Result<Result<(PathBuf, String), Difference>, GadgetError> {
    let differs = |what: &str| Ok(Err(what.to_owned()));
    let read = |path: &str| attribute::read(&folder.join(path)).unwrap_or_default();
    let number = |path: &str| {
        let text = read(path);
        u32::from_str_radix(
            text.trim_start_matches("0x"),
            if text.starts_with("0x") { 16 } else { 10 },
        )
        .ok()
    };
    let udc = read("UDC");
    if udc.is_empty() {
        return differs("not bound to a controller");
    }
    if config.udc.as_ref().is_some_and(|wanted| *wanted != udc) {
        return differs("bound to another controller");
    }
    let attributes = 0x80 | u32::from(config.self_powered) << 6;
    for (path, wanted) in [
        ("idVendor", u32::from(config.vendor_id)),
        ("idProduct", u32::from(config.product_id)),
        ("bcdDevice", u32::from(config.device_release)),
        ("configs/c.1/MaxPower", u32::from(config.max_power_ma)),
        ("configs/c.1/bmAttributes", attributes),
    ] {
        if number(path) != Some(wanted) {
            return differs(path);
        }
    }
    // Without a limit of ours the kernel has the fastest (`gadgets_make`, `drivers/usb/gadget/configfs.c`).
    let speed = config.max_speed.unwrap_or(Speed::SuperPlus).for_kernel().to_string();
    for (path, wanted) in [
        ("strings/0x0409/manufacturer", config.manufacturer.as_str()),
        ("strings/0x0409/product", &config.product),
        ("strings/0x0409/serialnumber", serial),
        ("max_speed", &speed),
    ] {
        if read(path) != wanted {
            return differs(path);
        }
    }
    let Some(function) = only_function(folder) else {
        return differs("functions");
    };
    if let Some(stall) = config.stall
        && attribute::get_flag(&function.join("stall"))? != stall
    {
        return differs("stall");
    }
    if (0..16)
        .filter(|lun| function.join(format!("lun.{lun}")).is_dir())
        .count()
        != config.luns.len()
    {
        return differs("number of LUNs");
    }
    for (lun, config) in config.luns.iter().enumerate() {
        if let Some(what) = lun_difference(&function.join(format!("lun.{lun}")), config)? {
            return Ok(Err(format!("lun.{lun}/{what}")));
        }
    }
    Ok(Ok((function, udc)))
}

/// The mass-storage function, if there is one, nothing else, and the configuration has it.
fn only_function(folder: &Path) -> Option<PathBuf> {
    let mut functions = fs::read_dir(folder.join("functions")).ok()?.flatten();
    let function = functions.next()?;
    let name = function.file_name();
    let linked = folder.join("configs/c.1").join(&name).is_symlink();
    (functions.next().is_none() && name.to_string_lossy().starts_with("mass_storage.") && linked)
        .then(|| function.path())
}

fn lun_difference(folder: &Path, config: &LunConfig) -> Result<Option<&'static str>, GadgetError> {
    let flag = |name| attribute::get_flag(&folder.join(name));
    let occupied = !attribute::get(&folder.join("file"))?.is_empty();
    let inquiry = attribute::get(&folder.join("inquiry_string"))?;
    Ok(if flag("removable")? != config.removable {
        Some("removable")
    } else if flag("cdrom")? != config.cdrom {
        Some("cdrom")
    } else if flag("nofua")? != config.no_fua {
        Some("nofua")
    } else if inquiry.trim_end() != config.inquiry.as_deref().unwrap_or_default().trim_end() {
        Some("inquiry_string")
    } else if occupied && flag("ro")? != config.is_read_only() {
        Some("ro")
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gadget as the kernel shows the default one.
    fn gadget() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, value) in [
            ("UDC", "dummy_udc.0\n"),
            ("idVendor", "0x0525\n"),
            ("idProduct", "0xa4a5\n"),
            ("bcdDevice", "0x0100\n"),
            ("max_speed", "super-speed-plus\n"),
            ("configs/c.1/MaxPower", "500\n"),
            ("configs/c.1/bmAttributes", "0x80\n"),
            ("strings/0x0409/manufacturer", "Cloud Stick\n"),
            ("strings/0x0409/product", "Cloud Stick\n"),
            ("strings/0x0409/serialnumber", "0123456789AB\n"),
            ("functions/mass_storage.x/lun.0/file", "/dev/ublkb0\n"),
            ("functions/mass_storage.x/lun.0/ro", "0\n"),
            ("functions/mass_storage.x/lun.0/cdrom", "0\n"),
            ("functions/mass_storage.x/lun.0/nofua", "0\n"),
            ("functions/mass_storage.x/lun.0/removable", "1\n"),
            ("functions/mass_storage.x/lun.0/inquiry_string", "\n"),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, value).unwrap();
        }
        std::os::unix::fs::symlink(
            "../../functions/mass_storage.x",
            dir.path().join("configs/c.1/mass_storage.x"),
        )
        .unwrap();
        dir
    }

    #[test]
    fn the_same_gadget_is_recognised() {
        let dir = gadget();
        let (function, udc) = compare(dir.path(), &GadgetConfig::default(), "0123456789AB")
            .unwrap()
            .unwrap();
        assert_eq!(function, dir.path().join("functions/mass_storage.x"));
        assert_eq!(udc, "dummy_udc.0");
    }

    #[test]
    fn each_difference_is_found() {
        for (path, value) in [
            ("UDC", "\n"),
            ("idProduct", "0x0001\n"),
            ("max_speed", "high-speed\n"),
            ("configs/c.1/MaxPower", "100\n"),
            ("configs/c.1/bmAttributes", "0xc0\n"),
            ("strings/0x0409/serialnumber", "0123456789AC\n"),
            ("functions/mass_storage.x/lun.0/ro", "1\n"),
            ("functions/mass_storage.x/lun.0/removable", "0\n"),
            ("functions/mass_storage.x/lun.0/inquiry_string", "Other\n"),
        ] {
            let dir = gadget();
            fs::write(dir.path().join(path), value).unwrap();
            assert!(
                compare(dir.path(), &GadgetConfig::default(), "0123456789AB")
                    .unwrap()
                    .is_err(),
                "{path}"
            );
        }
        let dir = gadget();
        fs::remove_file(dir.path().join("configs/c.1/mass_storage.x")).unwrap();
        assert_eq!(
            compare(dir.path(), &GadgetConfig::default(), "0123456789AB").unwrap(),
            Err("functions".to_owned())
        );
    }

    #[test]
    fn protection_matters_only_while_a_medium_is_in() {
        let dir = gadget();
        let lun = dir.path().join("functions/mass_storage.x/lun.0");
        fs::write(lun.join("file"), "").unwrap();
        fs::write(lun.join("ro"), "1\n").unwrap();
        assert!(
            compare(dir.path(), &GadgetConfig::default(), "0123456789AB")
                .unwrap()
                .is_ok()
        );
    }
}
