//! Azurite starts, serves, dies and comes back with its data.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use anyhow::{Context, Result};
use testkit::{
    Azurite, Process,
    azurite::{Options, Persistence},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A plain HTTP request; the answer's status and body.
async fn request(azurite: &Azurite, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(("127.0.0.1", azurite.port())).await?;
    let separator = if path.contains('?') { '&' } else { '?' };
    let target = format!("/{}{path}{separator}{}", azurite.account(), azurite.sas()?);
    let head = format!(
        "{method} {target} HTTP/1.0\r\nhost: 127.0.0.1\r\nx-ms-version: 2021-12-02\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .context("no end of the header")?;
    let status = std::str::from_utf8(&answer[9..12])?.parse()?;
    Ok((status, answer.split_off(end + 4)))
}

async fn create_disk(azurite: &Azurite) -> Result<()> {
    let (status, body) = request(azurite, "PUT", "/disks?restype=container", "", b"").await?;
    anyhow::ensure!(status == 201, "container: {status} {}", String::from_utf8_lossy(&body));
    let headers = "x-ms-blob-type: PageBlob\r\nx-ms-blob-content-length: 1048576\r\n";
    let (status, body) = request(azurite, "PUT", "/disks/disk", headers, b"").await?;
    anyhow::ensure!(status == 201, "blob: {status} {}", String::from_utf8_lossy(&body));
    Ok(())
}

async fn put_page(azurite: &Azurite, page: usize, fill: u8) -> Result<()> {
    let headers = format!(
        "x-ms-page-write: update\r\nx-ms-range: bytes={}-{}\r\n",
        page * 512,
        page * 512 + 511
    );
    let (status, body) = request(azurite, "PUT", "/disks/disk?comp=page", &headers, &[fill; 512]).await?;
    anyhow::ensure!(status == 201, "page: {status} {}", String::from_utf8_lossy(&body));
    Ok(())
}

#[tokio::test]
async fn pages_can_be_written_and_read_with_the_sas() {
    let azurite = Azurite::in_memory().await.unwrap();
    create_disk(&azurite).await.unwrap();
    put_page(&azurite, 3, 7).await.unwrap();
    let (status, body) = request(&azurite, "GET", "/disks/disk", "x-ms-range: bytes=1536-2047\r\n", b"")
        .await
        .unwrap();
    assert_eq!((status, body), (206, vec![7; 512]));
}

#[tokio::test]
async fn a_durable_one_keeps_every_acknowledged_page_through_a_kill() {
    let options = Options {
        persistence: Persistence::Durable,
        ..Options::default()
    };
    let mut azurite = Azurite::start(options).await.unwrap();
    create_disk(&azurite).await.unwrap();
    let port = azurite.port();
    for round in 0..3_u8 {
        let pages = usize::from(round) * 8..usize::from(round) * 8 + 8;
        for page in pages.clone() {
            put_page(&azurite, page, page as u8 + 1).await.unwrap();
        }
        azurite.kill().await.unwrap();
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
        azurite.restart().await.unwrap();
        for page in 0..pages.end {
            let range = format!("x-ms-range: bytes={}-{}\r\n", page * 512, page * 512 + 511);
            let (status, body) = request(&azurite, "GET", "/disks/disk", &range, b"").await.unwrap();
            assert_eq!(
                (status, body),
                (206, vec![page as u8 + 1; 512]),
                "page {page} after kill {round}"
            );
        }
    }
    assert_eq!(azurite.port(), port);
}

#[tokio::test]
async fn https_is_served_with_a_certificate_that_verifies() {
    let options = Options {
        https: true,
        oauth: true,
        ..Options::default()
    };
    let azurite = Azurite::start(options).await.unwrap();
    assert!(azurite.endpoint().starts_with("https://127.0.0.1:"));
    let client = Process::builder(testkit::program::locate("openssl"))
        .args([
            "s_client",
            "-verify_return_error",
            "-verify_ip",
            "127.0.0.1",
            "-brief",
            "-CAfile",
        ])
        .arg(azurite.authority().unwrap())
        .args(["-connect", &format!("127.0.0.1:{}", azurite.port())])
        .spawn()
        .unwrap();
    client
        .wait_for_line(Duration::from_secs(30), |line| line == "Verification: OK")
        .await
        .unwrap();
}

#[tokio::test]
async fn other_accounts_replace_the_default_one() {
    let options = Options {
        accounts: vec![("mystick".to_owned(), "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0".to_owned())],
        ..Options::default()
    };
    let azurite = Azurite::start(options).await.unwrap();
    create_disk(&azurite).await.unwrap();
    let expected = format!(
        "DefaultEndpointsProtocol=http;AccountName=mystick;AccountKey=c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0;\
         BlobEndpoint=http://127.0.0.1:{}/mystick;",
        azurite.port()
    );
    assert_eq!(azurite.connection_string(), expected);
}

#[tokio::test]
async fn oauth_without_https_is_refused() {
    let options = Options {
        oauth: true,
        ..Options::default()
    };
    assert!(Azurite::start(options).await.is_err());
}
