//! A serial number that is the machine's own and stays the same.

use std::{fs, path::Path};

use ring::hmac;

use crate::Environment;

/// Where a serial number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerialSource {
    /// `serial-number` of the device tree, which U-Boot sets from the SoC's fuses.
    DeviceTree,
    /// The SoC's fuses (Allwinner SID).
    SocId,
    /// `/etc/machine-id`: changes when the system is installed anew.
    MachineId,
    /// The address of a network card.
    NetworkCard,
    /// The machine has nothing of its own: the same on every such machine.
    Nothing,
}

/// A serial number and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineSerial {
    /// 16 of `0-9A-F`; Bulk-Only Transport 4.1.1 wants at least 12.
    pub serial: String,
    /// What it is made of.
    pub source: SerialSource,
}

/// The serial number of this machine.
///
/// A keyed hash, so that the id itself, which other things may rely on being secret (machine-id(5)), cannot be read from
/// the USB port. Sources in order: device tree, SoC fuses, machine-id, network card.
#[must_use]
pub fn machine_serial() -> MachineSerial {
    derive(&Environment::default())
}

/// As [`machine_serial`], of the hardware only: nothing that a copied SD card would bring along. `None` where the hardware
/// has no id of its own.
#[must_use]
pub fn hardware_serial() -> Option<MachineSerial> {
    hardware(&Environment::default())
}

fn hardware(environment: &Environment) -> Option<MachineSerial> {
    soldered(environment).or_else(|| network(environment))
}

pub(crate) fn derive(environment: &Environment) -> MachineSerial {
    soldered(environment)
        .or_else(|| of_file(SerialSource::MachineId, &environment.etc.join("machine-id")))
        .or_else(|| network(environment))
        .unwrap_or_else(|| {
            tracing::warn!("this machine has no id of its own: set `serial`, or two sticks at one host get mixed up");
            MachineSerial {
                serial: hash(b""),
                source: SerialSource::Nothing,
            }
        })
}

/// What the board itself has.
fn soldered(environment: &Environment) -> Option<MachineSerial> {
    let sysfs = &environment.sysfs;
    of_file(
        SerialSource::DeviceTree,
        &sysfs.join("firmware/devicetree/base/serial-number"),
    )
    .or_else(|| of_file(SerialSource::SocId, &sysfs.join("bus/nvmem/devices/sunxi-sid0/nvmem")))
}

fn of_file(source: SerialSource, path: &Path) -> Option<MachineSerial> {
    identity(path).map(|id| MachineSerial {
        serial: hash(&id),
        source,
    })
}

fn network(environment: &Environment) -> Option<MachineSerial> {
    network_address(&environment.sysfs.join("class/net")).map(|id| MachineSerial {
        serial: hash(&id),
        source: SerialSource::NetworkCard,
    })
}

/// An id, unless it is one that says nothing. Fuses never burnt are all zeroes or all ones, in text or in bytes; the
/// SID comes first in its nvmem device, the rest is calibration.
fn identity(path: &Path) -> Option<Vec<u8>> {
    let mut id = fs::read(path).ok()?;
    while id.last().is_some_and(|&byte| byte == 0 || byte.is_ascii_whitespace()) {
        id.pop();
    }
    if path.ends_with("nvmem") {
        id.truncate(16);
    }
    let says_nothing =
        id.len() < 4 || id.iter().all(|&byte| matches!(byte, 0 | 0xff | b'0' | b'f' | b'F')) || id == b"uninitialized";
    (!says_nothing).then_some(id)
}

/// The first address (by name of the card) that was burnt into a card, `addr_assign_type` 0 (`NET_ADDR_PERM`).
fn network_address(class: &Path) -> Option<Vec<u8>> {
    let mut cards: Vec<_> = fs::read_dir(class).ok()?.flatten().map(|entry| entry.path()).collect();
    cards.sort();
    cards
        .iter()
        .filter(|card| fs::read_to_string(card.join("addr_assign_type")).is_ok_and(|kind| kind.trim() == "0"))
        .find_map(|card| identity(&card.join("address")).filter(|id| id != b"00:00:00:00:00:00"))
}

fn hash(id: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"cloud-stick usb serial number");
    hmac::sign(&key, id)
        .as_ref()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_copied_card_brings_along_is_not_the_hardware() {
        let (dir, environment) = machine();
        std::fs::create_dir_all(&environment.etc).unwrap();
        std::fs::write(environment.etc.join("machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
        assert_eq!(derive(&environment).source, SerialSource::MachineId);
        assert_eq!(hardware(&environment), None);
        let card = dir.path().join("sys/class/net/eth0");
        std::fs::create_dir_all(&card).unwrap();
        std::fs::write(card.join("addr_assign_type"), "0\n").unwrap();
        std::fs::write(card.join("address"), "02:11:22:33:44:55\n").unwrap();
        assert_eq!(hardware(&environment).unwrap().source, SerialSource::NetworkCard);
    }

    fn machine() -> (tempfile::TempDir, Environment) {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment {
            sysfs: dir.path().join("sys"),
            etc: dir.path().join("etc"),
            ..Environment::default()
        };
        (dir, environment)
    }

    fn put(path: &Path, content: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn the_best_source_wins() {
        let (_dir, environment) = machine();
        let source = || derive(&environment).source;
        assert_eq!(source(), SerialSource::Nothing);
        put(
            &environment.sysfs.join("class/net/eth0/address"),
            b"02:00:00:00:00:01\n",
        );
        put(&environment.sysfs.join("class/net/eth0/addr_assign_type"), b"3\n");
        assert_eq!(source(), SerialSource::Nothing);
        put(&environment.sysfs.join("class/net/eth0/addr_assign_type"), b"0\n");
        assert_eq!(source(), SerialSource::NetworkCard);
        put(&environment.etc.join("machine-id"), b"uninitialized\n");
        assert_eq!(source(), SerialSource::NetworkCard);
        put(
            &environment.etc.join("machine-id"),
            b"5f2b6a0e9c1d4f6f8f0a1b2c3d4e5f60\n",
        );
        assert_eq!(source(), SerialSource::MachineId);
        put(&environment.sysfs.join("bus/nvmem/devices/sunxi-sid0/nvmem"), &[0; 512]);
        assert_eq!(source(), SerialSource::MachineId);
        put(
            &environment.sysfs.join("bus/nvmem/devices/sunxi-sid0/nvmem"),
            &[2, 0xc0, 4, 0x81, 9, 9, 9, 9],
        );
        assert_eq!(source(), SerialSource::SocId);
        put(
            &environment.sysfs.join("firmware/devicetree/base/serial-number"),
            b"0000000000000000\0",
        );
        assert_eq!(source(), SerialSource::SocId);
        put(
            &environment.sysfs.join("firmware/devicetree/base/serial-number"),
            b"02c00481deadbeef\0",
        );
        assert_eq!(source(), SerialSource::DeviceTree);
    }

    #[test]
    fn it_is_what_the_specification_wants_and_hides_the_id() {
        let (_dir, environment) = machine();
        let id = "5F2B6A0E9C1D4F6F8F0A1B2C3D4E5F60";
        put(&environment.etc.join("machine-id"), id.as_bytes());
        let serial = derive(&environment).serial;
        assert!(serial.len() >= 12);
        assert!(
            serial.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')),
            "{serial}"
        );
        assert!(!id.contains(&serial[..6]));
        assert_eq!(derive(&environment).serial, serial);
        put(&environment.etc.join("machine-id"), b"5f2b6a0e9c1d4f6f8f0a1b2c3d4e5f61");
        assert_ne!(derive(&environment).serial, serial);
    }
}
