//! Names that are not ours.

use serde_json::json;

use crate::support::{Device, Setup};

#[tokio::test]
async fn foreign_names_get_nothing() {
    let (_device, owner) = Device::claimed().await;
    let foreign = [
        "evil.example",
        "my-stick.local.evil.example",
        "192.0.2.1",
        "127.0.0.2",
        "",
        "a@127.0.0.1",
        "[::1]",
    ];
    for host in foreign {
        let client = owner.clone().host(host);
        let api = client.get("/hello").await;
        assert!(matches!(api.status, 400 | 403), "{host}: {api:?}");
        let page = client.get("//").await;
        assert!(matches!(page.status, 400 | 403), "{host}: {page:?}");
    }
}

#[tokio::test]
async fn our_own_names_do() {
    let setup = Setup::new().with(|options| options.allowed_hosts = vec!["stick.fritz.box".to_owned()]);
    let device = setup.start().await;
    let owner = device.claim().await;
    let port = device.server.http()[0].port();
    let good = |host: &str| {
        let client = device.client().host(host);
        async move { client.get("/hello").await.status }
    };
    for host in [
        "my-stick.local",
        "MY-STICK.LOCAL:80",
        "localhost",
        "stick.fritz.box",
        "127.0.0.1",
    ] {
        assert_eq!(good(host).await, 200, "{host}");
    }
    assert_eq!(good(&format!("localhost:{port}")).await, 200);
    assert_eq!(owner.put("/device/name", json!({"name": "Films"})).await.status, 200);
    assert_eq!(good("films.local").await, 200);
    assert_eq!(good("my-stick.local").await, 403);
}
