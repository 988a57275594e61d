//! Serves an image file, or a disk in memory, on a Unix socket: `serve SOCKET FILE|MIB`.
//!
//! For trying clients, and for measuring the server without the rest of the product.

use std::{error::Error, sync::Arc};

use block::{Disk, MemoryDevice, store::OpenOptions};
use export_nbd::{Export, Listen, Options, Server};
use store_file::FileDevice;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [socket, what] = arguments.as_slice() else {
        return Err("usage: serve SOCKET FILE|MIB".into());
    };
    let disk: Disk = match what.parse::<u64>() {
        Ok(mebibytes) => Arc::new(MemoryDevice::new(mebibytes << 20)?),
        Err(_) => Arc::new(FileDevice::open(what, &OpenOptions::default()).await?),
    };
    let listen = Listen::Unix {
        path: socket.into(),
        mode: 0o600,
    };
    let export = Export {
        name: "disk".into(),
        description: disk.name().to_owned(),
        disk: disk.clone(),
        read_only: false,
    };
    let server = Server::bind(listen, vec![export], Options::default()).await?;
    println!("{}", server.local_address());
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));
    tokio::signal::ctrl_c().await?;
    stop.cancel();
    println!("{:?}", running.await?);
    Ok(disk.close().await?)
}
