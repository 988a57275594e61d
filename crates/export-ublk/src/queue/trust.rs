//! Keeps the kernel from reading the partition table of a disk.
//!
//! The driver looks for partitions while it starts a device, with the device's lock held (`ublk_ctrl_start_dev`): a
//! store that hangs would hang the start, and a daemon killed in that moment would leave a device that nobody can take
//! over. It does so only if every thread that fetches requests is privileged at that time, so these are not.

use std::io;

/// `_LINUX_CAPABILITY_VERSION_3` and `CAP_SYS_ADMIN` of `include/uapi/linux/capability.h`.
const VERSION: u32 = 0x2008_0522;
const SYS_ADMIN: u32 = 1 << 21;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Set {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Runs `work` without the effective `CAP_SYS_ADMIN` of this thread, and gives it back afterwards.
pub(super) fn without_sys_admin<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    let mut old = [Set::default(); 2];
    // SAFETY: version 3 reads a header and fills two sets.
    check(unsafe { libc::syscall(libc::SYS_capget, &mut header, old.as_mut_ptr()) })?;
    let mut reduced = old;
    reduced[0].effective &= !SYS_ADMIN;
    // SAFETY: version 3 reads a header and two sets, and changes this thread only.
    check(unsafe { libc::syscall(libc::SYS_capset, &mut header, reduced.as_ptr()) })?;
    let result = work();
    // SAFETY: as above; what is permitted may always be made effective again.
    check(unsafe { libc::syscall(libc::SYS_capset, &mut header, old.as_ptr()) })?;
    Ok(result)
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effective() -> u32 {
        let mut header = Header {
            version: VERSION,
            pid: 0,
        };
        let mut sets = [Set::default(); 2];
        // SAFETY: as in without_sys_admin.
        check(unsafe { libc::syscall(libc::SYS_capget, &mut header, sets.as_mut_ptr()) }).unwrap();
        sets[0].effective
    }

    #[test]
    fn the_right_is_gone_for_the_work_only() {
        let before = effective();
        let during = without_sys_admin(effective).unwrap();
        assert_eq!(during, before & !SYS_ADMIN);
        assert_eq!(effective(), before);
    }
}
