//! One LUN: what should be in it, what is, and how the one becomes the other.

use std::{path::Path, sync::Arc};

use gadget::{Force, GadgetError, LunState, MassStorageGadget};
use tokio::sync::{Notify, watch};
use tracing::info;

use crate::{
    daemon::{
        disk::{Phase, State},
        limits,
        medium::Medium,
    },
    stack::Stack,
};

/// What is to be in a LUN.
#[derive(Clone)]
pub(crate) struct Slot {
    /// The disk, if any.
    pub name: Option<String>,
    /// Its state, to watch.
    pub state: Option<watch::Receiver<State>>,
    /// The host may not write.
    pub read_only: bool,
    /// The medium may be missing.
    pub removable: bool,
    /// Poked when the host has ejected the medium and everything is written. Whoever waits for that puts another one in.
    pub ejected: Option<Arc<Notify>>,
}

impl Slot {
    /// Of a LUN that nothing belongs in.
    pub(crate) fn empty() -> Self {
        Self {
            name: None,
            state: None,
            read_only: true,
            removable: true,
            ejected: None,
        }
    }

    /// What should be in it now.
    pub(super) fn wanted(&mut self) -> Wanted {
        let Some(state) = &mut self.state else {
            return Wanted {
                medium: None,
                // Between two configurations: it is about to be started.
                opening: self.name.is_some(),
                read_only: self.read_only,
            };
        };
        let state = state.borrow_and_update();
        let protected = |stack: &Arc<Stack>| stack.disk.properties().read_only;
        Wanted {
            opening: state.medium.is_none() && !matches!(state.phase, Phase::Fenced { .. } | Phase::Closed),
            read_only: self.read_only || state.stack.as_ref().is_some_and(protected),
            medium: state.medium.clone(),
        }
    }
}

/// What should be in a LUN, seen at one moment. The disk's state goes on while the gadget is asked what is: two looks at it
/// may see a disk without a medium that is not being opened either, and the medium that just came would be taken out.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The medium, if there is one.
    pub medium: Option<Arc<Medium>>,
    /// The disk is on its way, and its medium with it.
    opening: bool,
    /// The host may not write.
    read_only: bool,
}

impl Wanted {
    /// Where the medium is.
    pub(super) fn path(&self) -> Option<&Path> {
        self.medium.as_deref().map(Medium::path)
    }

    /// Whether the medium can stay in the LUN as it is. Only a LUN that may be empty changes its write protection.
    fn suits(&self, slot: &Slot, present: Present<'_>) -> bool {
        !slot.removable || self.read_only == present.read_only
    }
}

/// A medium that the kernel says is in a LUN.
#[derive(Debug, Clone, Copy)]
pub(super) struct Present<'a> {
    /// The kernel device.
    pub path: &'a Path,
    /// The host may not write.
    pub read_only: bool,
}

impl<'a> Present<'a> {
    /// Nothing for an empty LUN.
    pub(super) fn of(lun: &'a LunState) -> Option<Self> {
        lun.medium.as_deref().map(|path| Self {
            path,
            read_only: lun.read_only,
        })
    }
}

/// A LUN and what this daemon knows is in it.
#[derive(Default)]
pub(super) struct Lun {
    /// What this daemon put in, or found there and recognised.
    pub medium: Option<Arc<Medium>>,
    /// The host ejected it: it stays out until somebody on this side wants it in.
    pub ejected_by_host: bool,
    /// We told the drive to let go of its medium. It may do so after we stopped waiting for it.
    pub leaving: bool,
    /// Its owner took it out: the same.
    pub ejected: bool,
    /// What failed last.
    pub error: Option<String>,
}

impl Lun {
    /// Makes `wanted` be in the LUN, where `is_in` is now.
    pub(super) async fn put(
        &mut self,
        gadget: &MassStorageGadget,
        index: usize,
        slot: &Slot,
        wanted: Wanted,
        is_in: Option<Present<'_>>,
    ) -> Result<(), GadgetError> {
        match (&wanted.medium, is_in) {
            (Some(medium), Some(old)) if medium.path() == old.path && wanted.suits(slot, old) => {
                // Put there before, or by the daemon that was killed.
                self.ejected_by_host = false;
            }
            (Some(_), None) if self.ejected_by_host || self.ejected => return Ok(()),
            (Some(medium), None) => {
                gadget.insert(index, medium.path(), wanted.read_only).await?;
                info!("LUN {index}: {} is in", slot.name.as_deref().unwrap_or_default());
            }
            (Some(medium), Some(old)) => {
                self.write_out(old.path).await;
                gadget.swap(index, medium.path(), wanted.read_only, Force::Yes).await?;
                let name = slot.name.as_deref().unwrap_or_default();
                match medium.path() == old.path {
                    true => info!("LUN {index}: {name} is in with another write protection"),
                    false => info!("LUN {index}: {name} is in instead"),
                }
            }
            // Left by a killed daemon: its disk is being opened, and the host waits for it meanwhile.
            (None, Some(_)) if self.medium.is_none() && wanted.opening => return Ok(()),
            (None, Some(old)) => {
                self.write_out(old.path).await;
                self.leaving = true;
                gadget.eject(index, Force::Yes).await?;
                info!("LUN {index}: empty");
            }
            (None, None) if slot.ejected.is_some() => self.want_in(),
            (None, None) => {}
        }
        self.error = None;
        self.leaving = false;
        self.medium = wanted.medium;
        Ok(())
    }

    /// Takes out a medium that belongs into another LUN now.
    pub(super) async fn make_way(
        &mut self,
        gadget: &MassStorageGadget,
        index: usize,
        path: &Path,
    ) -> Result<(), GadgetError> {
        self.write_out(path).await;
        self.leaving = true;
        gadget.eject(index, Force::Yes).await?;
        self.leaving = false;
        self.medium = None;
        info!("LUN {index}: empty, its disk goes into another one");
        Ok(())
    }

    /// Whoever took the medium out: it belongs in again.
    pub(super) fn want_in(&mut self) {
        self.ejected_by_host = false;
        self.ejected = false;
    }

    /// Takes the medium out for its owner, once everything is written.
    pub(super) async fn take_out(
        &mut self,
        gadget: &MassStorageGadget,
        index: usize,
        force: Force,
    ) -> Result<(), GadgetError> {
        if let Some(medium) = &self.medium {
            self.write_out(medium.path()).await;
            self.leaving = true;
            let ejected = gadget.eject(index, force).await;
            // What is late may still happen; everything else did not.
            self.leaving = matches!(ejected, Err(GadgetError::Stalled { .. }));
            self.ejected |= self.leaving;
            ejected?;
            info!("LUN {index}: taken out by its owner");
        }
        self.medium = None;
        self.ejected = true;
        Ok(())
    }

    /// Writes out what is dirty in front of a medium that is about to be taken out. One that nobody serves (any more)
    /// is not waited for.
    async fn write_out(&self, path: &Path) {
        if self.medium.is_some()
            && let Err(problem) = limits::write_out(path, super::WRITE_OUT).await
        {
            tracing::error!("{}: not everything was written: {problem}", path.display());
        }
    }
}

/// Returns when the state of a slot's disk changed since it was last looked at.
pub(super) async fn any_changed(slots: &mut [Slot]) {
    let waits: Vec<_> = slots
        .iter_mut()
        .filter_map(|slot| slot.state.as_mut())
        .map(|state| {
            Box::pin(async move {
                if state.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            })
        })
        .collect();
    if waits.is_empty() {
        std::future::pending::<()>().await;
    }
    futures::future::select_all(waits).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> (watch::Sender<State>, Slot) {
        let (sender, state) = watch::channel(State::new(Phase::Opening { error: None }, None));
        let slot = Slot {
            name: Some("films".to_owned()),
            state: Some(state),
            ..Slot::empty()
        };
        (sender, slot)
    }

    #[test]
    fn what_is_wanted_is_what_was_seen_at_one_moment() {
        let (sender, mut slot) = opening();
        let wanted = slot.wanted();
        // The disk opens while the gadget is asked what is in it, which takes its time: what a dead daemon left stays in.
        let (medium, _returned) = Medium::new(Path::new("/dev/ublkb0"));
        sender.send_replace(State {
            medium: Some(medium),
            ..State::new(Phase::Open, None)
        });
        assert!(wanted.path().is_none() && wanted.opening);
        let later = slot.wanted();
        assert!(later.path() == Some(Path::new("/dev/ublkb0")) && !later.opening);
    }

    #[test]
    fn a_disk_that_will_not_come_is_not_waited_for() {
        let (sender, mut slot) = opening();
        let fenced = Phase::Fenced { error: String::new() };
        for phase in [fenced, Phase::Closed] {
            sender.send_replace(State::new(phase, None));
            assert!(!slot.wanted().opening);
        }
        assert!(!Slot::empty().wanted().opening);
        let about_to_start = Slot {
            state: None,
            ..opening().1
        };
        assert!({ about_to_start }.wanted().opening);
    }
}
