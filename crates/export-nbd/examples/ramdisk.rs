//! Serves a disk in memory: `cargo run -p export-nbd --example ramdisk -- [SOCKET [MIB]]`.
//!
//! For measuring the server without a store below it, and for trying clients.

use std::{error::Error, path::PathBuf, sync::Arc};

use block::MemoryDevice;
use export_nbd::{Export, Listen, Options, Server};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let listen = match arguments.next() {
        Some(path) => Listen::Unix {
            path: PathBuf::from(path),
            mode: 0o600,
        },
        None => Listen::Tcp("127.0.0.1:10809".parse()?),
    };
    let mebibytes: u64 = arguments.next().map_or(Ok(64), |size| size.parse())?;
    let export = Export {
        name: "ramdisk".into(),
        description: format!("{mebibytes} MiB of memory"),
        disk: Arc::new(MemoryDevice::new(mebibytes << 20)?),
        read_only: false,
    };
    let server = Server::bind(listen, vec![export], Options::default()).await?;
    println!("{}", server.local_address());
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));
    tokio::signal::ctrl_c().await?;
    stop.cancel();
    println!("{:?}", running.await?);
    Ok(())
}
