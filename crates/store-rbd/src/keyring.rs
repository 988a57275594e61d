//! Keyrings: the files with cephx users and their keys.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    Secret,
    conf::ini::{self, IniError},
};

/// Users and their keys.
#[derive(Debug, Clone)]
pub struct Keyring {
    entries: Vec<(String, Secret)>,
}

/// What is wrong with a keyring or key. Never quotes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is no keyring.
    #[error(
        "this is no keyring: {0}; it has [client.NAME] and under it key = …, as `ceph auth get client.NAME` prints it"
    )]
    Syntax(String),
    /// The key is no cephx key.
    #[error("the key of {0} is no cephx key, which has 40 characters and ends with ==; copy it again, whole")]
    Key(String),
    /// No key for the user.
    #[error("the keyring has no key for client.{user}; it has {known}")]
    Missing {
        /// Without `client.`.
        user: String,
        /// Who is in it.
        known: String,
    },
}

impl From<IniError> for KeyError {
    fn from(error: IniError) -> Self {
        Self::Syntax(error.to_string())
    }
}

impl Keyring {
    /// Reads the text of a keyring. Capabilities and the like in it are of no interest to a client.
    ///
    /// # Errors
    ///
    /// The line, and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut entries: Vec<(String, Secret)> = Vec::new();
        for section in ini::parse(text)? {
            if section.name.len() > 128 || section.name.chars().any(|c| c.is_whitespace() || c.is_control()) {
                return Err(KeyError::Syntax("a heading is no name of a user".to_owned()));
            }
            if let Some(entry) = section.entries.iter().rfind(|entry| entry.key == "key") {
                check_key(&section.name, &entry.value)?;
                entries.retain(|(name, _)| *name != section.name);
                entries.push((section.name, Secret::new(entry.value.as_str())));
            }
        }
        if entries.is_empty() {
            return Err(KeyError::Syntax("there is no key in it".to_owned()));
        }
        Ok(Self { entries })
    }

    /// The key of `client.user`.
    ///
    /// # Errors
    ///
    /// Names who is in the keyring.
    pub fn key_of(&self, user: &str) -> Result<&Secret, KeyError> {
        let wanted = format!("client.{user}");
        let found = self.entries.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, key)| key).ok_or_else(|| KeyError::Missing {
            user: user.to_owned(),
            known: self.users().join(", "),
        })
    }

    /// Who is in it, as `client.NAME`.
    #[must_use]
    pub fn users(&self) -> Vec<&str> {
        self.entries.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The user, without `client.`, of a keyring with a single client in it.
    #[must_use]
    pub fn only_user(&self) -> Option<&str> {
        let mut clients = self.entries.iter().filter_map(|(name, _)| name.strip_prefix("client."));
        let first = clients.next()?;
        clients.next().is_none().then_some(first)
    }
}

/// Whether `key` can be a cephx key of `user`: base64 of a type, the time it was made, a length and so many bytes
/// (`CryptoKey::encode` in `src/auth/Crypto.cc`).
pub(crate) fn check_key(user: &str, key: &str) -> Result<(), KeyError> {
    let wrong = || KeyError::Key(user.to_owned());
    let bytes = zeroize::Zeroizing::new(STANDARD.decode(key).map_err(|_| wrong())?);
    let (head, secret) = bytes.split_at_checked(12).ok_or_else(wrong)?;
    let length = usize::from(u16::from_le_bytes([head[10], head[11]]));
    // 1 is AES-128 (16 bytes); newer clusters make 2, AES-256 (32 bytes).
    let kind = u16::from_le_bytes([head[0], head[1]]);
    if matches!((kind, length), (1, 16) | (2, 32)) && secret.len() == length {
        Ok(())
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A key of the right form: type 1, a time, 16 bytes.
    pub(crate) fn key(fill: u8) -> String {
        let mut bytes = vec![1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 0];
        bytes.extend([fill; 16]);
        STANDARD.encode(bytes)
    }

    #[test]
    fn a_keyring_as_ceph_prints_it() {
        let text = format!(
            "[client.admin]\n\tkey = {}\n\tcaps mds = \"allow *\"\n\tcaps mon = \"allow *\"\n[client.tv]\nkey={}\n",
            key(1),
            key(2)
        );
        let keyring = Keyring::parse(&text).unwrap();
        assert_eq!(keyring.key_of("tv").unwrap().expose(), key(2));
        assert_eq!(keyring.users(), ["client.admin", "client.tv"]);
        assert_eq!(keyring.only_user(), None);
        let error = keyring.key_of("radio").unwrap_err().to_string();
        assert!(error.contains("client.radio") && error.contains("client.tv"), "{error}");
    }

    #[test]
    fn nothing_of_a_key_is_shown() {
        let text = format!("[client.tv]\nkey = {}\n", key(1));
        let keyring = Keyring::parse(&text).unwrap();
        assert!(!format!("{keyring:?}").contains(&key(1)));
        for text in [
            format!("[client.tv]\nkey = {}x\n", key(1)),
            format!("{}\n", key(1)),
            format!("[client.tv]\n{}\n", key(1)),
            format!("[client.tv]\nkey = \"{}\n", key(1)),
            format!("[client.tv]\nkey = {}\n", &key(1)[..20]),
        ] {
            let error = Keyring::parse(&text).unwrap_err();
            assert!(!format!("{error:?} {error}").contains(&key(1)[..20]), "{error}");
        }
    }

    #[test]
    fn only_cephx_keys_are_keys() {
        assert_eq!(check_key("tv", &key(9)), Ok(()));
        for text in ["", "AQ==", "not base64!", &STANDARD.encode([0; 28]), &key(1)[..39]] {
            assert!(check_key("tv", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_text_without_keys_is_no_keyring() {
        for text in [
            "",
            "[client.tv]\n",
            "[client.tv]\ncaps mon = \"allow r\"\n",
            "[a b]\nkey = x\n",
        ] {
            assert!(Keyring::parse(text).is_err(), "{text:?}");
        }
    }
}
