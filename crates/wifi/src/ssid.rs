//! Names of networks: up to 32 bytes of anything (IEEE 802.11-2020, 9.4.2.2), usually UTF-8, given by strangers.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

/// Most bytes that a name has.
const MAX: usize = 32;
/// How the written form of a name begins that is no readable text.
const HEX: &str = "hex:";

/// The name of a network.
///
/// Written and read as text. A name that is not text (not UTF-8, or with control characters), or that could be taken for one
/// so written, is written `hex:` and its bytes in hexadecimal digits; so each name has one text, and each text at most one name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssid(Vec<u8>);

/// What is not the name of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SsidError {
    /// Networks that hide their name send none, or one of zeroes.
    #[error("a network's name is not empty")]
    Empty,
    /// Longer than the standard allows.
    #[error("a network's name has at most {MAX} bytes")]
    TooLong,
    /// A backslash with something behind it that `wpa_supplicant` does not write.
    #[error("a network's name is written in an unknown way")]
    Escape,
}

impl Ssid {
    /// The name of these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, SsidError> {
        let bytes = bytes.into();
        match bytes.len() {
            _ if bytes.iter().all(|&byte| byte == 0) => Err(SsidError::Empty),
            0..=MAX => Ok(Self(bytes)),
            _ => Err(SsidError::TooLong),
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As hexadecimal digits, which `wpa_supplicant` takes for any name.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(2 * MAX), |mut hex, byte| {
            // Writing into a string does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// Reads a name as `wpa_supplicant` writes it: `printf_encode` in its `src/utils/common.c`.
    pub fn from_escaped(text: &str) -> Result<Self, SsidError> {
        let mut bytes = Vec::with_capacity(MAX);
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            if bytes.len() > MAX {
                return Err(SsidError::TooLong);
            }
            if byte != b'\\' {
                bytes.push(byte);
                continue;
            }
            bytes.push(match rest.next() {
                Some(byte @ (b'\\' | b'"')) => byte,
                Some(b'e') => 0x1b,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'x') => match (rest.next().and_then(digit), rest.next().and_then(digit)) {
                    (Some(high), Some(low)) => high << 4 | low,
                    _ => return Err(SsidError::Escape),
                },
                _ => return Err(SsidError::Escape),
            });
        }
        Self::new(bytes)
    }

    fn as_text(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.0).ok()?;
        let is_plain = !text.chars().any(char::is_control) && !text.starts_with(HEX);
        is_plain.then_some(text)
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

impl fmt::Display for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_text() {
            Some(text) => f.write_str(text),
            None => write!(f, "{HEX}{}", self.to_hex()),
        }
    }
}

/// In quotes, on one line: for the log.
impl fmt::Debug for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl FromStr for Ssid {
    type Err = SsidError;

    fn from_str(text: &str) -> Result<Self, SsidError> {
        match text.strip_prefix(HEX) {
            Some(hex) if hex.len() % 2 == 0 && hex.bytes().all(|byte| digit(byte).is_some()) => {
                let digits: Vec<u8> = hex.bytes().filter_map(digit).collect();
                Self::new(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>())
            }
            _ => Self::new(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_one_text_that_leads_back_to_it() {
        let names: [&[u8]; 7] = [
            b"Attic",
            "Küche ☕".as_bytes(),
            b"<b>\"x\\y\"</b>",
            b"\xff\xfe",
            b"two\nlines",
            b"hex:6162",
            &[7; 32],
        ];
        for name in names {
            let ssid = Ssid::new(name).unwrap();
            let text = ssid.to_string();
            assert_eq!(text.parse::<Ssid>().unwrap(), ssid, "{text}");
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
        assert_eq!("hex:ff00".parse::<Ssid>().unwrap().as_bytes(), [0xff, 0]);
        assert_eq!("hex:ff0".parse::<Ssid>().unwrap().as_bytes(), b"hex:ff0");
    }

    #[test]
    fn what_wpa_supplicant_writes_is_read() {
        let read = |text: &str| Ssid::from_escaped(text).map(|ssid| ssid.as_bytes().to_vec());
        assert_eq!(read(r#"a\"b\\c"#).unwrap(), b"a\"b\\c");
        assert_eq!(read(r"K\xc3\xbcche").unwrap(), "Küche".as_bytes());
        assert_eq!(read(r"\e\n\r\t").unwrap(), b"\x1b\n\r\t");
        assert_eq!(read(r"a\q"), Err(SsidError::Escape));
        assert_eq!(read(r"a\x1"), Err(SsidError::Escape));
        assert_eq!(read(r"\"), Err(SsidError::Escape));
        assert_eq!(read(r"\x00\x00"), Err(SsidError::Empty));
        assert_eq!(read(&"a".repeat(33)), Err(SsidError::TooLong));
        assert_eq!(read(&r"\xff".repeat(32)).unwrap().len(), 32);
    }
}
