//! Free TCP ports on 127.0.0.1 that stay free until they are used.

use std::{
    fs::{self, File, OpenOptions},
    io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

/// Below the ephemeral range of Linux (32768 up, `ip_local_port_range`), so that no outgoing connection of anybody takes
/// a port between its reservation and its use, or between a server's death and its restart.
const FIRST: u16 = 21_000;
const COUNT: u16 = 10_000;

/// A TCP port on 127.0.0.1 that no other test will be given while this value lives.
///
/// Nothing is bound: hand the number to a server. Reservations are file locks, so they hold between processes and
/// vanish with them.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Reserves a port that nobody listens on.
    pub fn reserve() -> Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let folder = lock_folder()?;
        // Processes start at different places, so that they seldom meet.
        let start = std::process::id().wrapping_mul(97) % u32::from(COUNT);
        for _ in 0..COUNT {
            let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let number = FIRST + u16::try_from((start + step) % u32::from(COUNT))?;
            if let Some(port) = Self::try_reserve(&folder, number)? {
                return Ok(port);
            }
        }
        bail!("no free TCP port on 127.0.0.1 between {FIRST} and {}", FIRST + COUNT)
    }

    fn try_reserve(folder: &std::path::Path, number: u16) -> Result<Option<Self>> {
        let file = folder.join(number.to_string());
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&file)
            .with_context(|| format!("cannot open {}", file.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", file.display()));
            }
        }
        // Other programs of this machine know nothing of reservations. Asking by a connection, not by binding: a child
        // that is forked at this moment would inherit the socket and keep the port until its exec.
        let address = (Ipv4Addr::LOCALHOST, number).into();
        match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Some(Self { number, _lock: lock })),
            _ => Ok(None),
        }
    }

    /// The port's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// 127.0.0.1 with this port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

fn lock_folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("cloud-stick-ports-{}", Uid::current()));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, net::TcpListener};

    use super::*;

    #[test]
    fn reserved_ports_are_free_and_never_given_twice() {
        let threads: Vec<_> = (0..8)
            .map(|_| std::thread::spawn(|| (0..25).map(|_| Port::reserve().unwrap()).collect::<Vec<_>>()))
            .collect();
        let ports: Vec<Port> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let numbers: HashSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), ports.len());
        for port in &ports {
            TcpListener::bind(port.address()).unwrap();
        }
    }

    #[test]
    fn a_port_in_use_is_not_given() {
        let port = Port::reserve().unwrap();
        let _listener = TcpListener::bind(port.address()).unwrap();
        let folder = lock_folder().unwrap();
        let number = port.number();
        drop(port);
        assert!(Port::try_reserve(&folder, number).unwrap().is_none());
    }
}
