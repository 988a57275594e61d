//! Commands to the driver that need no device of ours: what it can do, which devices there are, stop and delete.
//!
//! `libublk` sends these too, but prints to stderr where a state file of its own is absent, and reports `EBUSY` as
//! success.

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};

use io_uring::{IoUring, cqueue, opcode, squeue, types};
use libublk::sys;

use crate::UblkError;

/// The driver's control device.
pub(crate) const CONTROL: &str = "/dev/ublk-control";

/// Where sysfs lists the devices, as `ublkcN`.
const DEVICES: &str = "/sys/class/ublk-char";

const POLL: Duration = Duration::from_millis(20);

/// `struct ublksrv_ctrl_cmd` is 32 bytes on every architecture; the rest of the 80 is unused.
const COMMAND: usize = size_of::<sys::ublksrv_ctrl_cmd>();

pub(crate) fn open() -> Result<File, UblkError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(CONTROL)
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => UblkError::NoDriver,
            _ => UblkError::Refused {
                what: "cannot open /dev/ublk-control",
                source,
                remedy: "run as root (CAP_SYS_ADMIN)",
            },
        })
}

/// Sends one command and waits for the answer, however long that takes.
fn command(op: u32, id: u32, data: u64, buffer: Option<&mut [u8]>) -> Result<(), UblkError> {
    let file = open()?;
    let mut ring: IoUring<squeue::Entry128, cqueue::Entry> =
        IoUring::builder().build(2).map_err(|source| UblkError::Refused {
            what: "cannot set up io_uring",
            source,
            remedy: "use a kernel with CONFIG_IO_URING, and `sysctl kernel.io_uring_disabled=0`",
        })?;
    let (addr, len) = buffer.map_or((0, 0), |buffer| {
        (buffer.as_mut_ptr() as usize as u64, buffer.len() as u16)
    });
    let command = sys::ublksrv_ctrl_cmd {
        dev_id: id,
        queue_id: u16::MAX,
        len,
        addr,
        data: [data],
        ..Default::default()
    };
    let mut bytes = [0; 80];
    // SAFETY: the structure is plain data of COMMAND bytes without padding (bindgen's layout tests), and both arrays
    // are at least that long.
    let plain = unsafe { std::mem::transmute::<sys::ublksrv_ctrl_cmd, [u8; COMMAND]>(command) };
    bytes[..COMMAND].copy_from_slice(&plain);
    let entry = opcode::UringCmd80::new(types::Fd(file.as_raw_fd()), op)
        .cmd(bytes)
        .build();
    // SAFETY: the file and the buffer outlive the ring's only request: this function returns only after its completion
    // was seen, or never submitted it.
    unsafe { ring.submission().push(&entry) }
        .map_err(|_| failed(op, id, io::Error::from_raw_os_error(libc::ENOSPC)))?;
    loop {
        match ring.submit_and_wait(1) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(op, id, error)),
        }
        if let Some(entry) = ring.completion().next() {
            return match entry.result() {
                0.. => Ok(()),
                error => Err(failed(op, id, io::Error::from_raw_os_error(-error))),
            };
        }
    }
}

fn failed(op: u32, id: u32, source: io::Error) -> UblkError {
    let name = match op {
        sys::UBLK_U_CMD_GET_FEATURES => "asking for features",
        sys::UBLK_U_CMD_GET_DEV_INFO => "asking for the state",
        sys::UBLK_U_CMD_GET_PARAMS => "asking for parameters",
        sys::UBLK_U_CMD_ADD_DEV => "adding the device",
        sys::UBLK_U_CMD_STOP_DEV => "stopping",
        sys::UBLK_U_CMD_DEL_DEV_ASYNC => "deleting",
        sys::UBLK_U_CMD_START_USER_RECOVERY => "starting the recovery",
        sys::UBLK_U_CMD_UPDATE_SIZE => "changing the size",
        _ => "a command",
    };
    UblkError::control((id != u32::MAX).then_some(id), name, source)
}

/// The driver's feature bits, `UBLK_F_*`.
pub(crate) fn features() -> Result<u64, UblkError> {
    let mut bits = [0; 8];
    command(sys::UBLK_U_CMD_GET_FEATURES, u32::MAX, 0, Some(&mut bits))?;
    Ok(u64::from_ne_bytes(bits))
}

/// Adds a device with the number and the properties in `info`.
pub(crate) fn add(info: &sys::ublksrv_ctrl_dev_info) -> Result<(), UblkError> {
    // SAFETY: plain integers without padding; same size.
    let mut bytes = unsafe {
        std::mem::transmute::<sys::ublksrv_ctrl_dev_info, [u8; size_of::<sys::ublksrv_ctrl_dev_info>()]>(*info)
    };
    command(sys::UBLK_U_CMD_ADD_DEV, info.dev_id, 0, Some(&mut bytes))
}

/// What the driver knows of a device; `None` if there is no such device.
pub(crate) fn info(id: u32) -> Result<Option<sys::ublksrv_ctrl_dev_info>, UblkError> {
    let mut bytes = [0; size_of::<sys::ublksrv_ctrl_dev_info>()];
    match command(sys::UBLK_U_CMD_GET_DEV_INFO, id, 0, Some(&mut bytes)) {
        Err(UblkError::Control { source, .. }) if source.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        Err(error) => Err(error),
        // SAFETY: plain integers, any bytes are valid; same size.
        Ok(()) => Ok(Some(unsafe {
            std::mem::transmute::<[u8; size_of::<sys::ublksrv_ctrl_dev_info>()], sys::ublksrv_ctrl_dev_info>(bytes)
        })),
    }
}

/// The parameters that a device was started with.
pub(crate) fn params(id: u32) -> Result<sys::ublk_params, UblkError> {
    const SIZE: usize = size_of::<sys::ublk_params>();
    let mut bytes = [0; SIZE];
    bytes[..4].copy_from_slice(&(SIZE as u32).to_ne_bytes());
    command(sys::UBLK_U_CMD_GET_PARAMS, id, 0, Some(&mut bytes))?;
    // SAFETY: plain integers, any bytes are valid; same size.
    Ok(unsafe { std::mem::transmute::<[u8; SIZE], sys::ublk_params>(bytes) })
}

/// The numbers of all devices, in order.
pub(crate) fn devices() -> Vec<u32> {
    let mut ids: Vec<u32> = std::fs::read_dir(DEVICES)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("ublkc")?.parse().ok())
        .collect();
    ids.sort_unstable();
    ids
}

/// Stops a device: requests in flight end, everything later fails, `/dev/ublkbN` disappears. No device is success.
pub(crate) fn stop(id: u32) -> Result<(), UblkError> {
    gone_is_fine(command(sys::UBLK_U_CMD_STOP_DEV, id, 0, None))
}

/// Deletes a device; its number is free again when nobody has it open any more. No device is success.
pub(crate) fn delete(id: u32) -> Result<(), UblkError> {
    gone_is_fine(command(sys::UBLK_U_CMD_DEL_DEV_ASYNC, id, 0, None))
}

fn gone_is_fine(result: Result<(), UblkError>) -> Result<(), UblkError> {
    match result {
        Err(UblkError::Control { source, .. }) if source.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        other => other,
    }
}

/// Tells the driver that a new server is coming; waits until the old one is gone entirely, at most `wait`.
pub(crate) fn start_recovery(id: u32, wait: Duration) -> Result<(), UblkError> {
    let until = Instant::now() + wait;
    loop {
        match command(sys::UBLK_U_CMD_START_USER_RECOVERY, id, 0, None) {
            Err(UblkError::Control { source, .. })
                if source.raw_os_error() == Some(libc::EBUSY) && Instant::now() < until =>
            {
                thread::sleep(POLL);
            }
            other => return other,
        }
    }
}

/// Changes the size of a running device, in sectors of 512 bytes (Linux 6.16).
pub(crate) fn update_size(id: u32, sectors: u64) -> Result<(), UblkError> {
    command(sys::UBLK_U_CMD_UPDATE_SIZE, id, sectors, None)
}

/// Waits until `done` answers true, at most `wait`.
pub(crate) fn wait_until(wait: Duration, mut done: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + wait;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_sizes_of_the_abi() {
        assert_eq!(COMMAND, 32);
        assert_eq!(size_of::<sys::ublksrv_ctrl_dev_info>(), 64);
        assert_eq!(size_of::<sys::ublksrv_io_desc>(), 24);
    }

    #[test]
    fn waiting_ends_when_done_or_when_the_time_is_up() {
        let mut calls = 0;
        assert!(wait_until(Duration::from_secs(60), || {
            calls += 1;
            calls == 3
        }));
        assert!(!wait_until(Duration::ZERO, || false));
    }
}
