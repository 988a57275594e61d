//! Account SAS tokens, made by other code than that under test.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;
use time::{OffsetDateTime, macros::format_description};

/// Version of the token's own format; the first with an encryption scope.
const VERSION: &str = "2021-12-02";

/// A query string (without `?`) that gives `permissions` (such as `rl`, or `rwdlacup` for all) on the blob service of
/// an account for `validity` from now on, over HTTP too.
///
/// <https://learn.microsoft.com/rest/api/storageservices/create-account-sas>
pub fn account_sas(account: &str, key: &str, permissions: &str, validity: Duration) -> Result<String> {
    let expiry = OffsetDateTime::from(SystemTime::now() + validity)
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"))?;
    let key = STANDARD.decode(key).context("the account's key is not base64")?;
    let (services, types, protocols) = ("b", "sco", "https,http");
    // Empty lines: start, address range, encryption scope.
    let to_sign = format!("{account}\n{permissions}\n{services}\n{types}\n\n{expiry}\n\n{protocols}\n{VERSION}\n\n");
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), to_sign.as_bytes());
    let signature = escape(&STANDARD.encode(signature));
    let expiry = escape(&expiry);
    Ok(format!(
        "sv={VERSION}&ss={services}&srt={types}&sp={permissions}&se={expiry}&spr={}&sig={signature}",
        escape(protocols)
    ))
}

/// Percent-encodes what the values above can hold and a query must not.
fn escape(text: &str) -> String {
    text.replace('%', "%25")
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
        .replace(':', "%3A")
        .replace(',', "%2C")
}
