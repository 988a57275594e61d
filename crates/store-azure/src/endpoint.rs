//! Where an account answers, and the URLs below it.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, Url};

use crate::error::{AzureError, Result};

/// What is encoded in a path: everything but RFC 3986 "unreserved" and `/`. Blob names may hold almost anything.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b'$');

/// What is encoded in the value of a query parameter: all but RFC 3986 "unreserved".
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The URL of an account's blob service, with the account in the host (Azure) or in the path (Azurite).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    base: Url,
    account: String,
}

impl Endpoint {
    /// The endpoint at `url`; `account` where the URL does not tell (a private DNS name).
    ///
    /// Plain HTTP is allowed to this machine only, unless `allow_http` is set.
    ///
    /// # Errors
    ///
    /// [`Invalid`](AzureError::Invalid).
    pub fn new(url: &Url, account: Option<&str>, allow_http: bool) -> Result<Self> {
        let invalid = |detail: String| AzureError::invalid("endpoint", detail);
        let Some(host) = url.host() else {
            return Err(invalid("the URL has no host".to_owned()));
        };
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(invalid(
                "the URL must be scheme, host and path only; give a shared access signature as the secret".to_owned(),
            ));
        }
        let loopback = match &host {
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
            Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback || allow_http => {}
            "http" => {
                return Err(invalid(format!(
                    "plain HTTP to {host} would send data in the clear; use https://, or set allow_http = true"
                )));
            }
            other => return Err(invalid(format!("unknown scheme {other:?}; use https://"))),
        }
        let mut base = url.clone();
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        let in_path = path.trim_start_matches('/');
        if in_path.contains('/') {
            return Err(invalid("the path may hold the account name only".to_owned()));
        }
        let in_host = match &host {
            // Private links and DNS zones stand between the account and `.blob.`.
            Host::Domain(name) if name.contains(".blob.") => name.split('.').next().map(str::to_owned),
            _ => None,
        };
        let account = match account {
            Some(account) => account.to_owned(),
            None if !in_path.is_empty() => in_path.to_owned(),
            None => in_host
                .ok_or_else(|| invalid(format!("the account cannot be read from {host}; set account = \"...\"")))?,
        };
        check_account(&account)?;
        Ok(Self { base, account })
    }

    /// The endpoint of `account` in the public cloud or, with `suffix`, another one (`core.chinacloudapi.cn`).
    ///
    /// # Errors
    ///
    /// [`Invalid`](AzureError::Invalid) if the name cannot be an account's.
    pub fn of_account(account: &str, suffix: Option<&str>) -> Result<Self> {
        check_account(account)?;
        let text = format!("https://{account}.blob.{}", suffix.unwrap_or("core.windows.net"));
        let url = Url::parse(&text).map_err(|error| AzureError::invalid("endpoint suffix", error.to_string()))?;
        Self::new(&url, Some(account), false)
    }

    /// Name of the account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Scheme, host and path, without any secret.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.base.as_str()
    }

    /// Host and port to connect to.
    #[must_use]
    pub fn address(&self) -> (String, u16) {
        let host = self
            .base
            .host_str()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_owned();
        (host, self.base.port_or_known_default().unwrap_or(443))
    }

    /// The URL of something below the account: nothing, a container, or container and blob.
    #[must_use]
    pub(crate) fn url(&self, container: Option<&str>, blob: Option<&str>) -> Url {
        let mut url = self.base.clone();
        let mut path = self.base.path().trim_end_matches('/').to_owned();
        for part in [container, blob].into_iter().flatten() {
            path.push('/');
            path.extend(utf8_percent_encode(part, PATH));
        }
        url.set_path(&path);
        url
    }
}

/// The value of a query parameter or of a label in metadata, encoded.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

/// Text for an ASCII header, encoded where it is not plain.
pub(crate) fn encode_header(text: &str) -> String {
    const HEADER: &AsciiSet = &CONTROLS.add(b'%').add(b',');
    utf8_percent_encode(text, HEADER).to_string()
}

/// "Storage account name": 3 to 24 lower-case letters and digits.
fn check_account(account: &str) -> Result<()> {
    let good =
        (3..=24).contains(&account.len()) && account.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if good {
        Ok(())
    } else {
        Err(AzureError::invalid(
            "storage account name",
            "must be 3 to 24 lower-case letters and digits",
        ))
    }
}

/// "Naming and referencing containers": 3 to 63 of `a-z0-9-`, no dash at the ends or doubled; or `$root`.
///
/// # Errors
///
/// [`Invalid`](AzureError::Invalid).
pub fn check_container(name: &str) -> Result<()> {
    let letters = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let dashes = name.starts_with('-') || name.ends_with('-') || name.contains("--");
    if name == "$root" || ((3..=63).contains(&name.len()) && letters && !dashes) {
        Ok(())
    } else {
        Err(AzureError::invalid(
            format!("container name {name:?}"),
            "must be 3 to 63 lower-case letters, digits and single dashes",
        ))
    }
}

/// "Naming and referencing blobs": 1 to 1,024 characters; a `.` or `/` at the end and `.`/`..` segments are lost in URLs.
///
/// # Errors
///
/// [`Invalid`](AzureError::Invalid).
pub fn check_blob(name: &str) -> Result<()> {
    let bad = if name.is_empty() || name.chars().count() > 1024 {
        "must have 1 to 1,024 characters"
    } else if name.chars().any(|c| c.is_control() || matches!(c, '\\' | '@')) {
        "must not hold control characters, \"\\\" or \"@\""
    } else if name.split('/').any(|part| part.is_empty() || part.ends_with('.')) {
        "must not have empty parts or parts that end in \".\" between its \"/\""
    } else {
        return Ok(());
    };
    Err(AzureError::invalid(format!("blob name {name:?}"), bad))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Result<Endpoint> {
        Endpoint::new(&Url::parse(url).unwrap(), None, false)
    }

    #[test]
    fn the_account_is_in_the_host_or_in_the_path() {
        assert_eq!(
            endpoint("https://tvdisks.blob.core.windows.net").unwrap().account(),
            "tvdisks"
        );
        for host in [
            "tvdisks.privatelink.blob.core.windows.net",
            "tvdisks.z12.blob.storage.azure.net",
        ] {
            assert_eq!(endpoint(&format!("https://{host}")).unwrap().account(), "tvdisks");
        }
        let azurite = endpoint("http://127.0.0.1:10000/devstoreaccount1/").unwrap();
        assert_eq!(azurite.account(), "devstoreaccount1");
        let url = azurite.url(Some("disks"), Some("my tv/disk#1.vhd"));
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:10000/devstoreaccount1/disks/my%20tv/disk%231.vhd"
        );
        let cloud = Endpoint::of_account("tvdisks", None).unwrap();
        assert_eq!(cloud.url(None, None).as_str(), "https://tvdisks.blob.core.windows.net/");
        assert_eq!(
            cloud.url(Some("a"), None).as_str(),
            "https://tvdisks.blob.core.windows.net/a"
        );
    }

    #[test]
    fn plain_http_only_to_this_machine_or_when_told() {
        let url = Url::parse("http://tvdisks.blob.core.windows.net").unwrap();
        let error = Endpoint::new(&url, None, false).unwrap_err().to_string();
        assert!(error.contains("allow_http"), "{error}");
        assert!(Endpoint::new(&url, None, true).is_ok());
        assert!(endpoint("http://[::1]:1/devstoreaccount1").is_ok());
        assert!(endpoint("http://localhost:1/devstoreaccount1").is_ok());
        assert!(endpoint("http://localhost.example.com/devstoreaccount1").is_err());
    }

    #[test]
    fn names_are_checked_before_they_reach_a_url() {
        for good in ["abc", "a-b-c", "$root", "disks2"] {
            check_container(good).unwrap();
        }
        for bad in ["ab", "Abc", "a--b", "-ab", "ab-", "a_b", "../x", ""] {
            assert!(check_container(bad).is_err(), "{bad}");
        }
        for good in ["a", "tv.vhd", "folder/tv.img", "Küche #1"] {
            check_blob(good).unwrap();
        }
        for bad in ["", "a//b", "/a", "..", "a/../b", "a.", "a\\b", "a@b", "a\nb"] {
            assert!(check_blob(bad).is_err(), "{bad}");
        }
        assert!(endpoint("https://127.0.0.1/").is_err(), "no account");
        assert!(endpoint("https://a.blob.core.windows.net/x/y").is_err());
    }
}
