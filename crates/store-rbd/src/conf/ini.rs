//! The grammar that ceph.conf and keyrings share: sections of `key = value` lines.
//!
//! Source: "Configuring Ceph" in Ceph's manual, and what `src/common/ConfUtils.cc` accepts. Nothing is evaluated here: no
//! metavariables, no includes, no environment.

use zeroize::Zeroizing;

/// Longest text that is read, in bytes: far beyond any real file.
pub(crate) const MAX_LENGTH: usize = 256 << 10;

/// A heading and the lines under it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// What is between the brackets.
    pub(crate) name: String,
    /// In the order of the file.
    pub(crate) entries: Vec<Entry>,
}

/// One setting.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Words joined by one underscore each, as Ceph compares them.
    pub(crate) key: String,
    /// Without quotes, escapes and comment. May be a secret.
    pub(crate) value: Zeroizing<String>,
    /// Where it is in the text, counted from 1.
    pub(crate) line: usize,
}

/// What is wrong with a text, and on which line, counted from 1. Never quotes the text: it may hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(crate) struct IniError {
    pub(crate) line: usize,
    pub(crate) problem: &'static str,
}

/// Splits `text` into its sections. Sections of one name stay apart.
pub(crate) fn parse(text: &str) -> Result<Vec<Section>, IniError> {
    if text.len() > MAX_LENGTH {
        return Err(IniError {
            line: 1,
            problem: "the text is far too long",
        });
    }
    let mut sections: Vec<Section> = Vec::new();
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let fail = |problem| IniError {
            line: index + 1,
            problem,
        };
        let mut line = Zeroizing::new(first.to_owned());
        while line.ends_with('\\') && !line.trim_start().starts_with(['#', ';']) {
            line.pop();
            match lines.next() {
                Some((_, more)) => line.push_str(more),
                None => return Err(fail("the last line ends with a backslash")),
            }
        }
        if line.contains(|c: char| c.is_control() && c != '\t') {
            return Err(fail("a control character, as no text file has"));
        }
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let (name, rest) = rest.split_once(']').ok_or(fail("a heading without ]"))?;
            let rest = rest.trim_start();
            if name.trim().is_empty() || !(rest.is_empty() || rest.starts_with(['#', ';'])) {
                return Err(fail("a heading must be [name] and nothing else"));
            }
            sections.push(Section {
                name: name.trim().to_owned(),
                entries: Vec::new(),
            });
            continue;
        }
        let (key, value) = line.split_once('=').ok_or(fail("neither [section] nor key = value"))?;
        let key = normal_key(key);
        if key.is_empty() {
            return Err(fail("a value without a key"));
        }
        let value = value_of(value.trim()).map_err(fail)?;
        let section = sections
            .last_mut()
            .ok_or(fail("a setting before the first [section]"))?;
        section.entries.push(Entry {
            key,
            value,
            line: index + 1,
        });
    }
    Ok(sections)
}

/// `mon host`, `mon_host` and `mon  host` are one key.
fn normal_key(key: &str) -> String {
    let words = key.split(|c: char| c.is_whitespace() || c == '_');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}

/// Takes quotes, escapes and the comment off a value.
fn value_of(text: &str) -> Result<Zeroizing<String>, &'static str> {
    let mut value = Zeroizing::new(String::with_capacity(text.len()));
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let mut rest = text[1..].chars();
        loop {
            match rest.next() {
                Some('\\') => match rest.next() {
                    Some(escaped) => value.push(escaped),
                    None => return Err("a quote that does not end"),
                },
                Some(c) if c == quote => break,
                Some(c) => value.push(c),
                None => return Err("a quote that does not end"),
            }
        }
        let rest = rest.as_str().trim_start();
        return match rest.is_empty() || rest.starts_with(['#', ';']) {
            true => Ok(value),
            false => Err("something behind the closing quote"),
        };
    }
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '#' | ';' => break,
            '\\' => value.extend(chars.next()),
            c => value.push(c),
        }
    }
    let length = value.trim_end().len();
    value.truncate(length);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, String)> {
        let mut out = Vec::new();
        for section in parse(text).unwrap() {
            for entry in section.entries {
                out.push((section.name.clone(), entry.key, entry.value.to_string()));
            }
        }
        out
    }

    fn one(line: &str) -> String {
        pairs(&format!("[s]\n{line}\n")).remove(0).2
    }

    #[test]
    fn keys_are_compared_as_ceph_does() {
        for key in ["mon host", "mon_host", " mon \t host ", "mon__host", "mon_ host"] {
            assert_eq!(pairs(&format!("[global]\n{key} = a"))[0].1, "mon_host", "{key}");
        }
    }

    #[test]
    fn values_lose_quotes_comments_and_escapes() {
        assert_eq!(one("k = v ; comment"), "v");
        assert_eq!(one("k = v # comment"), "v");
        assert_eq!(one("k=v=w"), "v=w");
        assert_eq!(one("k = \"a # b\" # c"), "a # b");
        assert_eq!(one("k = 'a \" b'"), "a \" b");
        assert_eq!(one(r"k = a\;b\#c"), "a;b#c");
        assert_eq!(one("k ="), "");
        assert_eq!(one("k = a\\\n  b"), "a  b");
        assert_eq!(one("k = v\r"), "v");
    }

    #[test]
    fn errors_name_the_line_and_not_the_text() {
        for (text, line) in [
            ("secret", 1),
            ("a = secret", 1),
            ("[s]\n\n= secret", 3),
            ("[s\n", 1),
            ("[s] secret\n", 1),
            ("[s]\nk = \"secret", 2),
            ("[s]\nk = \"a\" secret", 2),
            ("[s]\nk = a\\", 2),
            ("[s]\nk = a\u{0}", 2),
            ("[]\n", 1),
        ] {
            let Err(error) = parse(text) else {
                panic!("{text:?} was accepted")
            };
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn comments_and_empty_lines_are_nothing() {
        assert!(pairs("# a = b\\\n; c\n\n   \n[s] # why\n").is_empty());
    }
}
