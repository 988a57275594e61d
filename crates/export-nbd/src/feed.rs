//! A whole connection over memory, for fuzzing.

use std::{sync::Arc, time::Duration};

use block::{BlockError, MemoryDevice};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio_util::sync::CancellationToken;

use crate::{
    error::Disconnect,
    export::Export,
    server::{Options, converse},
};

/// Feeds everything a client sends to a server with two small exports ("" and "second") and collects what it answers.
///
/// Must neither panic nor hang, whatever the bytes are; memory stays within the megabyte of the client's budget (a
/// single request may be larger) and the disks' two.
#[doc(hidden)]
pub fn feed(stream: &[u8]) -> (Vec<u8>, Result<(), Disconnect>) {
    let options = Options {
        memory_per_client: 1 << 20,
        requests_per_client: 8,
        handshake_timeout: Duration::from_secs(5),
        grace: Duration::from_secs(5),
        ..Options::default()
    };
    let export = |name: &str, read_only| {
        Ok::<_, BlockError>(Export {
            name: name.to_owned(),
            description: "for fuzzing".to_owned(),
            disk: Arc::new(MemoryDevice::new(1 << 20)?),
            read_only,
        })
    };
    let (Ok(first), Ok(second)) = (export("", false), export("second", true)) else {
        return (Vec::new(), Ok(()));
    };
    let exports = [first, second];
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else {
        return (Vec::new(), Ok(()));
    };
    runtime.block_on(async {
        let (client, server) = duplex(4096);
        let (reader, writer) = split(server);
        let stop = CancellationToken::new();
        let serve = async {
            // Both halves are dropped at the end, so that the client sees it.
            converse(reader, writer, "fuzz", &exports, &options, &stop).await
        };
        let (mut receive, mut send) = split(client);
        let mut answer = Vec::new();
        let talk = async {
            // The server may hang up first.
            if send.write_all(stream).await.is_ok() {
                send.shutdown().await.ok();
            }
        };
        let listen = async { receive.read_to_end(&mut answer).await.ok() };
        let (ended, (), _) = tokio::join!(serve, talk, listen);
        (answer, ended)
    })
}
