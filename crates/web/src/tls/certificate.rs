//! Making, keeping and reading the certificate.

use std::{fs, io, net::IpAddr, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use ring::digest;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::TlsError;
use crate::access::{earliest, write_aside};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long a certificate is good for. Apple's systems refuse more than 825 days (HT210176).
const LIFE: Duration = Duration::from_secs(800 * 24 * 3600);
/// How long before its end a new one is made.
const EARLY: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The device's name: the certificate is for `NAME.local`.
    pub(crate) name: String,
    /// Addresses that it can also be reached by when the certificate is made. They do not make a new one necessary.
    pub(crate) addresses: Vec<IpAddr>,
}

impl Subject {
    fn host(&self) -> String {
        format!("{}.local", self.name.to_ascii_lowercase())
    }
}

/// A certificate and its key, as they are kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    host: String,
    #[serde(with = "time::serde::rfc3339")]
    begins: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    ends: OffsetDateTime,
    /// DER in base64.
    certificate: String,
    /// PKCS #8 in base64.
    key: Zeroizing<String>,
}

impl Kept {
    /// Makes a certificate, for a key that there is or a new one (ECDSA with P-256: what every browser takes, and a small
    /// processor signs with in milliseconds).
    pub(super) fn make(subject: &Subject, key: Option<KeyPair>, now: OffsetDateTime) -> Result<Self, TlsError> {
        let key = match key {
            Some(key) => key,
            None => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
        };
        let host = subject.host();
        let mut names = vec![host.clone(), "localhost".to_owned()];
        names.extend(subject.addresses.iter().map(IpAddr::to_string));
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, host.clone());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // A board without a battery may start in 1970, before it knows the time.
        let begins = now.max(earliest()) - DAY;
        let ends = begins + LIFE;
        (params.not_before, params.not_after) = (begins, ends);
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            host,
            begins,
            ends,
            certificate: STANDARD.encode(certificate.der()),
            key: Zeroizing::new(STANDARD.encode(key.serialized_der())),
        })
    }

    /// Reads what was kept; `None` if there is none that can be used.
    pub(super) fn load(path: &Path) -> Option<Self> {
        let text = match fs::read(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a new certificate has to be made");
                return None;
            }
        };
        let kept = serde_json::from_slice::<Self>(&text).ok();
        if kept.is_none() {
            tracing::warn!(path = %path.display(), "is damaged; a new certificate has to be made");
        }
        kept
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), TlsError> {
        let saved = serde_json::to_vec_pretty(self)
            .map_err(io::Error::from)
            .map(Zeroizing::new)
            .and_then(|text| write_aside(path, &text));
        saved.map_err(|source| TlsError::File {
            path: path.to_owned(),
            source,
        })
    }

    /// Whether it is for this device, and does not end for a while. One that has not begun was made when the clock was
    /// later: a board without a battery starts in the past each time.
    pub(super) fn suits(&self, subject: &Subject, now: OffsetDateTime) -> bool {
        self.host == subject.host() && now + EARLY < self.ends
    }

    pub(super) fn certificate(&self) -> Option<CertificateDer<'static>> {
        STANDARD.decode(&self.certificate).ok().map(CertificateDer::from)
    }

    pub(super) fn key(&self) -> Option<PrivatePkcs8KeyDer<'static>> {
        STANDARD.decode(self.key.as_bytes()).ok().map(PrivatePkcs8KeyDer::from)
    }

    /// The key for another certificate.
    pub(super) fn key_pair(&self) -> Option<KeyPair> {
        KeyPair::try_from(&self.key()?).ok()
    }
}

/// SHA-256 of a certificate as browsers show it.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let hash = digest::digest(&digest::SHA256, certificate);
    let pairs: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &str) -> Subject {
        Subject {
            name: name.to_owned(),
            addresses: vec![[127, 0, 0, 1].into()],
        }
    }

    #[test]
    fn a_certificate_suits_its_name_and_time() {
        let now = earliest() + 100 * DAY;
        let kept = Kept::make(&subject("Stick"), None, now).unwrap();
        assert!(kept.suits(&subject("stick"), now));
        assert!(!kept.suits(&subject("other"), now));
        assert!(kept.suits(&subject("stick"), now + 768 * DAY));
        assert!(!kept.suits(&subject("stick"), now + 770 * DAY));
        assert!(kept.suits(&subject("stick"), now - 2 * DAY));
        assert!(kept.suits(&subject("stick"), OffsetDateTime::UNIX_EPOCH));
    }

    #[test]
    fn a_board_that_starts_in_1970_keeps_its_certificate_when_it_learns_the_time() {
        let kept = Kept::make(&subject("stick"), None, OffsetDateTime::UNIX_EPOCH).unwrap();
        assert!(kept.suits(&subject("stick"), earliest() + 300 * DAY));
    }
}
