//! The proxy is transparent until told otherwise, and then does exactly what it was told.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::ErrorKind,
    net::SocketAddr,
    time::{Duration, Instant},
};

use testkit::{
    TcpProxy,
    proxy::{Cut, Delay, Direction},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

const LIMIT: Duration = Duration::from_secs(30);

/// A server that sends back what it gets.
struct Echo {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                    let _ = to.shutdown().await;
                });
            }
        });
        Self { address, task }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn start() -> (Echo, TcpProxy) {
    let echo = Echo::start().await;
    let proxy = TcpProxy::start(echo.address, 1).await.unwrap();
    (echo, proxy)
}

/// Sends `data`, closes the sending side, and returns all that comes back.
async fn round_trip(proxy: &TcpProxy, data: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(proxy.address()).await?;
    let (mut from, mut to) = stream.split();
    let send = async {
        to.write_all(data).await?;
        to.shutdown().await
    };
    let mut back = Vec::new();
    let receive = from.read_to_end(&mut back);
    let done = timeout(LIMIT, async { tokio::try_join!(send, receive) })
        .await
        .expect("the proxy hangs");
    done.map(|_| back)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 + i / 251) as u8).collect()
}

#[tokio::test]
async fn a_healthy_proxy_changes_nothing() {
    let (_echo, proxy) = start().await;
    let data = pattern(3_000_000);
    assert_eq!(round_trip(&proxy, &data).await.unwrap(), data);
    let counters = proxy.counters();
    assert_eq!((counters.connections, counters.cuts, counters.flipped), (1, 0, 0));
    assert_eq!((counters.to_server, counters.to_client), (3_000_000, 3_000_000));
}

#[tokio::test]
async fn delayed_bytes_keep_their_order_and_come_no_earlier() {
    let (_echo, proxy) = start().await;
    proxy.set_delay(Delay {
        fixed: Duration::from_millis(40),
        jitter: Duration::from_millis(30),
    });
    let data = pattern(500_000);
    let start = Instant::now();
    assert_eq!(round_trip(&proxy, &data).await.unwrap(), data);
    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn bandwidth_is_a_limit_for_all_connections_together() {
    let (_echo, proxy) = start().await;
    proxy.set_bandwidth(Some(2_000_000));
    let data = pattern(200_000);
    let start = Instant::now();
    let (first, second) = tokio::join!(round_trip(&proxy, &data), round_trip(&proxy, &data));
    assert_eq!((first.unwrap(), second.unwrap()), (data.clone(), data));
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_cut_ends_present_connections_and_no_later_ones() {
    let (_echo, proxy) = start().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    stream.read_u8().await.unwrap();
    proxy.cut(Cut::Reset);
    let error = timeout(LIMIT, stream.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(round_trip(&proxy, b"again").await.unwrap(), b"again");
    assert_eq!(proxy.counters().cuts, 1);
}

#[tokio::test]
async fn an_answer_is_truncated_at_the_byte() {
    let (_echo, proxy) = start().await;
    proxy.cut_after(Direction::ToClient, 70_001, Cut::Close);
    let data = pattern(200_000);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    // All that the client sends must have been taken, or the proxy's close would turn into a reset.
    let (mut from, mut to) = stream.split();
    let mut back = Vec::new();
    let send = async {
        let _ = to.write_all(&data).await;
    };
    let receive = async {
        let _ = from.read_to_end(&mut back).await;
    };
    timeout(LIMIT, async { tokio::join!(send, receive) }).await.unwrap();
    assert!(back.len() <= 70_001);
    assert_eq!(back, data[..back.len()]);
    assert_eq!(proxy.counters().to_client, 70_001);
    assert_eq!(round_trip(&proxy, &data).await.unwrap(), data);
}

#[tokio::test]
async fn a_message_that_fits_before_the_cut_is_complete() {
    let (_echo, proxy) = start().await;
    proxy.cut_after(Direction::ToServer, 1000, Cut::Reset);
    assert_eq!(round_trip(&proxy, &pattern(1000)).await.unwrap(), pattern(1000));
    assert!(round_trip(&proxy, b"one more").await.is_err());
    assert_eq!(proxy.counters().to_server, 1000);
}

#[tokio::test]
async fn a_black_hole_loses_nothing_when_it_ends() {
    let (_echo, proxy) = start().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"a").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'a');
    proxy.set_black_hole(true);
    stream.write_all(b"b").await.unwrap();
    let mut late = TcpStream::connect(proxy.address()).await.unwrap();
    late.write_all(b"c").await.unwrap();
    assert!(timeout(Duration::from_millis(100), stream.read_u8()).await.is_err());
    assert!(timeout(Duration::from_millis(1), late.read_u8()).await.is_err());
    proxy.heal();
    assert_eq!(timeout(LIMIT, stream.read_u8()).await.unwrap().unwrap(), b'b');
    assert_eq!(timeout(LIMIT, late.read_u8()).await.unwrap().unwrap(), b'c');
}

#[tokio::test]
async fn a_connection_in_a_black_hole_can_be_cut() {
    let (_echo, proxy) = start().await;
    proxy.set_black_hole(true);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    while proxy.counters().connections == 0 {
        tokio::task::yield_now().await;
    }
    proxy.cut(Cut::Reset);
    proxy.heal();
    assert!(timeout(LIMIT, stream.read_u8()).await.unwrap().is_err());
}

#[tokio::test]
async fn one_bit_is_flipped_at_the_byte() {
    let (_echo, proxy) = start().await;
    proxy.corrupt_after(Direction::ToClient, 123_456);
    let data = pattern(200_000);
    let mut expected = data.clone();
    expected[123_456] ^= 1;
    assert_eq!(round_trip(&proxy, &data).await.unwrap(), expected);
    assert_eq!(round_trip(&proxy, &data).await.unwrap(), data);
}

#[tokio::test]
async fn every_chunk_is_corrupted_when_it_is_certain() {
    let (_echo, proxy) = start().await;
    proxy.set_corruption(Direction::ToServer, 1.0);
    let data = pattern(100_000);
    let back = round_trip(&proxy, &data).await.unwrap();
    let flipped: u32 = back.iter().zip(&data).map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!(back.len(), data.len());
    assert!(flipped >= 1);
    assert_eq!(u64::from(flipped), proxy.counters().flipped);
}

#[tokio::test]
async fn refused_means_refused_until_it_accepts_again() {
    let (_echo, proxy) = start().await;
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    old.write_all(b"x").await.unwrap();
    old.read_u8().await.unwrap();
    proxy.refuse(false).await;
    let error = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    old.write_all(b"y").await.unwrap();
    assert_eq!(old.read_u8().await.unwrap(), b'y');
    proxy.refuse(true).await;
    assert!(timeout(LIMIT, old.read_u8()).await.unwrap().is_err());
    proxy.accept_again().await.unwrap();
    assert_eq!(round_trip(&proxy, b"back").await.unwrap(), b"back");
}

#[tokio::test]
async fn without_a_server_the_client_is_cut_off() {
    let port = testkit::Port::reserve().unwrap();
    let proxy = TcpProxy::start(port.address(), 1).await.unwrap();
    assert!(round_trip(&proxy, b"x").await.is_err());
}

#[tokio::test]
async fn dropping_it_ends_its_connections() {
    let (_echo, proxy) = start().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    stream.read_u8().await.unwrap();
    drop(proxy);
    assert!(timeout(LIMIT, stream.read_u8()).await.unwrap().is_err());
}
