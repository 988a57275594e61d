//! Microsoft Entra tokens from a pluggable source, cached and renewed before they end.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use http::HeaderValue;
use serde::Deserialize;
use tokio::sync::watch;
use url::Url;

use crate::{
    Secret,
    error::{AzureError, Result},
};

/// The audience of storage tokens, the same in all clouds.
pub(super) const STORAGE_SCOPE: &str = "https://storage.azure.com/.default";

/// A token and how long it is good for.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token itself.
    pub token: Secret,
    /// When it ends, on the monotonic clock: the wall clock of a small board may jump.
    pub expires: Instant,
}

/// Where tokens come from: client credentials, device code, managed identity.
#[async_trait]
pub trait TokenSource: Send + Sync + 'static {
    /// Gets a new token. Called by one caller at a time.
    async fn token(&self) -> Result<AccessToken>;
}

/// Keeps the token of a source and renews it in time.
pub struct TokenCache {
    shared: Arc<Shared>,
}

/// What the callers share with the task that fetches.
struct Shared {
    source: Box<dyn TokenSource>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<AccessToken>,
    /// The fetch under way; it says how it went when it ends.
    fetching: Option<watch::Receiver<Option<Result<Secret>>>>,
    /// Since when, how often in a row, and why fetching failed.
    failed: Option<(Instant, u32, AzureError)>,
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenCache")
    }
}

/// A token is renewed when it has less than this left.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// A token with less than this left is not used any more.
const UNUSABLE_BEFORE: Duration = Duration::from_secs(20);
/// Pause after the first fetch that failed; doubled for every further one.
const BACK_OFF: Duration = Duration::from_millis(500);
/// Longest pause while there is no token at all, and while the old one can be used yet.
const LONGEST_BACK_OFF: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(60));

impl TokenCache {
    /// A cache in front of `source`.
    #[must_use]
    pub fn new(source: impl TokenSource) -> Arc<Self> {
        let shared = Shared {
            source: Box::new(source),
            state: Mutex::default(),
        };
        Arc::new(Self {
            shared: Arc::new(shared),
        })
    }

    /// A token that is good for a while. One task fetches, however many ask; while the old token lasts nobody waits.
    pub async fn get(&self) -> Result<Secret> {
        let mut fetching = {
            let mut state = self.shared.state();
            if let Some(token) = state.lasting(RENEW_BEFORE) {
                return Ok(token);
            }
            let usable = state.lasting(UNUSABLE_BEFORE);
            match (state.pause(usable.is_some()), usable) {
                (Some(_), Some(token)) => return Ok(token),
                (Some(error), None) => return Err(error),
                (None, usable) => {
                    let fetching = self.fetch(&mut state);
                    if let Some(token) = usable {
                        return Ok(token);
                    }
                    fetching
                }
            }
        };
        let cut_short = || AzureError::unreachable("token", "fetching it was cut short");
        let fetched = fetching.wait_for(Option::is_some).await.map_err(|_| cut_short())?;
        fetched.clone().unwrap_or_else(|| Err(cut_short()))
    }

    /// Joins the fetch that is under way, or starts one. It does not end with the request that needs it.
    fn fetch(&self, state: &mut State) -> watch::Receiver<Option<Result<Secret>>> {
        let under_way = state.fetching.as_ref().filter(|fetch| fetch.has_changed().is_ok());
        if let Some(fetch) = under_way {
            return fetch.clone();
        }
        let (sender, receiver) = watch::channel(None);
        let shared = self.shared.clone();
        tokio::spawn(async move {
            let fetched = shared.source.token().await;
            let told = fetched.as_ref().map(|fresh| fresh.token.clone()).map_err(Clone::clone);
            shared.state().fetched(fetched);
            sender.send_replace(Some(told));
        });
        state.fetching = Some(receiver.clone());
        receiver
    }

    /// Forgets the token: the service did not accept it.
    pub fn invalidate(&self) {
        self.shared.state().current = None;
    }

    /// Forgets the token that was sent in the header `Authorization`, unless there is a newer one.
    pub(crate) fn refused(&self, authorization: Option<&HeaderValue>) {
        let sent = authorization
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let mut state = self.shared.state();
        if state.current.as_ref().map(|current| current.token.expose()) == sent {
            state.current = None;
        }
    }
}

impl Shared {
    /// A change of state is whole whatever panics elsewhere.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lasting(&self, at_least: Duration) -> Option<Secret> {
        let token = self.current.as_ref()?;
        (token.expires > Instant::now() + at_least).then(|| token.token.clone())
    }

    /// Why nothing is fetched just now: it failed a moment ago.
    fn pause(&self, usable: bool) -> Option<AzureError> {
        let (at, times, error) = self.failed.as_ref()?;
        let (without, with) = LONGEST_BACK_OFF;
        let longest = if usable { with } else { without };
        let pause = longest.min(BACK_OFF * 2u32.saturating_pow((times - 1).min(10)));
        (at.elapsed() < pause).then(|| error.clone())
    }

    fn fetched(&mut self, fetched: Result<AccessToken>) {
        self.fetching = None;
        match fetched {
            Ok(fresh) => {
                self.current = Some(fresh);
                self.failed = None;
            }
            Err(error) => {
                let times = self.failed.as_ref().map_or(0, |(_, times, _)| *times);
                self.failed = Some((Instant::now(), times.saturating_add(1), error));
            }
        }
    }
}

/// An application registered in Microsoft Entra ID, with a client secret.
///
/// Source: "OAuth 2.0 client credentials flow on the Microsoft identity platform".
pub struct ClientCredentials {
    http: reqwest::Client,
    url: Url,
    client_id: String,
    secret: Secret,
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCredentials({})", self.client_id)
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Secret,
    expires_in: u64,
}

#[derive(Deserialize)]
struct TokenRefusal {
    error: String,
    #[serde(default)]
    error_codes: Vec<u32>,
}

impl ClientCredentials {
    /// The application `client_id` of `tenant`; `authority` is `https://login.microsoftonline.com` or another cloud's.
    ///
    /// # Errors
    ///
    /// [`Invalid`](AzureError::Invalid) if the authority is no HTTPS URL (or HTTP to this machine).
    pub fn new(http: reqwest::Client, authority: &Url, tenant: &str, client_id: &str, secret: Secret) -> Result<Self> {
        let loopback = matches!(authority.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if authority.scheme() != "https" && !loopback {
            return Err(AzureError::invalid("authority", "must start with https://"));
        }
        let good = !tenant.is_empty()
            && tenant
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        if !good {
            return Err(AzureError::invalid(
                "tenant",
                "must be the directory (tenant) id or its domain name",
            ));
        }
        let url = authority
            .join(&format!("/{tenant}/oauth2/v2.0/token"))
            .map_err(|error| AzureError::invalid("authority", error.to_string()))?;
        Ok(Self {
            http,
            url,
            client_id: client_id.to_owned(),
            secret,
        })
    }
}

#[async_trait]
impl TokenSource for ClientCredentials {
    async fn token(&self) -> Result<AccessToken> {
        let object = "Microsoft Entra ID";
        let sent = Instant::now();
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", self.secret.expose())
            .append_pair("scope", STORAGE_SCOPE)
            .finish();
        let answer = self
            .http
            .post(self.url.clone())
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .timeout(Duration::from_secs(10))
            .body(form)
            .send()
            .await
            .map_err(|error| AzureError::unreachable(object, crate::client::describe(&error)))?;
        let status = answer.status();
        let body = crate::client::bounded_body(answer, 64 << 10, object)
            .await?
            .into_bytes();
        if status.is_success() {
            let answer: TokenAnswer = serde_json::from_slice(&body)
                .map_err(|_| AzureError::protocol(object, "the token answer has no token in it"))?;
            return Ok(AccessToken {
                token: answer.access_token,
                expires: sent + Duration::from_secs(answer.expires_in.min(7 * 24 * 3600)),
            });
        }
        if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
            return Err(AzureError::unreachable(object, format!("it answered {status}")));
        }
        let refusal: TokenRefusal = serde_json::from_slice(&body).unwrap_or(TokenRefusal {
            error: status.to_string(),
            error_codes: Vec::new(),
        });
        // The description repeats what was sent, so that only the number is passed on.
        let why = match refusal.error_codes.first() {
            Some(7_000_215) => "the client secret is wrong; enter its value, not its id".to_owned(),
            Some(7_000_222) => {
                "the client secret has expired; create a new one under \"Certificates & secrets\"".to_owned()
            }
            Some(700_016) => "the application (client) id is unknown in this tenant".to_owned(),
            Some(90_002) => "the tenant does not exist".to_owned(),
            Some(code) => format!("AADSTS{code}"),
            None => refusal
                .error
                .chars()
                .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' '))
                .take(60)
                .collect(),
        };
        Err(AzureError::denied(object, why))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt;

    use super::*;

    struct Counting {
        calls: Arc<AtomicUsize>,
        lifetime: Duration,
    }

    #[async_trait]
    impl TokenSource for Counting {
        async fn token(&self) -> Result<AccessToken> {
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(AccessToken {
                token: Secret::new(format!("token-{call}")),
                expires: Instant::now() + self.lifetime,
            })
        }
    }

    #[tokio::test]
    async fn many_callers_fetch_one_token() {
        let calls = Arc::new(AtomicUsize::new(0));
        let cache = TokenCache::new(Counting {
            calls: calls.clone(),
            lifetime: Duration::from_secs(3600),
        });
        let all = futures::future::join_all((0..20).map(|_| cache.get())).await;
        assert!(all.into_iter().all(|token| token.unwrap().expose() == "token-0"));
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        cache.invalidate();
        assert_eq!(cache.get().await.unwrap().expose(), "token-1");
    }

    #[tokio::test]
    async fn a_token_is_renewed_before_it_ends() {
        let calls = Arc::new(AtomicUsize::new(0));
        let cache = TokenCache::new(Counting {
            calls: calls.clone(),
            lifetime: Duration::from_secs(200),
        });
        // Less than five minutes left: it is renewed, and nobody waits for that.
        assert_eq!(cache.get().await.unwrap().expose(), "token-0");
        assert_eq!(cache.get().await.unwrap().expose(), "token-0");
        while cache.get().await.unwrap().expose() == "token-0" {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_fetch_outlives_the_request_that_asked_for_it() {
        let calls = Arc::new(AtomicUsize::new(0));
        let cache = TokenCache::new(Counting {
            calls: calls.clone(),
            lifetime: Duration::from_secs(3600),
        });
        drop(Box::pin(cache.get()).now_or_never());
        assert_eq!(cache.get().await.unwrap().expose(), "token-0");
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_refusal_of_an_old_token_keeps_the_new_one() {
        let calls = Arc::new(AtomicUsize::new(0));
        let cache = TokenCache::new(Counting {
            calls,
            lifetime: Duration::from_secs(3600),
        });
        assert_eq!(cache.get().await.unwrap().expose(), "token-0");
        let header = |token: &str| HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        cache.refused(Some(&header("token-0")));
        assert_eq!(cache.get().await.unwrap().expose(), "token-1");
        cache.refused(Some(&header("token-0")));
        assert_eq!(cache.get().await.unwrap().expose(), "token-1");
    }

    struct Failing(Arc<AtomicUsize>);

    #[async_trait]
    impl TokenSource for Failing {
        async fn token(&self) -> Result<AccessToken> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(AzureError::unreachable("Microsoft Entra ID", "it answered 503"))
        }
    }

    #[tokio::test]
    async fn a_source_that_fails_is_not_asked_by_every_request() {
        let calls = Arc::new(AtomicUsize::new(0));
        let cache = TokenCache::new(Failing(calls.clone()));
        for _ in 0..100 {
            assert!(cache.get().await.unwrap_err().to_string().contains("503"));
        }
        assert!(calls.load(Ordering::Relaxed) < 50, "there are pauses in between");
    }
}
