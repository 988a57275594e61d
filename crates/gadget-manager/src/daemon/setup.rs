//! The setup stick: in place of the configured one, or in a LUN behind its disks.

use std::sync::Arc;

use super::{Daemon, usb};
use crate::{
    config::{
        Config, Loaded,
        model::{GadgetConfig, LunConfig, MAX_LUNS},
    },
    control,
};

/// Where the host sees the setup stick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Instead of what is configured. The host sees a stick pulled and another one plugged in.
    Instead,
    /// In a LUN of its own behind those that are configured, if the stick was made with one.
    Beside,
}

impl Daemon {
    /// Shows the setup stick, or no longer.
    pub(super) async fn show_setup(&mut self, setup: Option<(Place, usb::Slot)>) {
        let instead = |setup: &Option<(Place, usb::Slot)>| matches!(setup, Some((Place::Instead, _)));
        // A device that has just lost its owner has a stick without a LUN for it.
        let lacks_lun = matches!(setup, Some((Place::Beside, _))) && !self.extra_lun && has_room(&self.shown.config);
        let renewed = instead(&self.setup) || instead(&setup) || lacks_lun;
        if renewed && let Some(usb) = self.usb.take() {
            usb.stop().await;
        }
        self.setup = setup;
        match &self.usb {
            Some(usb) => usb.set_slots(self.slots()),
            None => self.start_usb(),
        }
        self.changed.send_replace(());
    }

    /// Starts the USB side, if there is something to show.
    pub(super) fn start_usb(&mut self) {
        let config = &self.shown.config;
        let mut shown = config.gadget.clone();
        self.extra_lun = false;
        if matches!(self.setup, Some((Place::Instead, _))) {
            shown.get_or_insert_with(GadgetConfig::default).luns = vec![setup_lun(false)];
        } else if let Some(gadget) = &mut shown
            && has_room(config)
        {
            gadget.luns.push(setup_lun(true));
            self.extra_lun = true;
        }
        if shown.is_none() {
            return;
        }
        let mut loaded = Loaded::clone(&self.shown);
        loaded.config.gadget = shown;
        let runner = usb::Runner::start(Arc::new(loaded), self.slots(), self.changed.clone());
        self.usb = Some(runner);
    }
}

/// Whether a stick that is made now has a LUN for the setup stick: nobody owns the device, it has a page, and there is room.
fn has_room(config: &Config) -> bool {
    let luns = config.gadget.iter().map(|gadget| gadget.luns.len()).sum::<usize>();
    config.web.is_some() && luns < MAX_LUNS && !control::is_claimed(config)
}

fn setup_lun(read_only: bool) -> LunConfig {
    LunConfig {
        removable: true,
        read_only,
        ..LunConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_behind_the_disks_of_a_device_without_an_owner_that_has_a_page() {
        let state = tempfile::tempdir().unwrap();
        let room = |web: &str, luns: usize| {
            let luns = "[[gadget.lun]]\n".repeat(luns);
            let text = format!("state_dir = \"{}\"\n{web}\n[gadget]\n{luns}", state.path().display());
            has_room(&crate::config::parse(&text).unwrap())
        };
        assert!(room("[web]", 1) && room("[web]", 7));
        assert!(!room("[web]", 8), "hosts know eight");
        assert!(!room("", 1), "no page");
        std::fs::create_dir(state.path().join("web")).unwrap();
        std::fs::write(state.path().join("web/access.json"), "{").unwrap();
        assert!(!room("[web]", 1), "locked");
    }
}
