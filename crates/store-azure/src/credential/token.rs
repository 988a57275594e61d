//! Microsoft Entra tokens from a pluggable source, cached and renewed before they end.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde::Deserialize;
use url::Url;

use crate::{
    error::{AzureError, Result},
    secret::Secret,
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
    source: Box<dyn TokenSource>,
    current: Mutex<Option<AccessToken>>,
    renewing: tokio::sync::Mutex<()>,
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

impl TokenCache {
    /// A cache in front of `source`.
    #[must_use]
    pub fn new(source: impl TokenSource) -> Arc<Self> {
        Arc::new(Self {
            source: Box::new(source),
            current: Mutex::new(None),
            renewing: tokio::sync::Mutex::new(()),
        })
    }

    /// A token that is good for a while. One caller fetches, the others go on with the old one while it lasts.
    pub async fn get(&self) -> Result<Secret> {
        if let Some(token) = self.lasting(RENEW_BEFORE) {
            return Ok(token);
        }
        let usable = self.lasting(UNUSABLE_BEFORE);
        let _turn = match (self.renewing.try_lock(), usable.clone()) {
            (Ok(turn), _) => turn,
            (Err(_), Some(token)) => return Ok(token),
            (Err(_), None) => self.renewing.lock().await,
        };
        if let Some(token) = self.lasting(RENEW_BEFORE) {
            return Ok(token);
        }
        match (self.source.token().await, usable) {
            (Ok(fresh), _) => {
                let token = fresh.token.clone();
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
                Ok(token)
            }
            (Err(_), Some(token)) => Ok(token),
            (Err(error), None) => Err(error),
        }
    }

    /// Forgets the token: the service did not accept it.
    pub fn invalidate(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn lasting(&self, at_least: Duration) -> Option<Secret> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let token = current.as_ref()?;
        (token.expires > Instant::now() + at_least).then(|| token.token.clone())
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
        cache.get().await.unwrap();
        assert_eq!(
            cache.get().await.unwrap().expose(),
            "token-1",
            "less than five minutes left"
        );
    }
}
