//! Random texts, and what is kept of them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    rand::{SecureRandom as _, SystemRandom},
};
use zeroize::Zeroizing;

/// The kernel's random source does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kernel gives no random numbers; check that /dev/urandom exists")]
pub struct NoRandom;

/// SHA-256 of a text with 256 random bits: enough to recognise it, useless to guess it.
pub(super) type Hash = [u8; 32];

/// Random bytes.
pub(super) fn bytes<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// A text of 43 characters with 256 random bits.
pub(super) fn text() -> Result<Zeroizing<String>, NoRandom> {
    let bytes = Zeroizing::new(bytes::<32>()?);
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

/// What is kept of a text. `purpose` keeps the hashes of one kind from passing as another's.
pub(super) fn hash(purpose: &str, text: &str) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(purpose.as_bytes());
    context.update(&[0]);
    context.update(text.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// A hash as a text.
pub(super) fn encode(hash: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(hash)
}

/// A hash back from a text.
pub(super) fn decode(text: &str) -> Option<Hash> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}
