//! Where the kernel's trees are, and how long it may take.

use std::{path::PathBuf, time::Duration};

/// The roots of the kernel's trees and the patience with it. [`Environment::default`] is the running system; tests give
/// folders of their own.
///
/// The gadget itself is always described where configfs is really mounted (the `usb-gadget` crate looks that up); all
/// other reading and writing starts at these roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Mount point of configfs, usually `/sys/kernel/config`.
    pub configfs: PathBuf,
    /// Mount point of sysfs.
    pub sysfs: PathBuf,
    /// Mount point of procfs.
    pub procfs: PathBuf,
    /// System configuration, for `machine-id`.
    pub etc: PathBuf,
    /// Kernel modules, one folder per release.
    pub modules: PathBuf,
    /// How long one change (a bind, an insertion) may take before [`Stalled`](crate::GadgetError::Stalled) is
    /// reported. Must exceed the deadline of a block request, since the kernel finishes its command first.
    pub patience: Duration,
    /// How often the LUNs are looked at for an eject by the host; configfs cannot notify.
    pub poll: Duration,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            configfs: "/sys/kernel/config".into(),
            sysfs: "/sys".into(),
            procfs: "/proc".into(),
            etc: "/etc".into(),
            modules: "/lib/modules".into(),
            patience: Duration::from_secs(30),
            poll: Duration::from_millis(500),
        }
    }
}

impl Environment {
    /// The folder of all gadgets in configfs.
    pub(crate) fn gadgets(&self) -> PathBuf {
        self.configfs.join("usb_gadget")
    }

    /// The class folder of USB device controllers in sysfs.
    pub(crate) fn udc_class(&self) -> PathBuf {
        self.sysfs.join("class/udc")
    }
}
