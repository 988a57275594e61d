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

#[tokio::test]
async fn in_a_network_of_our_own_foreign_names_lead_to_the_page_and_nowhere_else() {
    let (portal, watched) = tokio::sync::watch::channel(Some([127, 0, 0, 1].into()));
    let setup = Setup::new().with(|options| options.portal = Some(watched));
    let device = setup.start().await;
    let place = format!("http://127.0.0.1:{}/", device.server.http()[0].port());
    let probes = [
        ("connectivitycheck.gstatic.com", "//generate_204"),
        ("captive.apple.com", "//hotspot-detect.html"),
        ("www.msftconnecttest.com", "//connecttest.txt"),
        ("www.msftncsi.com", "//ncsi.txt"),
        ("192.0.2.1", "//"),
        ("evil.example", "//some/page"),
    ];
    for (host, path) in probes {
        let answer = device.client().host(host).get(path).await;
        assert_eq!(answer.status, 302, "{host}{path}: {answer:?}");
        assert_eq!(answer.header("location"), Some(place.as_str()));
        assert!(answer.body.is_empty() && answer.header("set-cookie").is_none());
    }
    let stranger = device.client().host("evil.example");
    assert_eq!(stranger.get("/hello").await.status, 403, "the API leads nowhere");
    let claim = json!({"code": device.code(), "password": "correct horse"});
    assert_eq!(stranger.post("/claim", claim).await.status, 403);
    assert_eq!(device.client().get("/hello").await.status, 200, "our own name");
    portal.send_replace(Some([127, 0, 0, 9].into()));
    assert_eq!(stranger.get("//").await.status, 403, "in another network");
    portal.send_replace(None);
    assert_eq!(stranger.get("//").await.status, 403);
}
