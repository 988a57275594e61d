//! The network that the device makes.

use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::{Key, Ssid};

/// Letters and digits that nobody takes for another: those of the claim code.
const LETTERS: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a key, without the dashes: 58 bits of chance.
const LENGTH: usize = 12;

/// The network that the device makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessPoint {
    /// Its name.
    pub ssid: Ssid,
    /// What one has to know to get in.
    pub key: Key,
}

/// Makes a key: three groups of four.
///
/// # Errors
///
/// The kernel has no random numbers yet.
pub fn make_key() -> std::io::Result<Zeroizing<String>> {
    let random = SystemRandom::new();
    let mut key = Zeroizing::new(String::with_capacity(LENGTH + LENGTH / 4));
    let mut letters = 0;
    while letters < LENGTH {
        let mut bytes = Zeroizing::new([0; 32]);
        random
            .fill(bytes.as_mut_slice())
            .map_err(|_| std::io::Error::other("no random numbers"))?;
        // Those beyond the last multiple are thrown again: all letters are equally likely.
        let fair = bytes
            .iter()
            .filter(|&&byte| usize::from(byte) < 256 / LETTERS.len() * LETTERS.len());
        for byte in fair.take(LENGTH - letters) {
            if letters > 0 && letters % 4 == 0 {
                key.push('-');
            }
            key.push(char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
            letters += 1;
        }
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_can_be_read_aloud_and_differ() {
        let key = make_key().unwrap();
        let groups: Vec<&str> = key.split('-').collect();
        assert_eq!(
            groups.iter().map(|group| group.len()).collect::<Vec<_>>(),
            [4, 4, 4],
            "{}",
            *key
        );
        assert!(groups.concat().bytes().all(|letter| LETTERS.contains(&letter)));
        assert_ne!(*key, *make_key().unwrap());
        Key::new(key).unwrap();
    }
}
