//! Shared access signatures: what was pasted, what it allows and until when.
//!
//! Source: "Create a service SAS", "Create an account SAS" and "Create a user delegation SAS" of the REST reference.

use std::{fmt, time::Duration};

use time::{OffsetDateTime, PrimitiveDateTime, format_description::well_known::Rfc3339, macros::format_description};
use url::form_urlencoded;

use crate::{
    Secret,
    error::{AzureError, Result},
};

/// Longest text that is looked at.
const MAX_LENGTH: usize = 8 << 10;

/// A signature that runs out sooner than this is warned about.
pub(super) const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// One thing a signature may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// `r`: content, properties, page ranges.
    Read,
    /// `w`: content, properties, metadata, snapshots, leases.
    Write,
    /// `c`: new blobs, snapshots.
    Create,
    /// `a`: add (append); not needed by page blobs.
    Add,
    /// `d`: blobs, snapshots.
    Delete,
    /// `l`: what blobs there are.
    List,
}

impl Right {
    /// Those a disk needs for everything that can be done with it.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Create, Self::Delete, Self::List];

    /// The letter in `sp`.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Read => 'r',
            Self::Write => 'w',
            Self::Create => 'c',
            Self::Add => 'a',
            Self::Delete => 'd',
            Self::List => 'l',
        }
    }

    /// As the portal names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Create => "Create",
            Self::Add => "Add",
            Self::Delete => "Delete",
            Self::List => "List",
        }
    }
}

/// A shared access signature. Immutable; its `Debug` shows what it allows, not the signature.
#[derive(Clone, PartialEq, Eq)]
pub struct Sas {
    query: Secret,
    permissions: String,
    expiry: Option<OffsetDateTime>,
    start: Option<OffsetDateTime>,
    resource: Option<String>,
    https_only: bool,
}

impl fmt::Debug for Sas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sas(sp={}, se={:?})", self.permissions, self.expiry)
    }
}

impl Sas {
    /// Reads a signature pasted as a query string (with or without `?`) or as a whole "Blob SAS URL".
    ///
    /// # Errors
    ///
    /// [`Invalid`](AzureError::Invalid), which never repeats what was pasted.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_LENGTH {
            return Err(invalid("is too long"));
        }
        let clean: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\'' | '\u{feff}' | '\u{200b}'))
            .collect();
        let query = clean.split_once('?').map_or(clean.as_str(), |(_, query)| query);
        let mut sas = Self {
            query: Secret::new(""),
            permissions: String::new(),
            expiry: None,
            start: None,
            resource: None,
            https_only: false,
        };
        let (mut version, mut signature, mut identifier) = (false, false, false);
        let mut kept = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "sig" => signature = !value.is_empty(),
                "sv" => version = true,
                "si" => identifier = true,
                "sp" => sas.permissions = value.to_string(),
                "se" => sas.expiry = Some(timestamp(&value, "se (expiry)")?),
                "st" => sas.start = Some(timestamp(&value, "st (start)")?),
                "sr" => sas.resource = Some(value.to_string()),
                "spr" => sas.https_only = &*value == "https",
                // Those select a snapshot or an operation and come from a copied URL, not from the signature.
                "comp" | "restype" | "snapshot" | "timeout" => continue,
                _ => {}
            }
            kept.append_pair(&name, &value);
        }
        if !signature || !version {
            return Err(invalid(
                "has no \"sig\" or no \"sv\"; copy the whole \"SAS token\" or \"Blob SAS URL\" again",
            ));
        }
        if !identifier && (sas.permissions.is_empty() || sas.expiry.is_none()) {
            return Err(invalid(
                "has no \"sp\" (permissions) or no \"se\" (expiry); copy it again, whole",
            ));
        }
        // Letters only: what is shown of a signature must not be able to hold the rest of one that was encoded twice.
        if !sas.permissions.bytes().all(|letter| letter.is_ascii_lowercase()) {
            return Err(invalid(
                "has something else than letters in \"sp\" (permissions); copy it again, whole",
            ));
        }
        sas.query = Secret::new(kept.finish());
        Ok(sas)
    }

    /// The query to add to every request. Secret.
    pub(crate) fn query(&self) -> &str {
        self.query.expose()
    }

    /// When it ends; unknown when a stored access policy on the container says so.
    #[must_use]
    pub fn expiry(&self) -> Option<OffsetDateTime> {
        self.expiry
    }

    /// Whether plain HTTP is refused by it.
    #[must_use]
    pub fn https_only(&self) -> bool {
        self.https_only
    }

    /// Whether it covers one blob only (`sr=b`, `bs`), not its container or account.
    #[must_use]
    pub fn single_blob(&self) -> bool {
        matches!(self.resource.as_deref(), Some("b" | "bs" | "bv"))
    }

    /// Whether it allows `right`; true where a stored access policy decides.
    #[must_use]
    pub fn allows(&self, right: Right) -> bool {
        self.permissions.is_empty() || self.permissions.contains(right.letter())
    }

    /// Those of `wanted` that it lacks.
    #[must_use]
    pub fn missing(&self, wanted: &[Right]) -> Vec<Right> {
        wanted.iter().copied().filter(|right| !self.allows(*right)).collect()
    }

    /// What is wrong with its time at `now`: not yet valid, or expired.
    #[must_use]
    pub fn trouble(&self, now: OffsetDateTime) -> Option<String> {
        if let Some(start) = self.start.filter(|start| *start > now) {
            return Some(format!(
                "the shared access signature is valid only from {}; if that is past, set this device's clock",
                text(start)
            ));
        }
        self.expiry.filter(|expiry| *expiry <= now).map(|expiry| {
            format!(
                "the shared access signature expired on {}; create a new one and enter it",
                text(expiry)
            )
        })
    }

    /// A warning when it expires within `EXPIRES_SOON`.
    #[must_use]
    pub fn expires_soon(&self, now: OffsetDateTime) -> Option<String> {
        let expiry = self
            .expiry
            .filter(|expiry| *expiry > now && *expiry < now + EXPIRES_SOON)?;
        let hours = (expiry - now).whole_hours();
        let left = if hours < 48 {
            format!("{hours} hours")
        } else {
            format!("{} days", hours / 24)
        };
        Some(format!(
            "the shared access signature expires in {left} ({})",
            text(expiry)
        ))
    }
}

fn text(at: OffsetDateTime) -> String {
    at.format(format_description!("[year]-[month]-[day] [hour]:[minute] UTC"))
        .unwrap_or_default()
}

/// ISO 8601 in the three forms the service accepts: date, minutes, seconds; always UTC.
fn timestamp(value: &str, what: &str) -> Result<OffsetDateTime> {
    let minutes = format_description!("[year]-[month]-[day]T[hour]:[minute]Z");
    let date = format_description!("[year]-[month]-[day]");
    OffsetDateTime::parse(value, &Rfc3339)
        .or_else(|_| PrimitiveDateTime::parse(value, minutes).map(PrimitiveDateTime::assume_utc))
        .or_else(|_| time::Date::parse(value, date).map(|day| day.midnight().assume_utc()))
        .map_err(|_| invalid(&format!("has an unreadable time in {what}; copy it again, whole")))
}

fn invalid(detail: &str) -> AzureError {
    AzureError::invalid("shared access signature", detail)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const PASTED: &str = "?sv=2022-11-02&st=2026-01-01T00:00Z&se=2026-12-31&sr=c&sp=rwl&spr=https&sig=planted%2Fsig%3D";

    #[test]
    fn rights_times_and_scope_are_read() {
        let sas = Sas::parse(PASTED).unwrap();
        assert_eq!(sas.expiry(), Some(datetime!(2026-12-31 0:00 UTC)));
        assert_eq!(sas.missing(&Right::ALL), [Right::Create, Right::Delete]);
        assert!(!sas.single_blob() && sas.https_only());
        assert!(sas.trouble(datetime!(2026-06-01 0:00 UTC)).is_none());
        assert!(sas.trouble(datetime!(2025-06-01 0:00 UTC)).unwrap().contains("clock"));
        assert!(
            sas.trouble(datetime!(2027-01-01 0:00 UTC))
                .unwrap()
                .contains("2026-12-31")
        );
        assert!(sas.expires_soon(datetime!(2026-06-01 0:00 UTC)).is_none());
        assert!(
            sas.expires_soon(datetime!(2026-12-28 0:00 UTC))
                .unwrap()
                .contains("3 days")
        );
    }

    #[test]
    fn urls_and_quotes_are_stripped_and_the_signature_kept_encoded() {
        let url = format!(
            "\"https://tv.blob.core.windows.net/disks/tv.vhd{PASTED}&snapshot=2026-01-01T00:00:00.0000000Z\"\n"
        );
        let sas = Sas::parse(&url).unwrap();
        assert!(sas.query().ends_with("sig=planted%2Fsig%3D"), "no snapshot in it");
        assert_eq!(sas, Sas::parse(PASTED).unwrap());
    }

    #[test]
    fn nonsense_is_refused_and_nothing_is_shown() {
        for bad in [
            "",
            "planted",
            "sv=1&sig=planted",
            "sv=1&sp=r&se=planted&sig=planted",
            "sp=r&se=2026-01-01&sig=planted",
            "sv=1&sp=r%26sig%3Dplanted&se=2026-01-01&sig=planted",
        ] {
            assert!(!Sas::parse(bad).unwrap_err().to_string().contains("planted"), "{bad}");
        }
        assert!(!format!("{:?}", Sas::parse(PASTED).unwrap()).contains("planted"));
    }
}
