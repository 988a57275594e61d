//! Who may do what: the claim, passwords, sessions, tokens.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::Secret;

/// What anybody may know: enough for the page to decide what to show first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hello {
    /// Always `cloud-stick`.
    pub product: String,
    /// Version of the software.
    pub version: String,
    /// What its owner calls the device.
    pub name: String,
    /// Whether it has an owner.
    pub claimed: bool,
    /// Whether this request comes with a valid session or token.
    pub signed_in: bool,
    /// While unclaimed: whether the board's button has just opened a claim without a code.
    #[serde(default)]
    pub button_pressed: bool,
}

/// Makes the sender the owner of the device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The claim code. Not needed within five minutes after the button was pressed.
    pub code: Option<Secret>,
    /// The owner's new password, 8 to 128 characters.
    pub password: Secret,
    /// What the device is to be called: letters, digits and hyphens, as in a host name.
    pub name: Option<String>,
}

/// The code that claims the device.
#[derive(Serialize, ToSchema)]
pub struct ClaimCode {
    /// The code, such as `K7WM-3XQA`.
    pub code: String,
}

impl std::fmt::Debug for ClaimCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClaimCode(…)")
    }
}

/// A password for a session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The owner's password.
    pub password: Secret,
}

/// A session of a browser. The session itself is an HttpOnly cookie.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// To be sent as `x-csrf-token` with everything but GET.
    pub csrf_token: String,
    /// When it ends unless it is used before.
    #[serde(with = "time::serde::rfc3339")]
    pub expires: OffsetDateTime,
}

/// What a browser says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Browser {
    Chrome,
    #[serde(rename = "curl")]
    Curl,
    Edge,
    Firefox,
    Opera,
    Safari,
    #[serde(rename = "Samsung Internet")]
    Samsung,
}

/// What a browser says that it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub enum System {
    Android,
    #[serde(rename = "ChromeOS")]
    ChromeOs,
    #[serde(rename = "iOS")]
    Ios,
    Linux,
    #[serde(rename = "macOS")]
    MacOs,
    Windows,
}

/// A browser that is signed in, as its owner knows it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedInBrowser {
    /// By which it is signed out.
    pub id: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// When it was used last, to the hour.
    #[serde(with = "time::serde::rfc3339")]
    pub used: OffsetDateTime,
    /// The address from which it signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
    /// What it says that it is, if that is a known one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<Browser>,
    /// What it says that it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
    /// Whether all of it went over TLS.
    pub encrypted: bool,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// A new password. Ends all other sessions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Passwords {
    /// The one until now.
    pub current: Secret,
    /// The one from now on.
    pub new: Secret,
}

/// A token for a script, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// By which it is revoked.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// When it was used last.
    #[serde(
        with = "time::serde::rfc3339::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub used: Option<OffsetDateTime>,
    /// Whether it may only look.
    pub read_only: bool,
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What to call it.
    pub name: String,
    /// Whether it may only look.
    #[serde(default)]
    pub read_only: bool,
}

/// A token just made: the only time its secret is shown.
#[derive(Serialize, ToSchema)]
pub struct TokenMade {
    /// What is known of it from now on.
    #[serde(flatten)]
    pub token: Token,
    /// To be sent as `authorization: Bearer …`.
    pub secret: String,
}

impl std::fmt::Debug for TokenMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenMade")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
