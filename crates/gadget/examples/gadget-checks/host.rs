//! The other side of the cable: what the USB host of this kernel sees and does.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The stick among the host's USB devices, by its product id.
pub(crate) fn device() -> Option<PathBuf> {
    let devices = fs::read_dir("/sys/bus/usb/devices")
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    devices
        .into_iter()
        .find(|device| text(device, "idProduct").as_deref() == Some("a4a5"))
}

pub(crate) fn text(folder: &Path, attribute: &str) -> Option<String> {
    Some(fs::read_to_string(folder.join(attribute)).ok()?.trim_end().to_owned())
}

/// The SCSI device of a LUN of the stick.
pub(crate) fn scsi(lun: usize) -> Option<PathBuf> {
    fs::read_dir("/sys/bus/scsi/devices")
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(|device| {
            let name = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.ends_with(&format!(":{lun}"))
                && name.starts_with(|c: char| c.is_ascii_digit())
                && fs::canonicalize(device).is_ok_and(|path| path.to_string_lossy().contains("/usb"))
        })
}

/// The block device of a LUN, once there is one: `/dev/sda`, `/dev/sr0`.
pub(crate) fn disk(lun: usize) -> Option<PathBuf> {
    let entry = fs::read_dir(scsi(lun)?.join("block")).ok()?.flatten().next()?;
    let node = Path::new("/dev").join(entry.file_name());
    node.exists().then_some(node)
}

/// The SCSI generic device of a LUN.
pub(crate) fn generic(lun: usize) -> Option<PathBuf> {
    let entry = fs::read_dir(scsi(lun)?.join("scsi_generic")).ok()?.flatten().next()?;
    Some(Path::new("/dev").join(entry.file_name()))
}

/// First line of the medium, read past the host's cache. Opening makes the host look for a new medium.
pub(crate) fn mark(disk: &Path) -> io::Result<String> {
    let mut sector = vec![0; 512];
    fs::File::open(disk)?.read_exact(&mut sector)?;
    Ok(String::from_utf8_lossy(&sector)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned())
}

/// Reads some of the stick, and not of the host's cache.
pub(crate) fn read_direct(disk: &Path) -> io::Result<()> {
    let output = run(
        "dd",
        &[
            &format!("if={}", disk.display()),
            "of=/dev/null",
            "iflag=direct",
            "bs=64k",
            "count=16",
        ],
    );
    output.status.success().then_some(()).ok_or(io::ErrorKind::Other.into())
}

pub(crate) fn size(disk: &Path) -> io::Result<u64> {
    fs::File::open(disk)?.seek(SeekFrom::End(0))
}

/// Writes into the second sector, to the stick and not just to the host's cache.
pub(crate) fn write(disk: &Path, content: &[u8; 512]) -> io::Result<()> {
    let mut file = fs::File::options()
        .write(true)
        .custom_flags(nix::fcntl::OFlag::O_SYNC.bits())
        .open(disk)?;
    file.seek(SeekFrom::Start(512))?;
    file.write_all(content)
}

/// Runs a tool of the host.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Output {
    match Command::new(program).args(arguments).output() {
        Ok(output) => output,
        Err(error) => panic!("cannot run {program} ({error}): install eject, sg3-utils, util-linux, e2fsprogs, strace"),
    }
}

/// Runs a tool that must succeed.
pub(crate) fn must(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Our gadgets in configfs.
pub(crate) fn our_gadgets() -> Vec<String> {
    let entries = fs::read_dir("/sys/kernel/config/usb_gadget")
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(gadget::NAME_PREFIX))
        .collect()
}
