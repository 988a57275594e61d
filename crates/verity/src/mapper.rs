//! The four requests to device-mapper that it takes (`include/uapi/linux/dm-ioctl.h`).

use std::{fs::File, mem, os::fd::AsRawFd};

/// The misc device that all requests go to; devtmpfs names it as `dm-mod` asks.
const CONTROL: &str = "/dev/mapper/control";
/// `DM_READONLY_FLAG`; a verity device can be nothing else.
const READ_ONLY: u32 = 1;
/// Version of the interface, which the kernel takes if the first number is its own.
const VERSION: [u32; 3] = [4, 0, 0];

/// `struct dm_ioctl`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Request {
    version: [u32; 3],
    data_size: u32,
    data_start: u32,
    target_count: u32,
    open_count: i32,
    flags: u32,
    event_nr: u32,
    padding: u32,
    dev: u64,
    name: [u8; 128],
    uuid: [u8; 129],
    data: [u8; 7],
}

/// `struct dm_target_spec`.
#[repr(C)]
struct Line {
    sector_start: u64,
    length: u64,
    status: i32,
    next: u32,
    target_type: [u8; 16],
}

nix::ioctl_readwrite!(dev_create, 0xfd, 3, Request);
nix::ioctl_readwrite!(dev_remove, 0xfd, 4, Request);
nix::ioctl_readwrite!(dev_suspend, 0xfd, 6, Request);
nix::ioctl_readwrite!(table_load, 0xfd, 9, Request);

/// An open device-mapper.
pub(crate) struct Mapper(File);

impl Mapper {
    pub(crate) fn open() -> Result<Self, String> {
        let file = File::options().read(true).write(true).open(CONTROL);
        file.map(Self)
            .map_err(|error| format!("cannot open {CONTROL} ({error}): is the module dm-mod loaded?"))
    }

    /// A device without a table. Returns its minor number.
    pub(crate) fn create(&self, name: &str) -> Result<u64, String> {
        let mut request = Request::new(name)?;
        // SAFETY: the request is a whole `dm_ioctl` that says its size, to which the kernel keeps.
        unsafe { dev_create(self.0.as_raw_fd(), &raw mut request) }
            .map_err(|error| format!("cannot create the device {name}: {error}"))?;
        Ok(minor(request.dev))
    }

    /// A table of one line for a device.
    pub(crate) fn load(&self, name: &str, sectors: u64, kind: &str, parameters: &str) -> Result<(), String> {
        let mut buffer = table(Request::new(name)?, sectors, kind, parameters);
        // SAFETY: the buffer begins with a `dm_ioctl`, is aligned for it, and is as long as that says.
        unsafe { table_load(self.0.as_raw_fd(), buffer.as_mut_ptr().cast()) }.map_err(|error| {
            format!("the kernel refuses the table \"0 {sectors} {kind} {parameters}\" ({error}): is the module dm-{kind} loaded?")
        })?;
        Ok(())
    }

    /// Puts the loaded table in force.
    pub(crate) fn resume(&self, name: &str) -> Result<(), String> {
        let mut request = Request::new(name)?;
        // SAFETY: as in `create`.
        unsafe { dev_suspend(self.0.as_raw_fd(), &raw mut request) }
            .map_err(|error| format!("cannot start the device {name}: {error}"))?;
        Ok(())
    }

    /// Takes a device away again, if it is there.
    pub(crate) fn remove(&self, name: &str) {
        if let Ok(mut request) = Request::new(name) {
            // SAFETY: as in `create`. That it fails changes nothing: an error is on its way already.
            let _ = unsafe { dev_remove(self.0.as_raw_fd(), &raw mut request) };
        }
    }
}

impl Request {
    fn new(name: &str) -> Result<Self, String> {
        let mut request = Self {
            version: VERSION,
            data_size: mem::size_of::<Self>() as u32,
            data_start: mem::size_of::<Self>() as u32,
            target_count: 0,
            open_count: 0,
            flags: READ_ONLY,
            event_nr: 0,
            padding: 0,
            dev: 0,
            name: [0; 128],
            uuid: [0; 129],
            data: [0; 7],
        };
        // The last byte stays zero.
        if name.is_empty() || name.len() >= request.name.len() || name.contains(['/', '\0']) {
            return Err(format!("'{}' is no name for a device", name.escape_debug()));
        }
        request.name[..name.len()].copy_from_slice(name.as_bytes());
        Ok(request)
    }
}

/// The request, one line, its parameters with a zero behind them; in words of eight bytes, so that it is aligned.
fn table(mut request: Request, sectors: u64, kind: &str, parameters: &str) -> Vec<u64> {
    let size = (mem::size_of::<Request>() + mem::size_of::<Line>() + parameters.len() + 1).next_multiple_of(8);
    request.data_size = size as u32;
    request.target_count = 1;
    let mut line = Line {
        sector_start: 0,
        length: sectors,
        status: 0,
        next: (size - mem::size_of::<Request>()) as u32,
        target_type: [0; 16],
    };
    line.target_type[..kind.len()].copy_from_slice(kind.as_bytes());
    let mut buffer = vec![0_u64; size / 8];
    let start: *mut u8 = buffer.as_mut_ptr().cast();
    // SAFETY: the buffer has room for the three, one behind the other; both structures are multiples of eight bytes long, which
    // is their alignment, and have no bytes that are not set.
    unsafe {
        start.cast::<Request>().write(request);
        start.add(mem::size_of::<Request>()).cast::<Line>().write(line);
        start
            .add(mem::size_of::<Request>() + mem::size_of::<Line>())
            .copy_from_nonoverlapping(parameters.as_ptr(), parameters.len());
    }
    buffer
}

/// The minor number in a device number as the kernel passes it (`huge_encode_dev`, `include/linux/kdev_t.h`).
fn minor(device: u64) -> u64 {
    (device & 0xff) | ((device >> 12) & 0xfff_ff00)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_are_as_long_as_the_kernels() {
        assert_eq!(mem::size_of::<Request>(), 312);
        assert_eq!(mem::size_of::<Line>(), 40);
    }

    #[test]
    fn a_table_says_its_own_size_and_ends_with_a_zero() {
        let parameters = "1 /dev/loop0";
        let buffer = table(Request::new("root").unwrap(), 8, "verity", parameters);
        let bytes: Vec<u8> = buffer.iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(
            u32::from_ne_bytes(bytes[12..16].try_into().unwrap()) as usize,
            bytes.len(),
            "data_size"
        );
        assert_eq!(u32::from_ne_bytes(bytes[16..20].try_into().unwrap()), 312, "data_start");
        assert_eq!(u32::from_ne_bytes(bytes[20..24].try_into().unwrap()), 1, "target_count");
        assert_eq!(&bytes[48..53], b"root\0");
        let line = &bytes[312..];
        assert_eq!(u64::from_ne_bytes(line[8..16].try_into().unwrap()), 8, "length");
        assert_eq!(
            u32::from_ne_bytes(line[20..24].try_into().unwrap()) as usize,
            line.len(),
            "next"
        );
        assert_eq!(&line[24..31], b"verity\0");
        assert_eq!(&line[40..=40 + parameters.len()], format!("{parameters}\0").as_bytes());
    }

    #[test]
    fn names_that_device_mapper_cannot_have_are_refused() {
        for name in ["", "a/b", "a\0b", &"n".repeat(128)] {
            assert!(Request::new(name).is_err(), "{name:?}");
        }
        assert!(Request::new(&"n".repeat(127)).is_ok());
    }

    #[test]
    fn minor_numbers_above_255_are_read() {
        assert_eq!(minor((254 << 8) | 3), 3);
        assert_eq!(minor((254 << 8) | 0x2c | (1 << 20)), 0x12c);
    }
}
