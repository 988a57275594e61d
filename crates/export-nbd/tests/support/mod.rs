//! What the tests share: servers, a client of bare bytes, a client that is a block device, other people's clients.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

pub mod client;
pub mod devices;
pub mod raw;

use std::{net::SocketAddr, path::Path, process::Output, sync::Arc, time::Duration};

use block::{Disk, MemoryDevice};
use export_nbd::{Address, Export, Listen, Options, Server, Summary};
use tokio::{process::Command, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes; what takes longer hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server that is running.
pub struct Running {
    pub address: Address,
    stop: CancellationToken,
    task: JoinHandle<Summary>,
}

impl Running {
    /// Serves exports on a free port of the loopback interface.
    pub async fn tcp(exports: Vec<Export>, options: Options) -> Self {
        Self::start(Listen::Tcp("127.0.0.1:0".parse().unwrap()), exports, options).await
    }

    /// Serves exports on a Unix socket.
    pub async fn unix(path: &Path, exports: Vec<Export>, options: Options) -> Self {
        let path = path.to_owned();
        Self::start(Listen::Unix { path, mode: 0o600 }, exports, options).await
    }

    async fn start(listen: Listen, exports: Vec<Export>, options: Options) -> Self {
        let server = Server::bind(listen, exports, options).await.expect("server starts");
        let stop = CancellationToken::new();
        Self {
            address: server.local_address(),
            task: tokio::spawn(server.run(stop.clone())),
            stop,
        }
    }

    pub fn socket(&self) -> SocketAddr {
        match self.address {
            Address::Tcp(address) => address,
            Address::Unix(_) => panic!("a TCP server is needed"),
        }
    }

    /// The URI of an export.
    pub fn uri(&self, export: &str) -> String {
        match &self.address {
            Address::Tcp(address) => format!("nbd://{address}/{export}"),
            Address::Unix(path) => format!("nbd+unix:///{export}?socket={}", path.display()),
        }
    }

    pub fn request_stop(&self) {
        self.stop.cancel();
    }

    pub async fn stop(self) -> Summary {
        self.stop.cancel();
        patient(self.task).await.expect("the server did not panic")
    }
}

/// Fails instead of hanging.
pub async fn patient<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it does not hang")
}

/// Waits for a condition.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("never came: {what}"));
}

pub fn export(name: &str, disk: Disk) -> Export {
    Export {
        name: name.to_owned(),
        description: format!("The {name} disk"),
        disk,
        read_only: false,
    }
}

pub fn memory(size: u64) -> Disk {
    Arc::new(MemoryDevice::new(size).unwrap())
}

/// Runs somebody else's program, which `package` (Debian) installs, whatever its exit code.
pub async fn output(package: &str, program: &str, arguments: &[&str]) -> Output {
    let command = Command::new(program).args(arguments).kill_on_drop(true).output();
    match patient(command).await {
        Ok(output) => output,
        Err(error) => panic!("{program} is needed for this test (apt-get install {package}): {error}"),
    }
}

/// Like [`output`], but it must succeed. Its standard output.
pub async fn run(package: &str, program: &str, arguments: &[&str]) -> String {
    let output = output(package, program, arguments).await;
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{program} {arguments:?} failed: {}\n{stdout}\n{stderr}",
        output.status
    );
    stdout
}

/// Bytes that are no zeroes and differ from place to place.
pub fn pattern(offset: u64, length: usize) -> Vec<u8> {
    (offset..offset + length as u64)
        .map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 | 1)
        .collect()
}
