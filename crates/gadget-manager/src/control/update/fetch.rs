//! A bundle from an address.
//!
//! By TLS, so that nobody on the way can hold back what is new without being noticed, nor see what is fetched; that nobody can
//! change it is what the signature is for. Without TLS only from this device itself.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use tokio::sync::mpsc;
use url::{Host, Url};
use web::{
    api::{Problem, ProblemCode},
    appliance::Result,
};

/// How long a server may take to be connected to, and between two pieces of its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a server may send us elsewhere.
const REDIRECTS: usize = 5;
/// How many pieces may wait for the card.
pub(super) const WAITING: usize = 16;

/// Refuses addresses that nothing is fetched from.
pub(super) fn check(url: &str) -> Result<Url> {
    let wrong = |detail: &str, remedy: &str| Problem::new(ProblemCode::Invalid, detail).remedy(remedy).at("/url");
    let url = Url::parse(url).map_err(|_| {
        wrong(
            "this is no address",
            "an address looks like https://example.org/cloud-stick.swu",
        )
    })?;
    match is_allowed(&url) {
        true => Ok(url),
        false => Err(wrong(
            "updates are fetched by HTTPS only",
            "give an address that begins with https://",
        )),
    }
}

fn is_allowed(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_here(url),
        _ => false,
    }
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Whether these may lead to that. A server elsewhere must not make us ask what listens on this device only.
fn may_lead(previous: &[Url], next: &Url) -> bool {
    is_allowed(next) && (next.scheme() == "https" || previous.iter().all(is_here))
}

/// Passes the file on, or what is wrong. Ends when nobody wants it any more.
pub(super) async fn fetch(url: Url, to: mpsc::Sender<Result<Bytes>>) {
    let server = url.host_str().unwrap_or_default().to_owned();
    let work = async {
        let mut answer = client()?
            .get(url)
            .send()
            .await
            .map_err(|error| unreachable(&server, &error))?;
        if !answer.status().is_success() {
            let detail = format!("{server} answers with {}", answer.status());
            return Err(Problem::new(ProblemCode::Unreachable, detail).remedy("check the address"));
        }
        while let Some(part) = answer.chunk().await.map_err(|error| unreachable(&server, &error))? {
            if to.send(Ok(part)).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    tokio::select! {
        result = work => if let Err(problem) = result {
            // If nobody listens, they know more.
            let _ = to.send(Err(problem)).await;
        },
        // Refused after its first bytes: the rest need not come.
        () = to.closed() => {}
    }
}

/// That of the stores, which trusts the system's authorities; but servers of downloads send elsewhere, and are slow.
fn client() -> Result<reqwest::Client> {
    let redirect = reqwest::redirect::Policy::custom(|attempt| match attempt {
        attempt if attempt.previous().len() > REDIRECTS => attempt.error("too many redirections"),
        attempt if !may_lead(attempt.previous(), attempt.url()) => {
            attempt.error("redirected to an address without HTTPS")
        }
        attempt => attempt.follow(),
    });
    let fault = |error: &dyn std::error::Error| super::internal(format!("cannot make an HTTP client: {error}"));
    let tls = store_azure::tls_config(None).map_err(|error| fault(&error))?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(redirect)
        .connect_timeout(PATIENCE)
        .read_timeout(PATIENCE)
        .user_agent(concat!("cloud-stick/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| fault(&error))
}

/// Without the address, which may hold a signature.
fn unreachable(server: &str, error: &reqwest::Error) -> Problem {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Problem::new(
        ProblemCode::Unreachable,
        format!("{server} cannot be read from: {cause}"),
    )
    .remedy("check the address, and the device's network and clock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_device_leads_to_itself_without_tls() {
        let may = |way: &[&str]| {
            let mut urls: Vec<_> = way.iter().map(|url| Url::parse(url).unwrap()).collect();
            let next = urls.pop().unwrap();
            may_lead(&urls, &next)
        };
        let (here, there) = ("http://localhost:8080/x", "https://example.org/x");
        let (local, encrypted) = ("http://127.0.0.1/x", "https://localhost/x");
        assert!(may(&[here, encrypted, local]));
        assert!(may(&[here, there, "https://example.net/x"]));
        assert!(!may(&[there, here]));
        assert!(!may(&[here, there, local]));
        assert!(!may(&[there, encrypted, local]));
        assert!(!may(&[here, "http://example.org/x"]));
    }

    #[test]
    fn only_addresses_with_tls_or_of_this_device_are_fetched_from() {
        for good in [
            "https://example.org/x.swu",
            "http://127.0.0.1:8080/x",
            "http://localhost/x",
            "http://[::1]/x",
        ] {
            check(good).unwrap();
        }
        for bad in [
            "http://example.org/x.swu",
            "http://10.0.2.2/x",
            "http://127.0.0.1.example.org/x",
            "file:///etc/shadow",
            "ftp://example.org/x",
            "x.swu",
        ] {
            let problem = check(bad).unwrap_err();
            assert_eq!(
                (problem.code, problem.field.as_deref()),
                (ProblemCode::Invalid, Some("/url")),
                "{bad}"
            );
        }
    }
}
