//! A short press.

use crate::{control::Control, daemon::usb::Remote};

/// Does what it means now.
pub(super) async fn pressed(control: &Control) {
    match control.access.get() {
        Some(access) if !access.is_claimed() => {
            access.press_button();
            tracing::info!("the button was pressed: for five minutes the device can be claimed once without its code");
        }
        Some(_) if control.setup_asked.send_replace(false) => {
            tracing::info!("the button was pressed: the setup stick is not asked for any more");
        }
        Some(_) => match control.stick() {
            Ok(stick) => turn(&stick).await,
            Err(_) => tracing::info!("the button was pressed: nothing happens, no stick is configured"),
        },
        None => tracing::warn!("the button was pressed too early: the page is not open yet"),
    }
}

/// Takes all media out; if there is none, puts them in again.
async fn turn(stick: &Remote) {
    let units = stick.report().luns;
    let inserted: Vec<_> = (0..units.len()).filter(|&lun| units[lun].inserted).collect();
    if inserted.is_empty() {
        tracing::info!("the button was pressed: media go in");
        if let Err(error) = stick.insert(None).await {
            tracing::warn!("the button could not put them in: {error}");
        }
        return;
    }
    tracing::info!("the button was pressed: media go out");
    for lun in inserted {
        // Not by force: a host that writes has to come to its end first.
        if let Err(error) = stick.eject(lun, false).await {
            tracing::warn!("the button could not take out the medium of unit {lun}: {error}");
        }
    }
}
