//! A request to the service, before it is dated and signed.

use std::sync::Arc;

use block::Payload;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use crate::error::{AzureError, Result};

/// Longest answer where nothing else is said; properties and empty answers are far shorter.
const SMALL: u64 = 64 << 10;

/// A request that can be sent again and again: nothing in it is used up.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Payload,
    /// What messages call the object asked for.
    pub(crate) object: Arc<str>,
    /// A longer answer is an error.
    pub(crate) max_answer: u64,
}

impl Request {
    /// A request without query, headers and body.
    pub(crate) fn new(method: Method, url: Url, object: Arc<str>) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::with_capacity(12),
            body: Payload::new(),
            object,
            max_answer: SMALL,
        }
    }

    /// Whether the method announces a length even when there is no body.
    pub(crate) fn has_body(&self) -> bool {
        self.method == Method::PUT || self.method == Method::POST
    }

    /// Adds parameters to the query; values are encoded here.
    pub(crate) fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        if pairs.is_empty() {
            return self;
        }
        let mut query = self.url.query().map(|query| format!("{query}&")).unwrap_or_default();
        for (at, (name, value)) in pairs.iter().enumerate() {
            if at > 0 {
                query.push('&');
            }
            query.push_str(name);
            query.push('=');
            query.push_str(&crate::endpoint::encode(value));
        }
        self.url.set_query(Some(&query));
        self
    }

    /// Adds a header whose value is known to be fit for one.
    pub(crate) fn fixed(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers
            .insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// Adds a number.
    pub(crate) fn number(mut self, name: &'static str, value: u64) -> Self {
        self.headers
            .insert(HeaderName::from_static(name), HeaderValue::from(value));
        self
    }

    /// Adds a header.
    ///
    /// # Errors
    ///
    /// [`Invalid`](AzureError::Invalid) if the value cannot stand in one.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Result<Self> {
        let invalid = || AzureError::invalid(name, "holds characters that cannot be sent");
        let header = HeaderName::try_from(name).map_err(|_| invalid())?;
        let value = HeaderValue::try_from(value).map_err(|_| invalid())?;
        self.headers.insert(header, value);
        Ok(self)
    }

    /// Adds the lease id, where there is one.
    pub(crate) fn lease(self, lease: Option<&str>) -> Result<Self> {
        match lease {
            Some(lease) => self.text("x-ms-lease-id", lease),
            None => Ok(self),
        }
    }

    /// Adds `x-ms-range` for `length` bytes (not zero) at `offset`.
    pub(crate) fn range(self, offset: u64, length: u64) -> Result<Self> {
        self.text("x-ms-range", &format!("bytes={offset}-{}", offset + length - 1))
    }

    /// Allows an answer of `bytes`.
    pub(crate) fn up_to(mut self, bytes: u64) -> Self {
        self.max_answer = bytes;
        self
    }
}
