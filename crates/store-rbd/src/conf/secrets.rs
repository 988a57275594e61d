//! Secrets in a text that is kept as a setting, and so is shown again.

use super::ini::Section;
use crate::keyring::check_key;

/// Length of the shortest cephx key without the `=` at its end, in characters.
const SHORTEST_KEY: usize = 38;

/// The line of the first secret in a ceph.conf, counted from 1. Comments are looked at too: what was commented out is still in
/// the text.
pub(super) fn line(text: &str, sections: &[Section]) -> Option<usize> {
    let entries = sections.iter().flat_map(|section| &section.entries);
    let named = entries
        .filter(|entry| is_secret(&entry.key) && !entry.value.is_empty())
        .map(|entry| entry.line);
    let keys = (1..).zip(text.lines()).filter(|(_, line)| has_key(line));
    named.chain(keys.map(|(number, _)| number)).min()
}

/// Settings of Ceph whose values are secrets themselves, and not the paths of files with them.
fn is_secret(key: &str) -> bool {
    key == "key"
        || ["password", "secret_key", "admin_token", "encryption_keys"]
            .iter()
            .any(|end| key.ends_with(end))
}

/// Whether there is a cephx key in it, whatever is around it.
fn has_key(line: &str) -> bool {
    let runs = line.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/')));
    runs.filter(|run| run.len() >= SHORTEST_KEY).any(|run| {
        let padding = "=".repeat(run.len().wrapping_neg() % 4);
        check_key("", &zeroize::Zeroizing::new(format!("{run}{padding}"))).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use crate::{
        conf::{CephConf, ConfError},
        keyring::tests::key,
    };

    fn line(text: &str) -> Option<usize> {
        match CephConf::parse_shown(text) {
            Err(ConfError::Secret(line)) => Some(line),
            Err(error) => panic!("{error}"),
            Ok(_) => None,
        }
    }

    #[test]
    fn a_key_is_found_wherever_it_is() {
        let key = key(7);
        assert_eq!(
            line(&format!("[global]\nfsid = x\n[client.tv]\n\tkey = {key}\n")),
            Some(4)
        );
        assert_eq!(line("[client.tv]\nkey = not-even-a-key\n"), Some(2));
        assert_eq!(line(&format!("[global]\n# key = {key}\n")), Some(2));
        assert_eq!(line(&format!("[global]\nnote=\"{key}\"\n")), Some(2));
        assert_eq!(line("[client.rgw]\nrgw keystone admin password = x\n"), Some(2));
    }

    #[test]
    fn paths_and_names_are_no_secrets() {
        let text = "[global]\nkeyring = /etc/ceph/$name.keyring\nkeyfile = /k\nkey =\nmon_config_key_max_entry_size = 1\n\
                    fsid = 9b3a2f4e-1c5d-4b6a-8f7e-0a1b2c3d4e5f\nrgw_data = /a/very/long/path/of/letters/and/slashes/only/here\n";
        assert_eq!(line(text), None);
    }

    #[test]
    fn the_message_says_where_to_put_it_and_does_not_quote_it() {
        let key = key(7);
        let error = CephConf::parse_shown(&format!("[client.tv]\nkey = {key}\n")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("line 2 ") && text.contains("keyring") && !text.contains(&key),
            "{text}"
        );
    }
}
