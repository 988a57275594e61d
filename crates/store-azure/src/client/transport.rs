//! The connection pool: HTTP/1.1 over rustls with *ring*.

use std::{error::Error, path::Path, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::error::{AzureError, Result};

/// A pool of connections that trusts the system's certificate authorities, or the built-in ones where the system has
/// none, and those in `ca_file` (PEM).
///
/// # Errors
///
/// [`Invalid`](AzureError::Invalid) if the file cannot be read or holds no certificate.
pub fn http_client(
    ca_file: Option<&Path>,
    connect_timeout: Duration,
    idle_connections: usize,
) -> Result<reqwest::Client> {
    let tls = tls_config(ca_file)?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(connect_timeout)
        .pool_max_idle_per_host(idle_connections)
        .pool_idle_timeout(Duration::from_secs(60))
        .tcp_keepalive(Duration::from_secs(10))
        // A connection that died without a word is given up before the attempt on it is, so that no later one uses it.
        .tcp_user_timeout(Duration::from_secs(5))
        .user_agent(concat!("cloud-stick/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| AzureError::invalid("HTTP client", describe(&error)))
}

/// TLS as [`http_client`] speaks it, for other clients.
///
/// # Errors
///
/// As [`http_client`].
pub fn tls_config(ca_file: Option<&Path>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(path) = ca_file {
        let object = format!("certificate file {}", path.display());
        let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| AzureError::invalid(&*object, format!("cannot be read as PEM: {error}")))?;
        if certificates.is_empty() {
            return Err(AzureError::invalid(object, "holds no certificate"));
        }
        for certificate in certificates {
            roots
                .add(certificate)
                .map_err(|error| AzureError::invalid(&*object, format!("holds an unusable certificate: {error}")))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| AzureError::invalid("TLS", error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What went wrong on the way, in words and without the URL: that may hold a signature.
#[must_use]
pub(crate) fn describe(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        source = inner.source();
    }
    let all = parts.join(": ");
    let remedy = if all.contains("UnknownIssuer") {
        "; its certificate is not signed by a known authority: for a private endpoint set ca_file"
    } else if all.contains("Expired") || all.contains("NotValidYet") {
        "; its certificate is not valid now: check this device's clock"
    } else if all.contains("dns error") || all.contains("failed to lookup") {
        "; its name is not known: check the account's name and this device's network"
    } else {
        ""
    };
    match (all.is_empty(), error.is_timeout()) {
        (true, true) => "no answer in time".to_owned(),
        (true, false) => "the request failed".to_owned(),
        _ => format!("{all}{remedy}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_file_that_is_none_is_named() {
        for content in ["", "planted"] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), content).unwrap();
            let error = tls_config(Some(file.path())).unwrap_err().to_string();
            assert!(error.contains(&*file.path().to_string_lossy()), "{error}");
        }
        assert!(tls_config(Some(Path::new("/does/not/exist"))).is_err());
        assert!(tls_config(None).is_ok());
    }
}
