//! Foreign text made harmless.

/// For HTML, in elements and in quoted attributes. Control characters become U+FFFD.
pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(visible(c)),
        }
    }
    out
}

/// For one line of plain text: no new lines, no escape sequences of terminals.
pub(super) fn line(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// Control characters, and those that turn the direction of the text around them, stand out.
fn visible(c: char) -> char {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns {
        char::REPLACEMENT_CHARACTER
    } else {
        c
    }
}

/// Whether a text may be the target of a link.
pub(super) fn is_web_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_ends_an_element_or_attribute() {
        assert_eq!(
            html("<b a='x' b=\"y\">&\u{1b}[0m"),
            "&lt;b a=&#39;x&#39; b=&quot;y&quot;&gt;&amp;\u{fffd}[0m"
        );
        assert_eq!(line("a\r\nb\u{202e}c"), "a\u{fffd}\u{fffd}b\u{fffd}c");
    }

    #[test]
    fn scripts_are_no_web_addresses() {
        assert!(is_web_address("http://a/") && is_web_address("https://a/"));
        assert!(!is_web_address("javascript:alert(1)") && !is_web_address(" http://a"));
    }
}
