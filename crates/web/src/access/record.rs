//! What is kept about access: one file, `access.json`, readable by its owner only.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::IpAddr,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{
    code,
    random::{self, Hash, NoRandom},
};
use crate::api::{Browser, System};

/// A file with a code in it has a line of 9 letters; what is longer than this is none.
const LONGEST_GIVEN: u64 = 100;

/// Everything that is kept. The only secret in it that opens anything is the claim code, and only as long as nobody owns the
/// device: passwords, sessions and tokens are there as hashes.
///
/// Programs of different age read this file in turn, since an update can be taken back. So what is added later has a default, and
/// means nothing worse when it is not looked at; an older program keeps what it does not know. A change that an older program
/// must not overlook needs another [`Record::VERSION`], which locks the device for it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// Version of this format.
    version: u32,
    /// The claim code of a device without an owner.
    pub(super) claim_code: Option<String>,
    /// Wrong codes in a row.
    pub(super) claim_failures: u32,
    /// The owner's password, hashed.
    pub(super) password: Option<String>,
    /// Wrong passwords in a row.
    pub(super) password_failures: u32,
    /// Sessions that have not ended.
    pub(super) sessions: Vec<SessionRecord>,
    /// Tokens that have not been revoked.
    pub(super) tokens: Vec<TokenRecord>,
    /// What a newer program keeps here.
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// What is kept of a session.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SessionRecord {
    #[serde(with = "hash_text")]
    pub(super) hash: Hash,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) created: OffsetDateTime,
    /// When it was used last, to the hour.
    #[serde(with = "time::serde::rfc3339")]
    pub(super) used: OffsetDateTime,
    /// Whether it has only been seen with TLS.
    pub(super) tls: bool,
    /// Where it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<IpAddr>,
    /// What began it, by its own words.
    #[serde(default, deserialize_with = "if_known", skip_serializing_if = "Option::is_none")]
    pub(super) browser: Option<Browser>,
    /// And on what.
    #[serde(default, deserialize_with = "if_known", skip_serializing_if = "Option::is_none")]
    pub(super) system: Option<System>,
    /// What a newer program keeps here.
    #[serde(flatten)]
    pub(super) unknown: Map<String, Value>,
}

/// What is kept of a token.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TokenRecord {
    #[serde(with = "hash_text")]
    pub(super) hash: Hash,
    pub(super) id: String,
    pub(super) name: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) created: OffsetDateTime,
    /// When it was used last, to the hour.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(super) used: Option<OffsetDateTime>,
    pub(super) read_only: bool,
    /// What a newer program keeps here.
    #[serde(flatten)]
    pub(super) unknown: Map<String, Value>,
}

/// A word that a newer program may have more of: nothing if this one does not know it.
fn if_known<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let word = Option::<Value>::deserialize(deserializer)?;
    Ok(word.and_then(|word| serde_json::from_value(word).ok()))
}

impl Record {
    const VERSION: u32 = 1;

    /// Of a device that has no owner, with a new code.
    pub(super) fn unclaimed() -> Result<Self, NoRandom> {
        Ok(Self::with_code(code::generate()?))
    }

    /// Of a device at its first start. Its code is in the file if there is one: then whoever wrote the card knows it.
    pub(super) fn first(given: &Path) -> Result<Self, NoRandom> {
        match fs::File::open(given).and_then(|file| io::read_to_string(file.take(LONGEST_GIVEN))) {
            Ok(text) => match code::read(&text) {
                Some(code) => return Ok(Self::with_code(code)),
                None => tracing::warn!(path = %given.display(), "this is no claim code; the device makes its own"),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %given.display(), %error, "the device makes its own claim code"),
        }
        Self::unclaimed()
    }

    fn with_code(code: String) -> Self {
        Self {
            claim_code: Some(code),
            ..Self::locked()
        }
    }

    /// Of a device that nobody gets into.
    pub(super) fn locked() -> Self {
        Self {
            version: Self::VERSION,
            claim_code: None,
            claim_failures: 0,
            password: None,
            password_failures: 0,
            sessions: Vec::new(),
            tokens: Vec::new(),
            unknown: Map::new(),
        }
    }

    /// Reads the file; `None` if there is none.
    pub(super) fn load(path: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // What exactly is wrong may quote a secret.
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
        let record: Self = serde_json::from_slice(&text).map_err(|_| damaged())?;
        // One or the other: a file with neither, or both, was not written by this program.
        if record.version != Self::VERSION || record.claim_code.is_some() == record.password.is_some() {
            return Err(damaged());
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(Some(record))
    }

    /// Writes the file: after a power cut there is the old one or the new one, never half of one.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        write_aside(path, &text)
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_aside(path: &Path, content: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    // What a power cut left there may have other rights.
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

mod hash_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::{Hash, random};

    pub(super) fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&random::encode(hash))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        random::decode(&text).ok_or_else(|| D::Error::custom("not a hash"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.json");
        assert!(Record::load(&path).unwrap().is_none());
        let record = Record::unclaimed().unwrap();
        record.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Record::load(&path).unwrap().unwrap().claim_code, record.claim_code);
    }

    #[test]
    fn the_first_code_is_the_cards_if_that_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let given = folder.path().join("claim-code");
        let first = || Record::first(&given).unwrap().claim_code.unwrap();
        assert_ne!(first(), first(), "no file");
        fs::write(&given, "k7wm-3xqa\r\n").unwrap();
        assert_eq!(first(), "K7WM-3XQA");
        fs::write(&given, [0xff; 200]).unwrap();
        assert_ne!(first(), first(), "not even a text");
    }

    #[test]
    fn what_a_newer_program_added_is_kept_and_locks_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.json");
        let hash = random::encode(&random::hash("session", "a"));
        let at = "2026-01-01T00:00:00Z";
        let newer = serde_json::json!({
            "version": 1, "claim_failures": 0, "password": "hash", "password_failures": 0, "claim_code": null,
            "sessions": [{
                "hash": hash, "created": at, "used": at, "tls": true, "browser": "one of tomorrow", "system": "iOS",
                "seen_from": ["a", "b"],
            }],
            "tokens": [{
                "hash": hash, "id": "1", "name": "script", "created": at, "used": null, "read_only": true, "until": at,
            }],
            "second_factor": {"kind": "none"},
        });
        fs::write(&path, newer.to_string()).unwrap();
        let record = Record::load(&path).unwrap().unwrap();
        assert!(record.sessions[0].browser.is_none() && record.sessions[0].system.is_some());
        record.save(&path).unwrap();
        let mut kept: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        // A browser that this program has no name for is no reason to forget the session.
        kept["sessions"][0]["browser"] = "one of tomorrow".into();
        assert_eq!(kept, newer);
        // Of a format that must not be read half nothing is.
        let mut other = newer;
        other["version"] = 2.into();
        fs::write(&path, other.to_string()).unwrap();
        assert!(Record::load(&path).is_err());
    }

    #[test]
    fn every_cut_of_a_record_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.json");
        Record::unclaimed().unwrap().save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(Record::load(&path).is_err(), "cut to {length} bytes");
        }
        fs::write(&path, serde_json::to_vec(&Record::locked()).unwrap()).unwrap();
        assert!(Record::load(&path).is_err(), "neither code nor password");
    }
}
