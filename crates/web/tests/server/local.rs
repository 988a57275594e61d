//! The command line on the machine itself.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _, time::Duration};

use serde_json::json;
use web::server::Server;

use crate::support::{Client, Fake, Setup};

fn setup() -> Setup {
    Setup::new().with(|options| options.socket = Some(options.folder.join("web.sock")))
}

#[tokio::test]
async fn the_socket_is_its_owners_and_needs_no_claim() {
    let device = setup().start().await;
    let mode = fs::metadata(device.file("web.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let local = device.local();
    assert_eq!(local.get("/state").await.status, 200);
    assert_eq!(local.put("/device/name", json!({"name": "films"})).await.status, 200);
    assert_eq!(local.get("/hello").await.json()["signed_in"], true);
    assert_eq!(local.get("/hello").await.json()["claimed"], false);
    let mut stream = local.events("").await.unwrap();
    assert_eq!(stream.next().await.unwrap()["event"], "state");
    let path = device.file("web.sock");
    device.server.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn the_socket_of_a_dead_daemon_is_replaced_that_of_a_living_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let start = || async {
        let mut options = web::server::Options::new(folder.path().to_owned());
        options.socket = Some(path.clone());
        Server::start(options, Fake::new(folder.path().join("images"))).await
    };
    let first = start().await.unwrap();
    let second = start().await.err().expect("two daemons on one socket");
    assert!(second.to_string().contains("web.sock"), "{second}");
    first.stop().await;
    start().await.unwrap();
}

#[tokio::test]
async fn a_taken_port_closes_no_other_door_and_opens_when_it_is_free() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let device = setup()
        .with(|options| {
            options.http.insert(0, address);
            options.limits.reopen = Duration::from_millis(20);
        })
        .start()
        .await;
    assert_eq!(device.local().get("/state").await.status, 200);
    assert!(!device.server.http().contains(&address));
    assert_eq!(device.client().get("/hello").await.status, 200, "the other port");
    drop(taken);
    let mut open = device.server.open();
    let opened = open.wait_for(|open| open.http.contains(&address));
    tokio::time::timeout(Duration::from_secs(60), opened)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(Client::tcp(address).get("/hello").await.status, 200);
    device.server.stop().await;
}
