//! The media of one mass-storage function: insert, eject, swap, each undone when it fails half-way.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

use crate::{GadgetError, GadgetEvent, LunConfig, MediumProblem, attribute, medium, shadow::Shadow};

/// Whether the host's lock is respected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Force {
    /// A locked medium stays, with [`GadgetError::Locked`].
    #[default]
    No,
    /// The medium is taken away from under the host (`forced_eject`). What the host has not written yet is lost.
    Yes,
}

/// What a LUN is and holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LunState {
    /// Number, from 0.
    pub lun: usize,
    /// The medium as the kernel names it; `None` for an empty drive.
    pub medium: Option<PathBuf>,
    /// The host cannot write.
    pub read_only: bool,
    /// The medium can change.
    pub removable: bool,
    /// It is a CD-ROM drive.
    pub cdrom: bool,
    /// The host's FUA flag is ignored.
    pub no_fua: bool,
}

/// The LUNs of a function in configfs. Each call may block for as long as the kernel's current command.
#[derive(Debug)]
pub(crate) struct Luns {
    function: PathBuf,
    config: Vec<LunConfig>,
    shadow: Arc<Shadow>,
    events: tokio::sync::broadcast::Sender<GadgetEvent>,
}

impl Luns {
    pub(crate) fn new(
        function: PathBuf,
        config: Vec<LunConfig>,
        shadow: Arc<Shadow>,
        events: tokio::sync::broadcast::Sender<GadgetEvent>,
    ) -> Self {
        Self {
            function,
            config,
            shadow,
            events,
        }
    }

    /// The function's folder in configfs.
    pub(crate) fn function(&self) -> &Path {
        &self.function
    }

    /// Puts in what the configuration names, at creation; fixed disks too.
    pub(crate) fn load(&self) -> Result<(), GadgetError> {
        for (lun, config) in self.config.iter().enumerate() {
            if let Some(path) = &config.medium {
                self.changing(lun, || self.insert_into_empty(lun, path, config.is_read_only()))?;
            }
        }
        Ok(())
    }

    /// Takes note of what is in already, in a gadget taken over.
    pub(crate) fn note(&self) -> Result<(), GadgetError> {
        for lun in 0..self.config.len() {
            let medium = self.medium(lun)?;
            self.shadow.begin(lun);
            self.shadow.end(lun, medium);
        }
        Ok(())
    }

    pub(crate) fn insert(&self, lun: usize, path: &Path, read_only: bool) -> Result<(), GadgetError> {
        let config = self.removable(lun)?;
        if let Some(medium) = self.medium(lun)? {
            return Err(GadgetError::Occupied { lun, medium });
        }
        self.changing(lun, || self.insert_into_empty(lun, path, read_only || config.cdrom))
    }

    pub(crate) fn eject(&self, lun: usize, force: Force) -> Result<(), GadgetError> {
        self.removable(lun)?;
        self.changing(lun, || self.empty(lun, force))
    }

    /// Another medium in place of the present one.
    ///
    /// With the same write protection this is one write: the kernel opens the new file before it closes the old one
    /// (`fsg_lun_open`), so a failure leaves the old one in. Else the drive has to be emptied in between, since `ro` can
    /// only change then, and the old medium is put back if the new one is refused.
    pub(crate) fn swap(&self, lun: usize, path: &Path, read_only: bool, force: Force) -> Result<(), GadgetError> {
        let config = self.removable(lun)?;
        let read_only = read_only || config.cdrom;
        let Some(old) = self.medium(lun)? else {
            return self.changing(lun, || self.insert_into_empty(lun, path, read_only));
        };
        let old_read_only = attribute::get_flag(&self.attribute(lun, "ro"))?;
        self.suits(lun, path, read_only)?;
        self.changing(lun, || {
            if old_read_only == read_only && force == Force::No {
                self.set_file(lun, path)?;
                return self
                    .as_wanted(lun, path, read_only)
                    .inspect_err(|_| self.put_back(lun, &old, old_read_only));
            }
            self.empty(lun, force)?;
            self.insert_into_empty(lun, path, read_only)
                .inspect_err(|_| self.put_back(lun, &old, old_read_only))
        })
    }

    /// The LUNs as the kernel has them.
    pub(crate) fn states(&self) -> Result<Vec<LunState>, GadgetError> {
        (0..self.config.len())
            .map(|lun| {
                let flag = |name| attribute::get_flag(&self.attribute(lun, name));
                Ok(LunState {
                    lun,
                    medium: self.medium(lun)?,
                    read_only: flag("ro")?,
                    removable: flag("removable")?,
                    cdrom: flag("cdrom")?,
                    no_fua: flag("nofua")?,
                })
            })
            .collect()
    }

    fn attribute(&self, lun: usize, name: &str) -> PathBuf {
        self.function.join(format!("lun.{lun}/{name}"))
    }

    fn removable(&self, lun: usize) -> Result<&LunConfig, GadgetError> {
        match self.config.get(lun) {
            None => Err(GadgetError::NoSuchLun {
                lun,
                last: self.config.len().saturating_sub(1),
            }),
            Some(config) if !config.removable => Err(GadgetError::NotRemovable { lun }),
            Some(config) => Ok(config),
        }
    }

    fn medium(&self, lun: usize) -> Result<Option<PathBuf>, GadgetError> {
        let text = attribute::get(&self.attribute(lun, "file"))?;
        Ok(Some(text).filter(|text| !text.is_empty()).map(PathBuf::from))
    }

    /// Runs a change with the watcher looking away, then remembers and tells what is in the LUN.
    fn changing(&self, lun: usize, change: impl FnOnce() -> Result<(), GadgetError>) -> Result<(), GadgetError> {
        let before = self.shadow.medium(lun);
        self.shadow.begin(lun);
        let result = change();
        let after = self.medium(lun).unwrap_or_else(|_| before.clone());
        self.shadow.end(lun, after.clone());
        if after != before {
            // Nobody listening is no error.
            let _ = self.events.send(GadgetEvent::MediumChanged { lun, medium: after });
        }
        result
    }

    /// Refuses what the kernel would refuse, or worse, accept.
    fn suits(&self, lun: usize, path: &Path, read_only: bool) -> Result<(), GadgetError> {
        let fail = |problem| GadgetError::Medium {
            lun,
            medium: path.to_owned(),
            problem,
        };
        medium::check(path, self.config[lun].cdrom).map_err(fail)?;
        if let Some(other) = self.shadow.holder(path, lun)
            && !(read_only && attribute::get_flag(&self.attribute(other, "ro"))?)
        {
            return Err(fail(MediumProblem::InLun { lun: other }));
        }
        Ok(())
    }

    fn insert_into_empty(&self, lun: usize, path: &Path, read_only: bool) -> Result<(), GadgetError> {
        self.suits(lun, path, read_only)?;
        let protection = self.attribute(lun, "ro");
        let old = attribute::get_flag(&protection)?;
        if old != read_only {
            attribute::set_flag(&protection, read_only)?;
        }
        let result = self.set_file(lun, path).and_then(|()| {
            self.as_wanted(lun, path, read_only).inspect_err(|_| {
                if let Err(error) = self.empty(lun, Force::Yes) {
                    tracing::warn!(lun, %error, "cannot take a refused medium out again");
                }
            })
        });
        if result.is_err()
            && old != read_only
            && let Err(error) = attribute::set_flag(&protection, old)
        {
            tracing::warn!(lun, %error, "cannot restore the write protection");
        }
        result
    }

    /// The kernel falls back to read-only by itself if it may not write (`fsg_lun_open`): a stick that silently takes no
    /// data is no service, so that is an error here.
    fn as_wanted(&self, lun: usize, path: &Path, read_only: bool) -> Result<(), GadgetError> {
        if !read_only && attribute::get_flag(&self.attribute(lun, "ro"))? {
            return Err(GadgetError::Medium {
                lun,
                medium: path.to_owned(),
                problem: MediumProblem::NotWritable,
            });
        }
        Ok(())
    }

    fn set_file(&self, lun: usize, path: &Path) -> Result<(), GadgetError> {
        use std::os::unix::ffi::OsStrExt;
        attribute::write(&self.attribute(lun, "file"), path.as_os_str().as_bytes()).map_err(|error| {
            match error.kind() {
                // Only a full drive is ever locked, and opening a claimed device without O_EXCL does not fail with this.
                io::ErrorKind::ResourceBusy => GadgetError::Locked { lun },
                _ => GadgetError::Medium {
                    lun,
                    medium: path.to_owned(),
                    problem: medium::problem(&error),
                },
            }
        })
    }

    fn empty(&self, lun: usize, force: Force) -> Result<(), GadgetError> {
        let (name, value): (_, &[u8]) = match force {
            Force::No => ("file", b""),
            Force::Yes => ("forced_eject", b"1"),
        };
        let path = self.attribute(lun, name);
        attribute::write(&path, value).map_err(|error| match (error.kind(), force) {
            (io::ErrorKind::ResourceBusy, _) => GadgetError::Locked { lun },
            (io::ErrorKind::NotFound, Force::Yes) => GadgetError::Unsupported {
                what: format!("LUN {lun}: this kernel cannot eject by force"),
                remedy: "use Linux 6.0 or later, or disconnect the gadget".to_owned(),
            },
            _ => GadgetError::attribute("write", &path, error),
        })
    }

    /// Best effort after a failure whose error is reported: the previous medium again.
    fn put_back(&self, lun: usize, old: &Path, read_only: bool) {
        let result = self.empty(lun, Force::Yes).and_then(|()| {
            attribute::set_flag(&self.attribute(lun, "ro"), read_only)?;
            self.set_file(lun, old)
        });
        if let Err(error) = result {
            tracing::warn!(lun, medium = %old.display(), %error, "cannot put the previous medium back");
        }
    }
}

#[cfg(test)]
#[path = "lun_tests.rs"]
mod tests;
