//! Networks to join.

use std::fmt;

use zeroize::Zeroizing;

use crate::Ssid;

/// What a network is protected by: a passphrase of 8 to 63 bytes, or the 64 hexadecimal digits that would be made of one
/// (IEEE 802.11-2020, J.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<String>);

/// What cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too short or too long.
    #[error("the password of a network has 8 to 63 characters")]
    Length,
    /// Line feeds and the like.
    #[error("the password of a network has no control characters")]
    Control,
}

impl Key {
    /// Checks what somebody typed.
    pub fn new(text: impl Into<Zeroizing<String>>) -> Result<Self, KeyError> {
        let text = text.into();
        if text.chars().any(char::is_control) {
            return Err(KeyError::Control);
        }
        match text.len() {
            8..=63 => Ok(Self(text)),
            64 if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(Self(text)),
            _ => Err(KeyError::Length),
        }
    }

    /// The key itself. Not for the log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// As a value of `psk` of `wpa_supplicant`: a passphrase in quotes, which end at the last one.
    pub(crate) fn to_value(&self) -> Zeroizing<String> {
        match self.0.len() {
            64 => self.0.clone(),
            _ => Zeroizing::new(format!("\"{}\"", *self.0)),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// A network to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub ssid: Ssid,
    /// What protects it; nothing for an open one.
    pub key: Option<Key>,
    /// Whether it does not tell its name: it has to be asked for by it.
    pub hidden: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_the_standard_says_and_never_shown() {
        let key = |text: &str| Key::new(text.to_owned());
        assert_eq!(key("seven77"), Err(KeyError::Length));
        assert_eq!(key(&"x".repeat(64)), Err(KeyError::Length));
        assert_eq!(key("with\nline feed"), Err(KeyError::Control));
        assert_eq!(*key("four \"words\"").unwrap().to_value(), "\"four \"words\"\"");
        assert_eq!(key(&"aF".repeat(32)).unwrap().to_value().len(), 64);
        let network = Network {
            ssid: Ssid::new("net").unwrap(),
            key: Some(key("planted secret").unwrap()),
            hidden: false,
        };
        assert!(!format!("{network:?}").contains("planted"));
    }
}
