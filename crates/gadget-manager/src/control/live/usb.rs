//! The stick.

use gadget::DeviceState;
use web::api::{Identity, Lun, LunSettings, Medium, Problem, ProblemCode, Speed, Usb, UsbState};

use crate::{
    config::model::GadgetConfig,
    daemon::{
        View,
        usb::{self, LunReport, Report},
    },
};

/// As the page sees it.
pub(super) fn usb(view: &View, serial: &str) -> Usb {
    let fallback = GadgetConfig::default();
    let configured = view.loaded.config.gadget.as_ref();
    let report = view.usb.as_ref().map(usb::Remote::report).unwrap_or_default();
    Usb {
        controller: report.state.as_ref().map(|state| state.udc.clone()),
        state: state(configured.is_some(), &report),
        speed: report.state.as_ref().and_then(|state| speed(state.speed)),
        problem: report.error.as_ref().map(|error| {
            Problem::new(ProblemCode::Unsupported, error).remedy("run the doctor: it says what is missing")
        }),
        identity: identity(configured.unwrap_or(&fallback), serial),
        luns: luns(view, &report),
    }
}

fn state(configured: bool, report: &Report) -> UsbState {
    let Some(state) = report.state.as_ref().filter(|_| configured) else {
        return UsbState::Absent;
    };
    match state.state {
        DeviceState::Absent => UsbState::Absent,
        DeviceState::NotAttached | DeviceState::Attached | DeviceState::Unknown => UsbState::Unplugged,
        DeviceState::Powered | DeviceState::Default | DeviceState::Addressed => UsbState::Connecting,
        DeviceState::Configured => UsbState::Connected,
        DeviceState::Suspended => UsbState::Suspended,
    }
}

fn speed(speed: gadget::Speed) -> Option<Speed> {
    match speed {
        gadget::Speed::Unknown => None,
        gadget::Speed::Low => Some(Speed::Low),
        gadget::Speed::Full => Some(Speed::Full),
        gadget::Speed::High => Some(Speed::High),
        gadget::Speed::Super => Some(Speed::Super),
        gadget::Speed::SuperPlus => Some(Speed::SuperPlus),
    }
}

fn identity(gadget: &GadgetConfig, serial: &str) -> Identity {
    Identity {
        vendor_id: gadget.vendor_id,
        product_id: gadget.product_id,
        manufacturer: gadget.manufacturer.clone(),
        product: gadget.product.clone(),
        serial: gadget.serial.clone().unwrap_or_else(|| serial.to_owned()),
        max_power_ma: gadget.max_power_ma,
    }
}

fn luns(view: &View, report: &Report) -> Vec<Lun> {
    let configured = view.loaded.config.gadget.iter().flat_map(|gadget| &gadget.luns);
    configured
        .enumerate()
        .map(|(index, lun)| {
            let disk = lun.disk.as_ref().map(|disk| disk.get_ref().clone());
            // The setup stick may be there instead.
            let known = report.luns.get(index).filter(|known| known.disk == disk);
            Lun {
                medium: medium(disk.is_some(), known),
                settings: LunSettings {
                    disk,
                    read_only: lun.read_only,
                    cdrom: lun.cdrom,
                    removable: lun.removable,
                },
                problem: known.and_then(|known| {
                    let error = known.error.as_ref()?;
                    Some(Problem::new(ProblemCode::Internal, error).remedy("it is tried again by itself; see the log"))
                }),
            }
        })
        .collect()
}

fn medium(has_disk: bool, known: Option<&LunReport>) -> Medium {
    match known {
        _ if !has_disk => Medium::Empty,
        Some(known) if known.inserted => Medium::Inserted,
        Some(known) if known.ejected => Medium::Ejected,
        Some(known) if known.ejected_by_host => Medium::EjectedByHost,
        _ => Medium::Waiting,
    }
}
