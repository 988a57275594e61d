//! Secrets on their way in.

use std::fmt;

use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// A password, key or token on its way in. It cannot be serialised or printed, and its memory is wiped.
#[derive(Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = Password)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself. Whoever asks for it must not pass it on to logs, errors or answers.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
