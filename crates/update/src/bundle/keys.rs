//! The public keys that a system accepts bundles from: one PEM file for each channel, `CHANNEL.pem`, as `openssl rsa -pubout` writes
//! them.

use std::{fs, io, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use crate::{Error, Result};

/// The key of a channel.
#[derive(Debug, Clone)]
pub struct Key {
    /// The file's name without `.pem`.
    pub channel: String,
    /// `RSAPublicKey` of RFC 8017, A.1.1.
    rsa: Vec<u8>,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// Those of a folder. Without one there are none, and every bundle is refused.
    ///
    /// # Errors
    /// [`Error::System`] if a file is no key; [`Error::Card`].
    pub fn load(folder: &Path) -> Result<Self> {
        let mut keys = Vec::new();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::card(folder)(error)),
        };
        for entry in entries {
            let path = entry.map_err(Error::card(folder))?.path();
            if path.extension().is_none_or(|extension| extension != "pem") {
                continue;
            }
            let text = fs::read_to_string(&path).map_err(Error::card(&path))?;
            let rsa = rsa_of_pem(&text).ok_or_else(|| Error::System {
                what: path.display().to_string(),
                detail: "it holds no RSA key in PEM (BEGIN PUBLIC KEY)".to_owned(),
            })?;
            let channel = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            keys.push(Key { channel, rsa });
        }
        keys.sort_by(|a, b| a.channel.cmp(&b.channel));
        Ok(Self(keys))
    }

    /// The channels, by name.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.channel.as_str())
    }

    /// Whose signature this is.
    pub(super) fn who_signed(&self, text: &[u8], signature: &[u8]) -> Option<&Key> {
        self.0.iter().find(|key| {
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key.rsa);
            key.verify(text, signature).is_ok()
        })
    }
}

/// `AlgorithmIdentifier` of RSA (RFC 3279, 2.3.1), and the tag of the bit string after it.
const RSA: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03,
];

/// The key in a `SubjectPublicKeyInfo` (RFC 5280, 4.1): a sequence of the algorithm and a bit string that holds the key.
fn rsa_of_pem(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN PUBLIC KEY-----")?;
    let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
    let body: String = body.split_whitespace().collect();
    let der = BASE64_STANDARD.decode(body).ok()?;
    let content = content(der.strip_prefix(&[0x30])?)?;
    let bits = self::content(content.strip_prefix(RSA)?)?;
    // How many bits of the last byte do not count: none.
    bits.strip_prefix(&[0]).map(<[u8]>::to_vec)
}

/// What follows a length (X.690, 8.1.3), which must be all there is.
fn content(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = match bytes {
        [0x82, a, b, rest @ ..] => (usize::from(u16::from_be_bytes([*a, *b])), rest),
        [0x81, a, rest @ ..] => (usize::from(*a), rest),
        [a @ ..=0x7f, rest @ ..] => (usize::from(*a), rest),
        _ => return None,
    };
    (rest.len() == length).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Keys::load(&folder.path().join("none")).unwrap().channels().count(), 0);
        fs::write(folder.path().join("README"), "no key").unwrap();
        assert_eq!(Keys::load(folder.path()).unwrap().channels().count(), 0);
        let file = folder.path().join("release.pem");
        for text in ["", "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n"] {
            fs::write(&file, text).unwrap();
            let error = Keys::load(folder.path()).unwrap_err();
            assert!(error.to_string().contains("release.pem"), "{error}");
        }
    }
}
