//! Keys, signatures, tokens and certificates: what is accepted, what is refused in words, and that none is ever shown.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use block::store::{ImageRef, Store, Verdict};
use store_azure::{
    AccessToken, AzureConfig, AzureSecret, AzureStore, ClientCredentials, Secret, SharedKey, TokenCache, TokenSource,
};
use support::{MIB, azurite, raw, read, unique, write};
use testkit::{Azurite, azurite::Options};

fn config(azurite: &Azurite, container: &str) -> AzureConfig {
    let mut config = AzureConfig::new(container);
    config.endpoint = Some(azurite.endpoint().parse().unwrap());
    config.ca_file = azurite.authority().map(Into::into);
    config
}

async fn round_trip(store: &AzureStore) {
    store.create("tv", &raw(MIB)).await.unwrap();
    let disk = store.open(&ImageRef::live("tv"), &Default::default()).await.unwrap();
    write(&*disk, 0, vec![7; 4096]).await;
    assert_eq!(read(&*disk, 0, 4096).await, vec![7; 4096]);
    disk.close().await.unwrap();
    let findings = store.diagnose(Some("tv")).await;
    assert!(
        findings.iter().all(|finding| finding.verdict != Verdict::Bad),
        "{findings:#?}"
    );
    store.delete("tv", true).await.unwrap();
}

/// A service SAS for a container, by the rules of "Create a service SAS" for version 2020-12-06 and later.
fn container_sas(azurite: &Azurite, container: &str, permissions: &str, expiry: &str) -> String {
    let resource = format!("/blob/{}/{container}", azurite.account());
    let version = "2021-12-02";
    let to_sign = format!("{permissions}\n\n{expiry}\n{resource}\n\n\n\n{version}\nc\n\n\n\n\n\n\n");
    let signature = SharedKey::new(azurite.account(), &Secret::new(azurite.key()))
        .unwrap()
        .sign(&to_sign);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([
        ("sv", version),
        ("sr", "c"),
        ("sp", permissions),
        ("se", expiry),
        ("sig", &signature),
    ]);
    query.finish()
}

#[tokio::test]
async fn account_and_service_signatures_work() {
    let azurite = azurite().await;
    let container = unique("sas");
    let account = AzureSecret::Sas(Secret::new(format!("?{}", azurite.sas().unwrap())));
    let store = AzureStore::new(config(azurite, &container), &account).unwrap();
    store.container().create().await.unwrap();
    round_trip(&store).await;
    assert!(store.client().containers().await.unwrap().contains(&container));
    assert!(store.warning().unwrap().contains("expires in"));
    let service = container_sas(azurite, &container, "racwdl", "2099-01-01T00:00:00Z");
    let store = AzureStore::new(config(azurite, &container), &AzureSecret::Sas(Secret::new(service))).unwrap();
    assert_eq!(store.warning(), None);
    round_trip(&store).await;
}

#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    let azurite = azurite().await;
    let store = support::store().await;
    store.create("tv", &raw(MIB)).await.unwrap();
    let container = store.container().name();
    let weak = AzureSecret::Sas(Secret::new(container_sas(
        azurite,
        container,
        "r",
        "2099-01-01T00:00:00Z",
    )));
    let store = AzureStore::new(config(azurite, container), &weak).unwrap();
    let error = store
        .open(&ImageRef::live("tv"), &Default::default())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("lacks a right"), "{error}");
    let reader = store.open(&ImageRef::live("tv"), &support::read_only()).await.unwrap();
    assert_eq!(reader.read(0, 512).await.unwrap().to_vec(), vec![0; 512]);
    let findings = store.diagnose(Some("tv")).await;
    let bad: Vec<&str> = findings
        .iter()
        .filter(|f| f.verdict == Verdict::Bad)
        .map(|f| f.check.as_str())
        .collect();
    assert!(
        bad.contains(&"right to list blobs") && bad.contains(&"right to write and lease the blob"),
        "{findings:#?}"
    );
    let lacks = findings
        .iter()
        .any(|f| f.detail.contains("it lacks Write, Create, Delete, List"));
    assert!(lacks, "{findings:#?}");
    let old = AzureSecret::Sas(Secret::new(container_sas(
        azurite,
        container,
        "racwdl",
        "2020-01-01T00:00:00Z",
    )));
    let store = AzureStore::new(config(azurite, container), &old).unwrap();
    let error = store.info(&ImageRef::live("tv")).await.unwrap_err().to_string();
    assert!(error.contains("expired on 2020-01-01"), "{error}");
}

#[tokio::test]
async fn a_wrong_key_is_told_as_one() {
    let azurite = azurite().await;
    let wrong = AzureSecret::AccountKey(Secret::new("d3Jvbmcga2V5IHdyb25nIGtleQ=="));
    let store = AzureStore::new(config(azurite, "disks"), &wrong).unwrap();
    let error = store.list().await.unwrap_err().to_string();
    assert!(error.contains("account key is wrong"), "{error}");
    let findings = store.diagnose(None).await;
    assert!(
        findings
            .iter()
            .any(|f| f.verdict == Verdict::Bad && f.check.starts_with("credential")),
        "{findings:#?}"
    );
}

struct Tokens(Mutex<u32>);

#[async_trait]
impl TokenSource for Tokens {
    async fn token(&self) -> store_azure::Result<AccessToken> {
        *self.0.lock().unwrap() += 1;
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = encode(serde_json::json!({"alg": "HS256", "typ": "JWT"}));
        let body = encode(serde_json::json!({
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
            "nbf": now - 60, "iat": now - 60, "exp": now + 3600,
        }));
        let token = Secret::new(format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode("unchecked")));
        Ok(AccessToken {
            token,
            expires: Instant::now() + Duration::from_secs(3600),
        })
    }
}

#[tokio::test]
async fn https_with_an_authority_of_ones_own_and_tokens() {
    let azurite = Azurite::start(Options {
        https: true,
        oauth: true,
        ..Options::default()
    })
    .await
    .unwrap();
    let tokens = AzureSecret::Tokens(TokenCache::new(Tokens(Mutex::new(0))));
    let store = AzureStore::new(config(&azurite, "disks"), &tokens).unwrap();
    store.container().create().await.unwrap();
    round_trip(&store).await;
    let key = AzureSecret::AccountKey(Secret::new(azurite.key()));
    round_trip(&AzureStore::new(config(&azurite, "disks"), &key).unwrap()).await;
    let mut untrusted = config(&azurite, "disks");
    untrusted.ca_file = None;
    // Long enough for one handshake on a busy machine; it is tried again until then, since another network may lie less.
    untrusted.deadline_seconds = 10;
    let error = AzureStore::new(untrusted, &key)
        .unwrap()
        .list()
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("ca_file"), "{error}");
}

/// A token endpoint that gives one answer and keeps what it was sent.
async fn token_endpoint(status: &'static str, body: String) -> (u16, tokio::task::JoinHandle<String>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serve = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut request = Vec::new();
        while !String::from_utf8_lossy(&request).contains("scope=") {
            assert!(
                stream.read_buf(&mut request).await.expect("a request") > 0,
                "the form is not whole"
            );
        }
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream
            .write_all((head + &body).as_bytes())
            .await
            .expect("a listening client");
        String::from_utf8_lossy(&request).into_owned()
    });
    (port, serve)
}

#[tokio::test]
async fn client_credentials_get_tokens_and_refusals_say_what_to_do() {
    let http = store_azure::http_client(None, Duration::from_secs(5), 1).unwrap();
    let source = |port: u16| {
        let authority = format!("http://127.0.0.1:{port}").parse().unwrap();
        let secret = Secret::new("planted/secret");
        ClientCredentials::new(http.clone(), &authority, "my-tenant", "my-app", secret).unwrap()
    };
    let good = serde_json::json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "the-token"});
    let (port, served) = token_endpoint("200 OK", good.to_string()).await;
    let token = source(port).token().await.unwrap();
    assert_eq!(token.token.expose(), "the-token");
    assert!(token.expires > Instant::now() + Duration::from_secs(3000));
    let request = served.await.unwrap();
    assert!(
        request.starts_with("POST /my-tenant/oauth2/v2.0/token HTTP/1.1"),
        "{request}"
    );
    assert!(
        request.contains("client_id=my-app&client_secret=planted%2Fsecret"),
        "{request}"
    );
    let bad = serde_json::json!({
        "error": "invalid_client", "error_codes": [7_000_215], "error_description": "you sent planted/secret",
    });
    let (port, _served) = token_endpoint("401 Unauthorized", bad.to_string()).await;
    let error = source(port).token().await.unwrap_err().to_string();
    assert!(
        error.contains("client secret is wrong") && !error.contains("planted"),
        "{error}"
    );
    let (port, _served) = token_endpoint("200 OK", "<html>planted</html>".to_owned()).await;
    let error = source(port).token().await.unwrap_err().to_string();
    assert!(
        error.contains("unusable answer") && !error.contains("planted"),
        "{error}"
    );
}

#[tokio::test]
async fn plain_http_elsewhere_is_refused() {
    let mut config = AzureConfig::new("disks");
    config.endpoint = Some("http://tvdisks.blob.core.windows.net".parse().unwrap());
    let key = AzureSecret::AccountKey(Secret::new("YQ=="));
    let error = AzureStore::new(config, &key).err().unwrap().to_string();
    assert!(error.contains("allow_http"), "{error}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Planted secrets, through everything that can go wrong, at the most talkative log level of all crates.
#[test]
fn no_secret_is_ever_shown() {
    const PLANTED: [&str; 3] = ["cGxhbnRlZC1rZXk=", "planted-signature", "planted-token"];
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut shown = String::new();
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let service = support::service::Service::start(1 << 20).await;
            let sas = "sv=2021-12-02&sr=c&sp=racwdl&se=2099-01-01&sig=planted-signature";
            let token = AccessToken {
                token: Secret::new("planted-token"),
                expires: Instant::now() + Duration::from_secs(3600),
            };
            struct Fixed(AccessToken);
            #[async_trait]
            impl TokenSource for Fixed {
                async fn token(&self) -> store_azure::Result<AccessToken> {
                    Ok(self.0.clone())
                }
            }
            let secrets = [
                AzureSecret::AccountKey(Secret::new(PLANTED[0])),
                AzureSecret::Sas(Secret::new(sas)),
                AzureSecret::ConnectionString(Secret::new(format!(
                    "BlobEndpoint={};SharedAccessSignature={sas}",
                    service.endpoint()
                ))),
                AzureSecret::Tokens(TokenCache::new(Fixed(token))),
            ];
            let fates: [fn() -> support::service::Fate; 4] = [
                || support::service::Fate::Normal,
                || support::service::Fate::LoseAnswer,
                || support::service::Fate::Instead(support::service::Answer::error(403, "AuthenticationFailed")),
                || support::service::Fate::Instead(support::service::Answer::error(409, "InvalidBlobType")),
            ];
            for secret in &secrets {
                for fate in fates {
                    service.script(move |_| fate());
                    service.blob.lock().unwrap().lease = None;
                    let mut config = AzureConfig::new("disks");
                    config.endpoint = Some(service.endpoint().parse().unwrap());
                    config.deadline_seconds = 2;
                    let store = AzureStore::new(config, secret).unwrap();
                    shown += &format!("{secret:?} {:?} {}", store.client(), store.describe());
                    for result in [
                        store.list().await.err(),
                        store.open(&ImageRef::live("tv"), &Default::default()).await.err(),
                        store
                            .restore("tv", "2026-01-01T00:00:00.0000000Z", &|_, _| {})
                            .await
                            .err(),
                    ] {
                        shown += &format!(
                            "{result:?} {}",
                            result.as_ref().map(ToString::to_string).unwrap_or_default()
                        );
                    }
                    shown += &format!("{:?}", store.diagnose(Some("tv")).await);
                }
            }
            // Nobody listens there at all.
            let mut config = AzureConfig::new("disks");
            config.endpoint = Some("http://127.0.0.1:9/devstoreaccount1".parse().unwrap());
            config.deadline_seconds = 2;
            let gone = AzureStore::new(config, &secrets[1]).unwrap();
            shown += &gone.list().await.unwrap_err().to_string();
        });
    });
    let mut all = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(all.contains("request failed"), "the log was on");
    all += &shown;
    for planted in PLANTED {
        assert!(
            !all.contains(planted),
            "{planted} was shown: {}",
            &all[all.find(planted).unwrap().saturating_sub(300)..][..400]
        );
    }
}
