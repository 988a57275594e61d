//! `verity-open NAME DEVICE BLOCKS DIGEST`: what is read of a block device is what was built, or an error.
//!
//! Makes a device-mapper device with the kernel's target `verity` over DEVICE (a path or MAJOR:MINOR): BLOCKS blocks of
//! 4 KiB, behind them the tree of their SHA-256 sums, without a superblock and without salt, whose root is DIGEST (64 digits).
//! Prints the new device's path. Exit code 1 with a message if that does not work.
//!
//! It is for the initramfs, which has busybox and no shared libraries: `dmsetup` and `veritysetup` would bring a megabyte
//! of them.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for scripts")]

mod mapper;
mod target;

use std::process::ExitCode;

use mapper::Mapper;
use target::Target;

const USAGE: &str = "usage: verity-open NAME DEVICE BLOCKS DIGEST";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match open(&words) {
        Ok(device) => {
            println!("{device}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("verity-open: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn open(words: &[String]) -> Result<String, String> {
    let [name, device, blocks, digest] = words else {
        return Err(USAGE.to_owned());
    };
    let target = Target::new(device, blocks, digest)?;
    let mapper = Mapper::open()?;
    let minor = mapper.create(name)?;
    mapper
        .load(name, target.sectors(), "verity", &target.parameters())
        .and_then(|()| mapper.resume(name))
        .inspect_err(|_| mapper.remove(name))?;
    // devtmpfs makes this node; names in /dev/mapper would be udev's work.
    Ok(format!("/dev/dm-{minor}"))
}
