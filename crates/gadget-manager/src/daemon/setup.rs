//! The setup stick in place of the configured one.

use std::sync::Arc;

use super::{Daemon, usb};
use crate::config::{
    Loaded,
    model::{GadgetConfig, LunConfig},
};

/// What the stick shows instead of what is configured, and as what it introduces itself.
pub(super) struct Setup {
    pub(super) slot: usb::Slot,
    gadget: GadgetConfig,
}

impl Daemon {
    /// Shows something else than what is configured, or no longer. The host sees the stick pulled and plugged in again.
    pub(super) async fn show_setup(&mut self, slot: Option<usb::Slot>) {
        if let Some(usb) = self.usb.take() {
            usb.stop().await;
        }
        let configured = self.loaded.config.gadget.clone();
        self.setup = slot.map(|slot| Setup {
            slot,
            gadget: GadgetConfig {
                luns: vec![LunConfig {
                    removable: true,
                    ..LunConfig::default()
                }],
                ..configured.unwrap_or_default()
            },
        });
        self.start_usb();
        self.changed.send_replace(());
    }

    /// Starts the USB side, if there is something to show.
    pub(super) fn start_usb(&mut self) {
        let loaded = match &self.setup {
            Some(setup) => {
                let mut shown = Loaded::clone(&self.loaded);
                shown.config.gadget = Some(setup.gadget.clone());
                Arc::new(shown)
            }
            None if self.loaded.config.gadget.is_some() => self.loaded.clone(),
            None => return,
        };
        self.usb = Some(usb::Runner::start(loaded, self.slots(), self.changed.clone()));
    }
}
