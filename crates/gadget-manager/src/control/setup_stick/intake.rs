//! What was dropped on the setup stick, sorted by what it is for. Nothing of it is executed, and nothing is taken that is not
//! asked for by name.

use std::fmt;

use volume::{
    FoundFile,
    setup::{Outcome, ReportedFile},
};
use zeroize::Zeroizing;

/// The configuration.
pub(crate) const CONFIGURATION: &str = "gadget-manager.toml";
/// The secrets that belong to it.
pub(crate) const SECRETS: &str = "secrets.toml";
/// Where the monitors of a Ceph cluster are.
pub(crate) const CEPH_CONF: &str = "ceph.conf";
/// The key of a user of Ceph, `keyring` or `NAME.keyring`.
const KEYRING: &str = "keyring";

/// A text and the name of the file it was in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Text {
    /// As the host called it.
    pub name: String,
    /// Without a byte order mark.
    pub text: Zeroizing<String>,
}

/// The name only: the text may be a key.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Text").field(&self.name).finish()
    }
}

/// The files that the device knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// `gadget-manager.toml`
    pub configuration: Option<Text>,
    /// `secrets.toml`
    pub secrets: Option<Text>,
    /// `ceph.conf`
    pub ceph_conf: Option<Text>,
    /// `keyring`, `NAME.keyring`
    pub keyring: Option<Text>,
}

impl Dropped {
    /// Whether there is nothing to be used.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Names of the files.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        [&self.configuration, &self.secrets, &self.ceph_conf, &self.keyring]
            .into_iter()
            .flatten()
            .map(|text| text.name.as_str())
    }
}

/// Sorts what was found. What cannot be used is in the second part, with what to do about it.
pub(crate) fn sort(found: Vec<FoundFile>) -> (Dropped, Vec<ReportedFile>) {
    let mut dropped = Dropped::default();
    let mut rest = Vec::new();
    for file in found {
        let Some(place) = place_of(&mut dropped, &file.name) else {
            rest.push(ignored(file.name));
            continue;
        };
        match text_of(&file) {
            Ok(_) if place.is_some() => rest.push(refused(file.name, "there are two such files; leave one of them")),
            Ok(text) => {
                *place = Some(Text { name: file.name, text });
            }
            Err(problem) => rest.push(refused(file.name, &problem)),
        }
    }
    (dropped, rest)
}

/// Where a file of this name belongs; hosts do not care for capital letters.
fn place_of<'a>(dropped: &'a mut Dropped, name: &str) -> Option<&'a mut Option<Text>> {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        CONFIGURATION => Some(&mut dropped.configuration),
        SECRETS => Some(&mut dropped.secrets),
        CEPH_CONF => Some(&mut dropped.ceph_conf),
        name if name == KEYRING || name.ends_with(".keyring") => Some(&mut dropped.keyring),
        _ => None,
    }
}

fn text_of(file: &FoundFile) -> Result<Zeroizing<String>, String> {
    let bytes = file.content.as_ref().map_err(ToString::to_string)?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is UTF-16 text; save it as UTF-8".to_owned());
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count()
            + 1;
        format!("line {line} is not UTF-8 text; save it as UTF-8")
    })?;
    Ok(Zeroizing::new(text.trim_start_matches('\u{feff}').to_owned()))
}

fn ignored(name: String) -> ReportedFile {
    // The commonest mistake: an editor that adds its own ending, which the host then hides.
    let meant = [CONFIGURATION, SECRETS, CEPH_CONF, KEYRING]
        .into_iter()
        .find(|known| name.to_ascii_lowercase().trim_end_matches(".txt") == *known);
    let detail = match meant {
        Some(meant) => format!("if this is to be {meant}, remove \".txt\" from its name"),
        None => String::new(),
    };
    ReportedFile {
        name,
        outcome: Outcome::Ignored,
        detail,
    }
}

fn refused(name: String, detail: &str) -> ReportedFile {
    ReportedFile {
        name,
        outcome: Outcome::Refused,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use volume::ReadError;

    fn found(name: &str, content: &[u8]) -> FoundFile {
        FoundFile {
            name: name.to_owned(),
            size: content.len() as u32,
            content: Ok(content.to_vec()),
        }
    }

    #[test]
    fn files_are_known_by_their_names() {
        let (dropped, rest) = sort(vec![
            found("Gadget-Manager.TOML", b"\xef\xbb\xbf[gadget]\r\n"),
            found("ceph.client.stick.keyring", b"[client.stick]\n"),
            found("CEPH.CONF", b"[global]\n"),
            found("holiday.jpg", b"\xff\xd8"),
        ]);
        let configuration = dropped.configuration.as_ref().unwrap();
        assert_eq!(configuration.text.as_str(), "[gadget]\r\n", "without the mark");
        assert!(dropped.ceph_conf.is_some() && dropped.keyring.is_some() && dropped.secrets.is_none());
        assert_eq!(rest.len(), 1);
        assert_eq!(
            (rest[0].name.as_str(), rest[0].outcome),
            ("holiday.jpg", Outcome::Ignored)
        );
    }

    #[test]
    fn what_cannot_be_read_says_what_to_do() {
        let broken = FoundFile {
            name: "secrets.toml".to_owned(),
            size: 1 << 30,
            content: Err(ReadError::TooLarge {
                what: "the file",
                limit: 262_144,
            }),
        };
        let (dropped, rest) = sort(vec![
            found("gadget-manager.toml", b"\xff\xfeg\0a\0"),
            found("ceph.conf", b"[global]\n\xe4"),
            found("a.keyring", b"x"),
            found("b.keyring", b"y"),
            found("gadget-manager.toml.txt", b""),
            broken,
        ]);
        assert_eq!(dropped.names().collect::<Vec<_>>(), ["a.keyring"]);
        let details: Vec<&str> = rest.iter().map(|file| file.detail.as_str()).collect();
        assert_eq!(
            details,
            [
                "it is UTF-16 text; save it as UTF-8",
                "line 2 is not UTF-8 text; save it as UTF-8",
                "there are two such files; leave one of them",
                "if this is to be gadget-manager.toml, remove \".txt\" from its name",
                "the file is larger than the 262144 that are allowed",
            ]
        );
    }

    #[test]
    fn debug_shows_no_text() {
        let (dropped, _) = sort(vec![found("secrets.toml", b"planted")]);
        assert!(!format!("{dropped:?}").contains("planted"));
    }
}
