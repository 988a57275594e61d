//! A line to the service that is slow: requests take as long as they take, and none is sent in vain.

mod support;

use std::{net::SocketAddr, time::Duration, time::Instant};

use block::{BlockDevice, Payload};
use futures::future::join_all;
use store_azure::{AzureConfig, AzureSecret, Client, ClientOptions, Container, IoSettings, Secret, http_client};
use support::{MIB, azurite, open_settings, random, read, unique};
use testkit::TcpProxy;

/// An attempt is given up after this time without a byte.
const SILENCE: Duration = Duration::from_secs(3);
/// Bytes per second of the line.
const RATE: u64 = 512 << 10;
const WRITE: u64 = 512 << 10;
const WRITES: u64 = 8;

#[tokio::test]
async fn what_takes_far_longer_than_silence_may_gets_through_at_the_speed_of_the_line() {
    let azurite = azurite().await;
    let upstream: SocketAddr = ([127, 0, 0, 1], azurite.port()).into();
    let proxy = TcpProxy::start(upstream, 7).await.expect("a proxy");
    let secret = AzureSecret::ConnectionString(Secret::new(azurite.connection_string_at(&proxy.http_origin())));
    let by_config = AzureConfig::new("unused")
        .client(&secret)
        .expect("a valid configuration");
    let client = Client::new(
        http_client(None, SILENCE, 16).expect("a pool"),
        by_config.endpoint().clone(),
        by_config.credential().clone(),
        ClientOptions {
            concurrency: 16,
            deadline: Duration::from_secs(120),
            silence: SILENCE,
        },
    );
    let container = Container::new(client, &unique("slow")).expect("a name");
    container.create().await.expect("a new container");
    let blob = container.blob("tv", None).expect("a name");
    blob.create(WRITES * WRITE, &Default::default())
        .await
        .expect("a new blob");
    let disk = store_azure::open(&blob, "slow/tv", &open_settings(IoSettings::default()))
        .await
        .expect("a free disk");

    let data = random(1, (WRITES * WRITE) as usize);
    proxy.set_bandwidth(Some(RATE));
    let (start, before) = (Instant::now(), proxy.counters().to_server);
    let writes = data
        .chunks(WRITE as usize)
        .zip(0u64..)
        .map(|(part, at)| disk.write(at * WRITE, Payload::from(part.to_vec()), Default::default()));
    for result in join_all(writes).await {
        result.expect("written, however long it took");
    }
    let sent = proxy.counters().to_server - before;
    // Sent all at once, each of them would have been under way for as long as all of them together.
    assert!(start.elapsed() > SILENCE * 2, "the line was slow");
    assert!(
        sent < data.len() as u64 * 3 / 2,
        "{sent} bytes for {} of data",
        data.len()
    );

    proxy.heal();
    assert_eq!(read(&disk, 0, (4 * MIB) as u32).await, data);
    disk.close().await.expect("closed");
}
