//! Back-ups of the configuration as a file.
//!
//! Without a passphrase it is the settings' text, in which there are no secrets. With one, settings and secrets are encrypted:
//! ChaCha20-Poly1305 (RFC 8439) with a key that Argon2id (RFC 9106) makes of the passphrase. What that costs is a part of the
//! format and not of the file: a foreign file cannot ask for more.

use argon2::{Algorithm, Argon2, Params, Version};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom as _, SystemRandom},
};
use serde::{Deserialize, Serialize};
use web::api::{Problem, ProblemCode, Secret};
use zeroize::Zeroizing;

use super::files::Texts;
use crate::control::problem::internal;

/// The first line of a back-up of settings.
const PLAIN: &str = "# Cloud Stick back-up 1: settings, without secrets\n";
/// The first bytes of an encrypted one.
const ENCRYPTED: &[u8] = b"cloud-stick back-up 1, encrypted\n";
const SALT: usize = 16;
/// Memory for making the key, in KiB, and passes over it: somebody with the file can try as long as they like, so it is more
/// than for the password, and still little beside the rest of the daemon.
const COSTS: (u32, u32) = (19 << 10, 4);
/// A shorter passphrase is guessed.
const SHORTEST: usize = 8;

/// What is in an encrypted back-up.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    configuration: String,
    secrets: Zeroizing<String>,
}

/// What was found in a back-up.
pub(super) struct Found {
    /// The settings.
    pub config: String,
    /// The secrets, if it has them.
    pub secrets: Option<Zeroizing<String>>,
}

/// Makes one without secrets.
pub(super) fn plain(texts: &Texts) -> Vec<u8> {
    format!("{PLAIN}{}", texts.config.strip_prefix(PLAIN).unwrap_or(&texts.config)).into_bytes()
}

/// Makes one with secrets. Takes a while, and blocks.
pub(super) fn encrypted(texts: &Texts, passphrase: &Secret) -> Result<Vec<u8>, Problem> {
    if passphrase.expose().chars().count() < SHORTEST {
        let detail = format!("the passphrase has fewer than {SHORTEST} characters");
        return Err(Problem::new(ProblemCode::Invalid, detail)
            .remedy("choose a longer one: whoever finds the file can try as often as they like")
            .at("/passphrase"));
    }
    let random = SystemRandom::new();
    let (mut salt, mut nonce) = ([0; SALT], [0; NONCE_LEN]);
    let filled = random.fill(&mut salt).and_then(|()| random.fill(&mut nonce));
    filled.map_err(|_| internal("the system has no random numbers"))?;
    let content = Content {
        configuration: texts.config.clone(),
        secrets: texts.secrets.clone(),
    };
    let mut sealed = serde_json::to_vec(&content).map_err(|_| internal("the back-up cannot be written"))?;
    let key = key(passphrase, &salt)?;
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(ENCRYPTED), &mut sealed)
        .map_err(|_| internal("the back-up cannot be encrypted"))?;
    Ok([ENCRYPTED, &salt, &nonce, &sealed].concat())
}

/// Reads one. Takes a while, and blocks.
pub(super) fn open(data: &[u8], passphrase: Option<&Secret>) -> Result<Found, Problem> {
    let invalid =
        |detail: &str, remedy: &str, field: &str| Problem::new(ProblemCode::Invalid, detail).remedy(remedy).at(field);
    let damaged = || invalid("this is no back-up, or it is damaged", "choose another file", "/data");
    let Some(rest) = data.strip_prefix(ENCRYPTED) else {
        let text = std::str::from_utf8(data).map_err(|_| damaged())?;
        return Ok(Found {
            config: text.strip_prefix(PLAIN).unwrap_or(text).to_owned(),
            secrets: None,
        });
    };
    let passphrase = passphrase.ok_or_else(|| {
        invalid(
            "the back-up is encrypted",
            "type the passphrase it was made with",
            "/passphrase",
        )
    })?;
    let (salt, rest) = rest.split_first_chunk::<SALT>().ok_or_else(damaged)?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(damaged)?;
    let key = key(passphrase, salt)?;
    let mut sealed = Zeroizing::new(rest.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = key
        .open_in_place(nonce, Aad::from(ENCRYPTED), &mut sealed)
        .map_err(|_| {
            Problem::new(
                ProblemCode::WrongSecret,
                "the passphrase is not that of this back-up, or the file is damaged",
            )
            .remedy("type the passphrase it was made with")
            .at("/passphrase")
        })?;
    let content: Content = serde_json::from_slice(opened).map_err(|_| damaged())?;
    Ok(Found {
        config: content.configuration,
        secrets: Some(content.secrets),
    })
}

fn key(passphrase: &Secret, salt: &[u8]) -> Result<LessSafeKey, Problem> {
    let failed = || internal("no key can be made of the passphrase");
    let params = Params::new(COSTS.0, COSTS.1, 1, Some(32)).map_err(|_| failed())?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), salt, &mut *key)
        .map_err(|_| failed())?;
    UnboundKey::new(&CHACHA20_POLY1305, &*key)
        .map(LessSafeKey::new)
        .map_err(|_| failed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Texts {
        Texts {
            config: "name = \"films\"\n".to_owned(),
            secrets: Zeroizing::new("[store.cloud]\nsas = \"planted-secret\"\n".to_owned()),
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }

    #[test]
    fn without_a_passphrase_there_are_no_secrets() {
        let file = plain(&texts());
        assert!(!String::from_utf8(file.clone()).unwrap().contains("planted"));
        let found = open(&file, None).unwrap();
        assert_eq!(found.config, texts().config);
        assert!(found.secrets.is_none());
    }

    #[test]
    fn with_one_everything_is_there_for_who_knows_it() {
        let file = encrypted(&texts(), &secret("correct horse")).unwrap();
        assert!(
            !file
                .windows(7)
                .any(|bytes| bytes == b"planted" || bytes == b"films\"\n")
        );
        let found = open(&file, Some(&secret("correct horse"))).unwrap();
        assert!(found.config == texts().config && found.secrets == Some(texts().secrets));
        assert_ne!(
            file,
            encrypted(&texts(), &secret("correct horse")).unwrap(),
            "another salt"
        );
        let code = |passphrase: Option<&Secret>| open(&file, passphrase).err().unwrap().code;
        assert_eq!(code(Some(&secret("correct hors"))), ProblemCode::WrongSecret);
        assert_eq!(code(None), ProblemCode::Invalid);
        assert!(encrypted(&texts(), &secret("short")).is_err());
    }

    #[test]
    fn damaged_files_are_refused() {
        let file = encrypted(&texts(), &secret("correct horse")).unwrap();
        for length in [ENCRYPTED.len(), ENCRYPTED.len() + 20, file.len() - 1] {
            assert!(
                open(&file[..length], Some(&secret("correct horse"))).is_err(),
                "{length}"
            );
        }
        for place in [ENCRYPTED.len(), ENCRYPTED.len() + SALT, file.len() - 1] {
            let mut file = file.clone();
            file[place] ^= 1;
            assert!(open(&file, Some(&secret("correct horse"))).is_err(), "{place}");
        }
        assert!(open(&[0xff, 0xfe], None).is_err());
    }
}
