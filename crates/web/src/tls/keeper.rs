//! The certificate in use.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::PrivateKeyDer,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use time::OffsetDateTime;

use super::{
    Subject, TlsError,
    certificate::{Kept, fingerprint},
};

/// Keeps a certificate in `tls.json` in a folder, readable by its owner only, and makes a new one when it has to.
pub(crate) struct Keeper {
    path: PathBuf,
    current: RwLock<Current>,
}

struct Current {
    kept: Kept,
    usable: Arc<CertifiedKey>,
}

impl Keeper {
    /// Reads the certificate, or makes another one for the same key if it does not suit any more, or the first one. Blocks.
    pub(crate) fn open(folder: &Path, subject: &Subject, now: OffsetDateTime) -> Result<Arc<Self>, TlsError> {
        let path = folder.join("tls.json");
        let kept = Kept::load(&path);
        let key = kept.as_ref().and_then(Kept::key_pair);
        let current = match kept.filter(|kept| kept.suits(subject, now)).map(Current::new) {
            Some(Ok(current)) => current,
            _ => Current::make(&path, subject, key, now)?,
        };
        Ok(Arc::new(Self {
            path,
            current: RwLock::new(current),
        }))
    }

    /// Makes another certificate if this one does not suit any more, for the same key unless the device has a new owner.
    /// Blocks.
    pub(crate) fn refresh(&self, subject: &Subject, new_key: bool, now: OffsetDateTime) -> Result<(), TlsError> {
        let key = {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            if !new_key && current.kept.suits(subject, now) {
                return Ok(());
            }
            current.kept.key_pair().filter(|_| !new_key)
        };
        let made = Current::make(&self.path, subject, key, now)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = made;
        tracing::info!(fingerprint = self.fingerprint(), "a new certificate");
        Ok(())
    }

    /// SHA-256 of the certificate, as browsers show it.
    pub(crate) fn fingerprint(&self) -> String {
        self.usable().cert.first().map(fingerprint).unwrap_or_default()
    }

    /// The certificate itself, in DER.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        self.usable().cert.first().map(|der| der.to_vec()).unwrap_or_default()
    }

    /// How to speak TLS with it.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(self.clone())));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn usable(&self) -> Arc<CertifiedKey> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .usable
            .clone()
    }
}

impl Current {
    fn new(kept: Kept) -> Result<Self, TlsError> {
        let damaged = || rustls::Error::General("what was kept is damaged".to_owned());
        let certificate = kept.certificate().ok_or_else(damaged)?;
        let key = PrivateKeyDer::Pkcs8(kept.key().ok_or_else(damaged)?);
        let usable = CertifiedKey::from_der(vec![certificate], key, &ring::default_provider())?;
        Ok(Self {
            kept,
            usable: Arc::new(usable),
        })
    }

    fn make(
        path: &Path,
        subject: &Subject,
        key: Option<rcgen::KeyPair>,
        now: OffsetDateTime,
    ) -> Result<Self, TlsError> {
        let kept = Kept::make(subject, key, now)?;
        kept.save(path)?;
        Self::new(kept)
    }
}

struct Resolver(Arc<Keeper>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.usable())
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

    use super::*;

    fn subject(name: &str) -> Subject {
        Subject {
            name: name.to_owned(),
            addresses: Vec::new(),
        }
    }

    #[test]
    fn a_certificate_lasts_over_restarts_and_damage_makes_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let open = || {
            Keeper::open(folder.path(), &subject("stick"), now)
                .unwrap()
                .fingerprint()
        };
        let first = open();
        assert_eq!(first.len(), 95, "{first}");
        assert_eq!(open(), first);
        let path = folder.path().join("tls.json");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert_ne!(open(), first);
    }

    #[test]
    fn a_name_that_changed_meanwhile_makes_a_new_certificate_for_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let open = |name, now| {
            let keeper = Keeper::open(folder.path(), &subject(name), now).unwrap();
            let key = keeper.current.read().unwrap().kept.key().unwrap();
            (keeper.fingerprint(), key.secret_pkcs8_der().to_vec())
        };
        let (first, key) = open("stick", now);
        assert_eq!(open("stick", OffsetDateTime::UNIX_EPOCH), (first.clone(), key.clone()));
        let (second, same_key) = open("other", now);
        assert_ne!(second, first);
        assert_eq!(same_key, key);
    }

    #[test]
    fn names_and_time_make_a_new_certificate_and_owners_a_new_key() {
        let folder = tempfile::tempdir().unwrap();
        let now = OffsetDateTime::now_utc();
        let keeper = Keeper::open(folder.path(), &subject("stick"), now).unwrap();
        let key = || {
            keeper
                .current
                .read()
                .unwrap()
                .kept
                .key()
                .unwrap()
                .secret_pkcs8_der()
                .to_vec()
        };
        let (first, first_key) = (keeper.fingerprint(), key());
        keeper.refresh(&subject("stick"), false, now).unwrap();
        assert_eq!(keeper.fingerprint(), first);
        keeper.refresh(&subject("other"), false, now).unwrap();
        let second = keeper.fingerprint();
        assert_ne!(second, first);
        assert_eq!(key(), first_key);
        keeper
            .refresh(&subject("other"), false, now + Duration::from_secs(790 * 24 * 3600))
            .unwrap();
        assert_ne!(keeper.fingerprint(), second);
        assert_eq!(key(), first_key);
        keeper.refresh(&subject("other"), true, now).unwrap();
        assert_ne!(key(), first_key);
    }
}
