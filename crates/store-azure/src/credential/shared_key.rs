//! Shared Key authorisation: a signature over every request with the account's key.
//!
//! Source: "Authorize with Shared Key" in the Azure Storage REST reference.

use std::{borrow::Cow, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, Method, header};
use ring::hmac;
use url::Url;

use crate::{
    Secret,
    error::{AzureError, Result},
};

/// An account and its key, ready to sign.
pub struct SharedKey {
    account: String,
    key: hmac::Key,
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedKey({})", self.account)
    }
}

impl SharedKey {
    /// The key of `account`, in base64 as the portal shows it.
    ///
    /// # Errors
    ///
    /// [`Invalid`](AzureError::Invalid) if it is not base64.
    pub fn new(account: &str, key: &Secret) -> Result<Self> {
        let bytes = STANDARD.decode(key.expose().trim()).map(zeroize::Zeroizing::new);
        match bytes {
            Ok(bytes) if !bytes.is_empty() => Ok(Self {
                account: account.to_owned(),
                key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            }),
            _ => Err(AzureError::invalid(
                "account key",
                "is not complete; copy it again from \"Access keys\" in the portal, with the == at its end",
            )),
        }
    }

    /// Name of the account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The base64 HMAC-SHA256 of `text`, as shared access signatures use it too.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        STANDARD.encode(hmac::sign(&self.key, text.as_bytes()))
    }

    /// The value of the `Authorization` header.
    pub(crate) fn authorization(&self, method: &Method, url: &Url, headers: &HeaderMap) -> String {
        let signature = self.sign(&string_to_sign(&self.account, method, url, headers));
        format!("SharedKey {}:{signature}", self.account)
    }
}

/// The string that is signed, for version 2015-02-21 and later (an empty body has an empty length).
fn string_to_sign(account: &str, method: &Method, url: &Url, headers: &HeaderMap) -> String {
    let value = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let length = match value(header::CONTENT_LENGTH) {
        "0" => "",
        other => other,
    };
    let mut out = String::with_capacity(512);
    out.push_str(method.as_str());
    for part in [
        value(header::CONTENT_ENCODING),
        value(header::CONTENT_LANGUAGE),
        length,
        value(HeaderName::from_static("content-md5")),
        value(header::CONTENT_TYPE),
        // Date: empty, since x-ms-date is sent.
        "",
        value(header::IF_MODIFIED_SINCE),
        value(header::IF_MATCH),
        value(header::IF_NONE_MATCH),
        value(header::IF_UNMODIFIED_SINCE),
        value(header::RANGE),
    ] {
        out.push('\n');
        out.push_str(part);
    }
    out.push('\n');
    canonical_headers(headers, &mut out);
    canonical_resource(account, url, &mut out);
    out
}

fn canonical_headers(headers: &HeaderMap, out: &mut String) {
    let mut names: Vec<&str> = headers
        .keys()
        .map(HeaderName::as_str)
        .filter(|name| name.starts_with("x-ms-"))
        .collect();
    names.sort_unstable();
    for name in names {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        out.push_str(name);
        out.push(':');
        out.push_str(value.trim());
        out.push('\n');
    }
}

fn canonical_resource(account: &str, url: &Url, out: &mut String) {
    out.push('/');
    out.push_str(account);
    out.push_str(url.path());
    let mut pairs: Vec<(String, Cow<'_, str>)> = url
        .query_pairs()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    pairs.sort();
    let mut last = None;
    for (name, value) in &pairs {
        if last == Some(name) {
            out.push(',');
        } else {
            out.push('\n');
            out.push_str(name);
            out.push(':');
        }
        out.push_str(value);
        last = Some(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    /// The example of the reference page for Get Container Metadata.
    #[test]
    fn the_string_of_the_reference() {
        let url =
            Url::parse("https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata").unwrap();
        let headers = headers(&[
            ("x-ms-version", "2015-02-21"),
            ("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT"),
        ]);
        assert_eq!(
            string_to_sign("myaccount", &Method::GET, &url, &headers),
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n\
             /myaccount/mycontainer\ncomp:metadata\nrestype:container"
        );
    }

    #[test]
    fn repeated_parameters_are_joined_and_bodies_counted() {
        let url =
            Url::parse("http://127.0.0.1:1/devstoreaccount1/c/a%20b?include=snapshots&include=metadata&Comp=page")
                .unwrap();
        let headers = headers(&[
            ("content-length", "512"),
            ("content-md5", "abc=="),
            ("if-match", "\"x\""),
        ]);
        assert_eq!(
            string_to_sign("devstoreaccount1", &Method::PUT, &url, &headers),
            "PUT\n\n\n512\nabc==\n\n\n\n\"x\"\n\n\n\n/devstoreaccount1/devstoreaccount1/c/a%20b\ncomp:page\ninclude:metadata,snapshots"
        );
    }

    /// RFC 4231, test case 2, in base64.
    #[test]
    fn the_hmac_of_the_rfc() {
        let key = SharedKey::new("abc", &Secret::new(STANDARD.encode("Jefe"))).unwrap();
        let hex: Vec<u8> = (0..32)
            .map(|i| {
                u8::from_str_radix(
                    &"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"[2 * i..2 * i + 2],
                    16,
                )
                .unwrap()
            })
            .collect();
        assert_eq!(key.sign("what do ya want for nothing?"), STANDARD.encode(hex));
    }

    #[test]
    fn half_a_key_is_refused_without_repeating_it() {
        let error = SharedKey::new("abc", &Secret::new("planted!")).unwrap_err().to_string();
        assert!(error.contains("copy it again") && !error.contains("planted"));
    }
}
