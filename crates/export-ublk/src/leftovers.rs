//! Devices that a daemon left behind.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use libublk::sys;
use serde::Serialize;
use tokio::time::timeout;

use crate::{
    UblkError, control,
    state::{self, Claim},
    thread,
};

const LIMIT: Duration = Duration::from_secs(30);

/// What the driver says of a device (`UBLK_S_DEV_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Never started, or stopped.
    Dead,
    /// Served by a process.
    Live,
    /// Its server is gone; requests wait for the next one.
    Quiesced,
    /// Its server is gone; requests fail.
    FailIo,
    /// Something newer than this program.
    Unknown,
}

impl From<u16> for DeviceState {
    fn from(state: u16) -> Self {
        match u32::from(state) {
            sys::UBLK_S_DEV_DEAD => Self::Dead,
            sys::UBLK_S_DEV_LIVE => Self::Live,
            sys::UBLK_S_DEV_QUIESCED => Self::Quiesced,
            sys::UBLK_S_DEV_FAIL_IO => Self::FailIo,
            _ => Self::Unknown,
        }
    }
}

/// A ublk device of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// The number `N` of `/dev/ublkbN`.
    pub id: u32,
    /// The disk it serves or served, if it is ours and known.
    pub name: Option<String>,
    /// Whether this program made it. Others' devices are never touched.
    pub ours: bool,
    /// Whether it is served.
    pub state: DeviceState,
    /// The process that serves it.
    pub pid: Option<i32>,
}

/// All ublk devices of this machine, ours and others', served or not.
///
/// None if the driver is not loaded: then there can be none.
///
/// # Errors
///
/// If the driver cannot be asked.
pub async fn leftovers(state_dir: &Path) -> Result<Vec<Leftover>, UblkError> {
    let folder = state_dir.to_owned();
    thread::run("ublk-list", move || list(&folder)).await
}

fn list(folder: &Path) -> Result<Vec<Leftover>, UblkError> {
    let known = state::read_all(folder);
    let mut found = Vec::new();
    for id in control::devices() {
        let Some(info) = control::info(id)? else { continue };
        let ours = state::is_ours(info.ublksrv_flags);
        let name = known
            .iter()
            .find(|state| ours && state::tag(&state.name) == info.ublksrv_flags)
            .map(|state| state.name.clone());
        found.push(Leftover {
            id,
            name,
            ours,
            state: info.state.into(),
            pid: (info.ublksrv_pid > 0).then_some(info.ublksrv_pid),
        });
    }
    Ok(found)
}

/// Removes a device that a daemon left behind; requests that wait for it fail. None of that number is success.
///
/// # Errors
///
/// [`NotOurs`](UblkError::NotOurs) and [`InUse`](UblkError::InUse): nothing was done.
/// [`Stuck`](UblkError::Stuck): the kernel goes on by itself.
pub async fn remove_leftover(id: u32, state_dir: &Path) -> Result<(), UblkError> {
    let folder = state_dir.to_owned();
    let removal = thread::run("ublk-remove", move || remove(id, &folder));
    timeout(LIMIT, removal).await.unwrap_or_else(|_| {
        Err(UblkError::Stuck {
            device: format!("/dev/ublkb{id}"),
            what: "removing",
            after: LIMIT,
            holders: holders(id),
        })
    })
}

fn remove(id: u32, folder: &Path) -> Result<(), UblkError> {
    let Some(device) = list(folder)?.into_iter().find(|device| device.id == id) else {
        return Ok(());
    };
    if !device.ours {
        return Err(UblkError::NotOurs { id });
    }
    if device.state == DeviceState::Live {
        return Err(UblkError::InUse {
            name: device.name.unwrap_or_else(|| format!("of /dev/ublkb{id}")),
            pid: device.pid,
        });
    }
    // Not under the hands of a daemon that is just taking it over.
    let claim = device.name.map(|name| Claim::new(folder, &name)).transpose()?;
    control::stop(id)?;
    control::delete(id)?;
    if let Some(claim) = claim {
        claim.forget();
    }
    tracing::info!("/dev/ublkb{id}, left by a daemon before this one, is removed");
    Ok(())
}

/// Who has `/dev/ublkbN` open: processes and mounts, in words. In-kernel users (a USB gadget, LIO) are not seen.
pub(crate) fn holders(id: u32) -> Vec<String> {
    let device = format!("/dev/ublkb{id}");
    let is_it = |target: &Path| {
        let target = target.to_string_lossy();
        let rest = target.strip_prefix(&device);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('p') || rest.starts_with(" (deleted)"))
    };
    let mut found: Vec<String> = fs::read_to_string("/proc/self/mounts")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let source = fields.next()?;
            is_it(Path::new(source)).then(|| format!("{} (mounted)", fields.next().unwrap_or("?")))
        })
        .collect();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let path = process.path();
        let name = process.file_name();
        if !name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let mut files = fs::read_dir(path.join("fd")).into_iter().flatten().flatten();
        if files.any(|file| fs::read_link(file.path()).is_ok_and(|target: PathBuf| is_it(&target))) {
            let command = fs::read_to_string(path.join("comm")).unwrap_or_default();
            found.push(format!("{} (process {})", command.trim(), name.to_string_lossy()));
        }
    }
    found
}
