//! Volume labels: what each file system takes.

use crate::FormatError;

/// Characters that neither a FAT name nor an exFAT label may have: those of paths and wildcards, and what `cmd.exe` takes
/// for itself.
const RESERVED: &str = "\"*/:<>?\\|";

/// What a FAT name may not have besides (fatgen, "short directory entries": 22h 2Ah-2Ch 2Eh 2Fh 3Ah-3Fh 5Bh-5Dh 7Ch).
const RESERVED_FAT: &str = "+,.;=[]";

/// A FAT label: eleven bytes, filled up with spaces.
pub(crate) fn fat(label: &str) -> Result<[u8; 11], FormatError> {
    check(label)?;
    // Other letters need to know the host's code page; what one host writes reads as something else on the next.
    if let Some(bad) = label.chars().find(|c| !c.is_ascii() || RESERVED_FAT.contains(*c)) {
        let problem = format!("has a '{bad}', which a FAT file system cannot have; use A-Z, 0-9, space, - and _");
        return Err(FormatError::label(label, problem));
    }
    if label.len() > 11 {
        return Err(FormatError::label(
            label,
            "is longer than the 11 characters that FAT has",
        ));
    }
    let mut out = [b' '; 11];
    out[..label.len()].copy_from_slice(label.to_ascii_uppercase().as_bytes());
    Ok(out)
}

/// An exFAT label: at most eleven UTF-16 code units (exFAT 7.3.2).
pub(crate) fn exfat(label: &str) -> Result<Vec<u16>, FormatError> {
    check(label)?;
    let units: Vec<u16> = label.encode_utf16().collect();
    if units.len() > 11 {
        return Err(FormatError::label(
            label,
            "is longer than the 11 characters that exFAT has",
        ));
    }
    Ok(units)
}

/// What holds for both.
fn check(label: &str) -> Result<(), FormatError> {
    if label.is_empty() || label.trim() != label {
        let problem = "is empty or has spaces around it; leave them out, or the label as a whole";
        return Err(FormatError::label(label, problem));
    }
    match label.chars().find(|c| c.is_control() || RESERVED.contains(*c)) {
        Some(bad) => {
            let problem = format!("has a '{}', which no label may have", bad.escape_debug());
            Err(FormatError::label(label, problem))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fat_labels_are_capitals_of_eleven_bytes() {
        assert_eq!(fat("My films_1").unwrap(), *b"MY FILMS_1 ");
        assert_eq!(fat("ELEVENCHARS").unwrap(), *b"ELEVENCHARS");
    }

    #[test]
    fn exfat_labels_keep_their_letters() {
        let units: Vec<u16> = "Größe 📺".encode_utf16().collect();
        assert_eq!(exfat("Größe 📺").unwrap(), units);
        assert!(exfat("a.b+c").is_ok());
    }

    #[test]
    fn labels_that_cannot_be_are_refused_with_the_reason() {
        for (label, reason) in [
            ("", "empty"),
            (" A", "spaces"),
            ("A ", "spaces"),
            ("A/B", "'/'"),
            ("A\u{7}", "\\u{7}"),
            ("A\"B", "'\\\"'"),
        ] {
            for error in [fat(label).unwrap_err(), exfat(label).unwrap_err()] {
                assert!(error.to_string().contains(reason), "{error}");
            }
        }
        for (label, reason) in [("TWELVE CHARS", "11"), ("Größe", "'ö'"), ("A.B", "'.'"), ("A+B", "'+'")] {
            let error = fat(label).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        // Eleven characters, twelve UTF-16 units.
        assert!(exfat("0123456789📺").is_err());
    }
}
