//! Why a gadget could not do what was asked.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{ConfigError, MediumProblem};

/// An error of the gadget. Each text names the object and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GadgetError {
    /// The configuration is not valid; nothing was touched.
    #[error("{}", list(.0))]
    Config(Vec<ConfigError>),
    /// The kernel lacks something.
    #[error("{what}: {remedy}")]
    Unsupported {
        /// What is missing.
        what: String,
        /// How to get it.
        remedy: String,
    },
    /// The rights of this process do not suffice.
    #[error("no right to write {path}: run as root or give the service CAP_DAC_OVERRIDE", path = .0.display())]
    NotPermitted(PathBuf),
    /// There is no USB device controller.
    #[error("this machine shows no USB device controller (/sys/class/udc is empty): {remedy}")]
    NoUdc {
        /// What can be done on this machine.
        remedy: String,
    },
    /// The controller that was asked for does not exist.
    #[error("no USB device controller is called {name}: set `udc` to one of: {present}, or leave it out")]
    UdcNotFound {
        /// The name asked for.
        name: String,
        /// The names there are.
        present: String,
    },
    /// The controller belongs to another gadget.
    #[error("USB device controller {udc} is in use by gadget {owner}: unbind that one first, or choose another `udc`")]
    UdcBusy {
        /// The controller.
        udc: String,
        /// The name of the gadget that holds it.
        owner: String,
    },
    /// A running process has a gadget of this name.
    #[error("gadget {name} belongs to a running process: stop that one first, or choose another name")]
    InUse {
        /// Name of the gadget in configfs.
        name: String,
    },
    /// There is no such LUN.
    #[error("there is no LUN {lun}: this gadget has LUNs 0 to {last}")]
    NoSuchLun {
        /// The number asked for.
        lun: usize,
        /// The highest number there is.
        last: usize,
    },
    /// The medium of a fixed disk cannot change.
    #[error("LUN {lun} is a fixed disk, its medium cannot change: set `removable` for it and start again")]
    NotRemovable {
        /// Which LUN.
        lun: usize,
    },
    /// There already is a medium.
    #[error("LUN {lun} holds {path}: eject it first, or swap", path = .medium.display())]
    Occupied {
        /// Which LUN.
        lun: usize,
        /// What is in it.
        medium: PathBuf,
    },
    /// The host has locked the medium (SCSI PREVENT ALLOW MEDIUM REMOVAL).
    #[error(
        "LUN {lun}: the USB host is using the medium and has locked it: eject it there first, or force it and risk what \
         the host has not written yet"
    )]
    Locked {
        /// Which LUN.
        lun: usize,
    },
    /// The medium does not suit.
    #[error("LUN {lun}: {path} {problem}", path = .medium.display())]
    Medium {
        /// Which LUN.
        lun: usize,
        /// The medium.
        medium: PathBuf,
        /// What is wrong with it.
        problem: MediumProblem,
    },
    /// The kernel did not finish in time. The change may still happen.
    #[error(
        "{what} has not finished after {seconds} s: the kernel waits for a disk that does not answer, or for the \
         controller's driver; see that the disk is reachable, then try again"
    )]
    Stalled {
        /// What was being done.
        what: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The gadget is gone.
    #[error("the gadget has been removed")]
    Removed,
    /// An attribute could not be read or written.
    #[error("cannot {action} {path}: {source}", path = .path.display())]
    Attribute {
        /// What was being done with it.
        action: &'static str,
        /// The attribute.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl GadgetError {
    /// An error about an attribute, with the cases that have a name of their own picked out.
    pub(crate) fn attribute(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::NotPermitted(path.to_owned()),
            _ => Self::Attribute {
                action,
                path: path.to_owned(),
                source,
            },
        }
    }
}

fn list(errors: &[ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
