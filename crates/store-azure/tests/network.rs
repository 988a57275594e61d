//! A bad network between the disk and a real service: cut connections, flipped bits, silence.

mod support;

use std::{net::SocketAddr, sync::Arc};

use block::{BlockDevice, BlockError, Payload};
use rand::{Rng, SeedableRng, rngs::StdRng};
use store_azure::{AzureConfig, AzureSecret, AzureStore, Secret};
use support::{MIB, azurite, disk, random, read, unique, write};
use testkit::{
    TcpProxy,
    proxy::{Cut, Direction},
};

async fn behind_proxy() -> (TcpProxy, AzureStore) {
    let azurite = azurite().await;
    let upstream: SocketAddr = ([127, 0, 0, 1], azurite.port()).into();
    let proxy = TcpProxy::start(upstream, 7).await.expect("a proxy");
    let secret = AzureSecret::ConnectionString(Secret::new(azurite.connection_string_at(&proxy.http_origin())));
    let mut config = AzureConfig::new(&unique("net"));
    config.deadline_seconds = 30;
    let store = AzureStore::new(config, &secret).expect("a valid configuration");
    store.container().create().await.expect("a new container");
    (proxy, store)
}

#[tokio::test]
async fn connections_cut_under_writes_lose_nothing() {
    let (proxy, store) = behind_proxy().await;
    let disk = Arc::new(disk(&store, "tv", 4 * MIB).await);
    let mut numbers = StdRng::seed_from_u64(21);
    for round in 0..12 {
        let data: Vec<Vec<u8>> = (0..8).map(|lane| random(round * 8 + lane, 64 << 10)).collect();
        let (way, how) = match round % 4 {
            0 => (Direction::ToServer, Cut::Reset),
            1 => (Direction::ToServer, Cut::Close),
            2 => (Direction::ToClient, Cut::Reset),
            _ => (Direction::ToClient, Cut::Close),
        };
        proxy.cut_after(way, numbers.random_range(0..200_000), how);
        let writes = (0u64..)
            .zip(&data)
            .map(|(lane, data)| disk.write(lane * 128 * 1024, Payload::from(data.clone()), Default::default()));
        for result in futures::future::join_all(writes).await {
            result.expect("written, whatever the network did");
        }
        for (lane, data) in (0u64..).zip(&data) {
            assert_eq!(read(&*disk, lane * 128 * 1024, 64 << 10).await, *data, "round {round}");
        }
        proxy.heal();
    }
    assert!(proxy.counters().cuts > 0, "the network was bad");
    disk.close().await.expect("closed");
}

#[tokio::test]
async fn a_flipped_bit_on_the_way_is_never_delivered() {
    let (proxy, store) = behind_proxy().await;
    let disk = disk(&store, "tv", MIB).await;
    // Azurite computes the MD5 of small ranges; the bits flip in the data, the headers or anywhere.
    let data = random(5, 64 << 10);
    write(&disk, 0, data.clone()).await;
    for at in [50, 700, 3000, 20_000, 60_000] {
        proxy.corrupt_after(Direction::ToClient, at);
        match disk.read(0, 64 << 10).await {
            Ok(found) => assert_eq!(found.to_vec(), data),
            Err(error) => assert!(!matches!(error, BlockError::Fenced { .. }), "{error}"),
        }
        proxy.heal();
    }
    assert!(proxy.counters().flipped > 0, "bits were flipped");
    assert_eq!(read(&disk, 0, 64 << 10).await, data);
}
