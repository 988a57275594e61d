//! Kernel devices of a daemon before this one that no configured disk will take over.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use export_ublk::{DeviceState, UblkError};
use tracing::{error, info, warn};

/// How often, and after which pause, a device is tried that a LUN still holds.
const TRIES: (usize, Duration) = (10, Duration::from_secs(3));

/// Removes what a daemon before this one left behind and what none of the disks in `wanted` goes on with.
///
/// Others' devices, those this `run_dir` knows nothing of, and those that a living process serves are left alone.
pub(crate) async fn remove(state_dir: PathBuf, wanted: Vec<String>) {
    for _ in 0..TRIES.0 {
        match sweep(&state_dir, &wanted).await {
            Ok(true) => return,
            Ok(false) => tokio::time::sleep(TRIES.1).await,
            Err(problem) => {
                // Without a driver there are none; whoever needs one says so louder.
                warn!("cannot look for kernel devices left behind: {problem}");
                return;
            }
        }
    }
    error!("kernel devices of an earlier daemon are still in use; see /sys/class/block/ublkb*/holders");
}

/// One attempt; says whether none are left.
async fn sweep(state_dir: &Path, wanted: &[String]) -> Result<bool, UblkError> {
    let mut clean = true;
    for device in export_ublk::leftovers(state_dir).await? {
        let Some(name) = device
            .name
            .as_ref()
            .filter(|name| device.ours && !wanted.contains(name))
        else {
            continue;
        };
        if device.state == DeviceState::Live {
            // Its server may be dying this moment: then it has to be looked at again.
            let alive = device
                .pid
                .is_some_and(|pid| Path::new("/proc").join(pid.to_string()).exists());
            clean &= alive;
            continue;
        }
        match export_ublk::remove_leftover(device.id, state_dir).await {
            Ok(()) => info!("nobody goes on with disk {name} of a daemon before this one"),
            Err(problem) => {
                warn!("{problem}");
                clean = false;
            }
        }
    }
    Ok(clean)
}
