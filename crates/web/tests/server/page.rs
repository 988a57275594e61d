//! The page and what protects it.

use crate::support::Device;

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let (_device, owner) = Device::claimed().await;
    for path in [
        "//",
        "//nowhere",
        "/hello",
        "/nowhere",
        "/state",
        "/openapi.json",
        "//api",
    ] {
        let answer = owner.get(path).await;
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none';"), "{path}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(
            answer.header("strict-transport-security"),
            None,
            "{path}: there is no TLS"
        );
        assert!(answer.header("access-control-allow-origin").is_none(), "{path}");
    }
    assert_eq!(owner.get("/state").await.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn people_get_the_page_and_scripts_get_the_truth() {
    let device = Device::unclaimed().await;
    let browser = device
        .client()
        .header("sec-fetch-mode", "navigate")
        .header("accept-encoding", "gzip");
    for path in ["//", "//index.html", "//disks/films", "//../../etc/passwd"] {
        let answer = browser.get(path).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{path}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{path}");
    }
    let script = device.client().header("sec-fetch-mode", "no-cors");
    script.get("//assets/gone-12345678.js").await.is(404, "not_found");
    browser.get("//api/v2/x").await.is(404, "not_found");
    browser.get("//api").await.is(404, "not_found");
    let posted = browser.send("POST", "//", Some("{}".to_owned())).await;
    posted.is(405, "invalid");
}
