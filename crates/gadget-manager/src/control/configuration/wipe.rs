//! What a factory reset leaves to the system: that what was removed cannot be read any more. Only a start, when nothing is in use, can
//! overwrite everything.
//!
//! A system that does so offers two programs in a folder (`rootfs-overlay/usr/lib/cloud-stick/start.d/wipe.sh`):
//!
//! | program | does |
//! |---|---|
//! | `wipe` | tells the next start; done when the card has it |
//! | `restart` | restarts the board; may return before |

use std::path::PathBuf;

use web::{
    api::{Problem, ProblemCode},
    appliance::Result,
};

use crate::control::{problem::internal, run};

/// Where the system makes that folder.
const FOLDER: &str = "/run/cloud-stick/system";
/// Another one, for tests.
const VARIABLE: &str = "CLOUD_STICK_SYSTEM";

/// A system that overwrites.
pub(in crate::control) struct Wiper {
    folder: PathBuf,
}

impl Wiper {
    /// That of this machine, if it has one.
    pub(in crate::control) fn find() -> Option<Self> {
        let folder = std::env::var_os(VARIABLE).map_or_else(|| FOLDER.into(), PathBuf::from);
        folder.join("wipe").exists().then_some(Self { folder })
    }

    /// Tells the next start to overwrite everything.
    pub(super) async fn mark(&self) -> Result<()> {
        run(&self.folder.join("wipe")).await.map_err(|error| {
            Problem::new(
                ProblemCode::Internal,
                format!("nothing was reset, since the card cannot be written: {error}"),
            )
            .remedy("is it write-protected or worn out? Put in another one")
        })
    }

    /// Restarts the board.
    pub(super) async fn restart(&self) -> Result<()> {
        tracing::info!("restarting, to overwrite what the factory reset removed");
        run(&self.folder.join("restart")).await.map_err(|error| {
            internal(format!("the restart failed: {error}")).remedy("pull the plug: the next start finishes the reset")
        })
    }
}
