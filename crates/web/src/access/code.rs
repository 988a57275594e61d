//! Claim codes: what only somebody with the device can know.

use subtle::ConstantTimeEq as _;

use super::random::{self, NoRandom};

/// Without 0, 1, I, L, O and U: nothing that looks like something else, and few words. 30 letters in 8 places are 39 bits;
/// with at most one attempt in an hour once a few were wrong, guessing takes longer than the board lasts.
const ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 8;

/// A new code, such as `K7WM-3XQA`.
pub(super) fn generate() -> Result<String, NoRandom> {
    let mut code = String::with_capacity(LENGTH + 1);
    while code.len() <= LENGTH {
        // 240 is the largest multiple of 30 in a byte: what lies above would favour some letters.
        let [byte] = random::bytes::<1>()?;
        if byte < 240 {
            code.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
            if code.len() == LENGTH / 2 {
                code.push('-');
            }
        }
    }
    Ok(code)
}

/// Reads a code that was made for this device elsewhere, when its card was written; `None` if that is no code like ours.
pub(super) fn read(text: &str) -> Option<String> {
    let plain = plain(text.trim());
    let is_code = plain.len() == LENGTH && plain.bytes().all(|letter| ALPHABET.contains(&letter));
    is_code.then(|| format!("{}-{}", &plain[..LENGTH / 2], &plain[LENGTH / 2..]))
}

/// The code as it is compared: people type small letters, and leave out or add hyphens and spaces.
fn plain(code: &str) -> String {
    code.chars()
        .filter(|c| !matches!(c, '-' | ' '))
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

/// Whether `typed` is `code`, in a time that tells nothing about either.
pub(super) fn matches(code: &str, typed: &str) -> bool {
    let [code, typed] = [code, typed].map(|text| random::hash("claim", &plain(text)));
    code.ct_eq(&typed).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_can_be_typed_as_people_do() {
        let code = generate().unwrap();
        assert_eq!(code.len(), 9, "{code}");
        assert!(
            code.bytes().all(|byte| byte == b'-' || ALPHABET.contains(&byte)),
            "{code}"
        );
        assert!(matches(&code, &code.to_lowercase()));
        assert!(matches(&code, &format!(" {} ", code.replace('-', " "))));
        assert!(!matches(&code, &code[..8]));
        assert!(!matches(&code, ""));
        assert_ne!(code, generate().unwrap());
    }

    #[test]
    fn codes_made_elsewhere_are_like_ours_or_refused() {
        assert_eq!(read("k7wm3xqa\n").as_deref(), Some("K7WM-3XQA"));
        let code = generate().unwrap();
        assert_eq!(read(&format!("{code}\r\n")), Some(code));
        for wrong in ["", "K7WM", "K7WM-3XQ0", "K7WM-3XQAA", "K7WM-3XQÄ", "K7WM\u{2028}3XQA"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
