//! How requests are authorised: account key, shared access signature or Microsoft Entra token.

mod sas;
mod shared_key;
mod token;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use url::Url;

pub use sas::{Right, Sas};
pub use shared_key::SharedKey;
pub use token::{AccessToken, ClientCredentials, TokenCache, TokenSource};

use crate::error::{AzureError, Result};

/// What proves to the service who we are. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The account's key: all rights on the whole account.
    SharedKey(Arc<SharedKey>),
    /// A signature somebody made with a key, with limited rights and time.
    Sas(Arc<Sas>),
    /// Tokens of Microsoft Entra ID.
    Bearer(Arc<TokenCache>),
}

impl Credential {
    /// What messages call it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SharedKey(_) => "account key",
            Self::Sas(_) => "shared access signature",
            Self::Bearer(_) => "Microsoft Entra token",
        }
    }

    /// Adds what proves our identity to a request. Must come last: it signs what is there.
    pub(crate) async fn authorize(&self, method: &http::Method, url: &mut Url, headers: &mut HeaderMap) -> Result<()> {
        let value = match self {
            Self::SharedKey(key) => key.authorization(method, url, headers),
            Self::Sas(sas) => {
                let query = match url.query() {
                    Some(query) => format!("{query}&{}", sas.query()),
                    None => sas.query().to_owned(),
                };
                url.set_query(Some(&query));
                return Ok(());
            }
            Self::Bearer(cache) => format!("Bearer {}", cache.get().await?.expose()),
        };
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| AzureError::invalid(self.kind(), "holds characters that no header may have"))?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
        Ok(())
    }
}
