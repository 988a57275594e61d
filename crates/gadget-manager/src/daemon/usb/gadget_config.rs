//! The gadget that a configuration asks for.

use std::path::PathBuf;

use gadget::Speed;

use super::NAME;
use crate::config::{
    Config,
    model::{GadgetConfig, LunConfig},
};

/// Whether the host may not write to a LUN: it says so, it is a CD-ROM, or its disk cannot be written.
pub(crate) fn is_read_only(config: &Config, lun: &LunConfig) -> bool {
    let disk = lun
        .disk
        .as_ref()
        .and_then(|name| config.disks.iter().find(|disk| disk.name == *name));
    lun.read_only || lun.cdrom || disk.is_some_and(|disk| disk.is_read_only())
}

/// Whether a LUN may be empty.
pub(crate) fn is_removable(lun: &LunConfig) -> bool {
    lun.removable || lun.cdrom
}

/// The gadget that a configuration asks for, with all LUNs empty: media come when their disks are open.
pub(crate) fn gadget_config(config: &Config, gadget: &GadgetConfig) -> gadget::GadgetConfig {
    let luns = gadget.luns.iter().map(|lun| gadget::LunConfig {
        medium: None,
        read_only: is_read_only(config, lun),
        removable: is_removable(lun),
        cdrom: lun.cdrom,
        no_fua: lun.no_fua,
        inquiry: lun.inquiry.clone().or_else(|| Some(default_inquiry(&gadget.product))),
    });
    gadget::GadgetConfig {
        name: NAME.to_owned(),
        udc: gadget.udc.clone(),
        vendor_id: gadget.vendor_id,
        product_id: gadget.product_id,
        device_release: gadget.device_release,
        manufacturer: gadget.manufacturer.clone(),
        product: gadget.product.clone(),
        serial: gadget.serial.clone(),
        max_power_ma: gadget.max_power_ma,
        self_powered: gadget.self_powered,
        max_speed: gadget
            .max_speed
            .as_ref()
            .and_then(|speed| match speed.get_ref().as_str() {
                "full" => Some(Speed::Full),
                "high" => Some(Speed::High),
                "super" => Some(Speed::Super),
                _ => None,
            }),
        luns: luns.collect(),
        ..gadget::GadgetConfig::default()
    }
}

/// What of a gadget cannot change without the host seeing another device: all but the write protection of LUNs that may be
/// empty, which changes while they are.
pub(crate) fn shape(config: &Config, gadget: &GadgetConfig) -> gadget::GadgetConfig {
    let mut shape = gadget_config(config, gadget);
    for lun in shape.luns.iter_mut().filter(|lun| lun.removable) {
        lun.read_only = false;
    }
    shape
}

/// What is wrong with the USB settings themselves.
pub(crate) fn problems(config: &Config, gadget: &GadgetConfig) -> Vec<gadget::ConfigError> {
    let mut settings = gadget_config(config, gadget);
    for (index, lun) in settings.luns.iter_mut().enumerate() {
        // LUNs that cannot be empty are filled before the gadget is made.
        lun.medium = Some(PathBuf::from(format!("/dev/ublkb{index}")));
    }
    settings.validate().err().unwrap_or_default()
}

/// INQUIRY data (SPC-4 6.6.2) from the product's name: vendor (8), product (16), revision (4), in ASCII.
fn default_inquiry(product: &str) -> String {
    let product: String = product.chars().filter(|c| matches!(c, ' '..='~')).take(16).collect();
    format!("{:<8}{product:<16}{:<4}", "Cloud", "1.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inquiry_always_has_its_28_columns() {
        assert_eq!(default_inquiry("Stick"), "Cloud   Stick           1.0 ");
        assert_eq!(default_inquiry("Ännchens sehr langer Stick").len(), 28);
    }

    #[test]
    fn write_protection_changes_in_place_where_a_lun_may_be_empty() {
        let shape_of = |lun: &str| {
            let text = format!(
                "[[disk]]\nname = \"d\"\nstore = \"s\"\nimage = \"a\"\n[gadget]\n[[gadget.lun]]\ndisk = \"d\"\n{lun}"
            );
            let config = crate::config::parse(&text).unwrap();
            shape(&config, config.gadget.as_ref().unwrap())
        };
        assert_eq!(shape_of(""), shape_of("read_only = true"));
        assert_ne!(
            shape_of("removable = false"),
            shape_of("removable = false\nread_only = true")
        );
        assert_ne!(shape_of(""), shape_of("cdrom = true"));
    }

    #[test]
    fn a_disk_that_cannot_be_written_makes_its_lun_read_only() {
        for (disk, read_only) in [
            ("image = \"a\"", false),
            ("image = \"a@b\"", true),
            ("image = \"a\"\nread_only = true", true),
        ] {
            let text =
                format!("[[disk]]\nname = \"d\"\nstore = \"s\"\n{disk}\n[gadget]\n[[gadget.lun]]\ndisk = \"d\"\n");
            let config = crate::config::parse(&text).unwrap();
            let gadget = gadget_config(&config, config.gadget.as_ref().unwrap());
            assert_eq!(gadget.luns[0].read_only, read_only, "{disk}");
        }
    }
}
