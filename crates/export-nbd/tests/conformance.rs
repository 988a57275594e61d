//! The conformance suite, through the server and a client written for it: everything a disk promises must survive
//! the way through the protocol.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, their helpers too")]

mod support;

use block::{Disk, conformance::Options};
use export_nbd::Export;
use support::{Running, client::Client, export, memory};

/// A fresh disk behind a server of its own, which lives as long as the test's runtime.
async fn open(size: u64) -> Disk {
    let disk = memory(size);
    let read_only = Export {
        read_only: true,
        ..export("read-only", disk.clone())
    };
    let server = Running::tcp(vec![export("disk", disk), read_only], export_nbd::Options::default()).await;
    Client::connect(server.socket(), "disk").await
}

/// Connects again to the server that a client names.
async fn connect(disk: Disk, name: &str) -> Disk {
    let address = disk.name().parse().expect("clients are named by address");
    drop(disk);
    Client::connect(address, name).await
}

fn options() -> Options {
    Options {
        operations: 1000,
        ..Options::default()
    }
    .with_reopen(|disk| connect(disk, "disk"))
    .with_read_only(|disk| connect(disk, "read-only"))
}

block::conformance_tests!(open, options());
