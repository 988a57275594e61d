//! From text to [`Config`]: syntax, known keys and types. What the values mean together is judged in `validate`.

use serde::{Deserialize, de::DeserializeOwned};
use std::{ops::Range, path::PathBuf};
use toml::{Spanned, Table, Value};

use super::{
    error::{Problem, line_of},
    model::{Config, DiskConfig, GadgetConfig, LogConfig, NbdConfig, StoreConfig, StoreKind, UblkConfig, WebConfig},
    wifi::WifiConfig,
};

/// Longest configuration that is read, in bytes: far beyond any real one.
pub(crate) const MAX_LENGTH: usize = 256 << 10;

/// The file as it is written; stores stay tables until their type is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default = "default_name")]
    name: Spanned<String>,
    #[serde(default = "default_state_dir")]
    state_dir: PathBuf,
    #[serde(default = "default_run_dir")]
    run_dir: PathBuf,
    secrets: Option<PathBuf>,
    #[serde(default)]
    log: LogConfig,
    web: Option<WebConfig>,
    wifi: Option<WifiConfig>,
    #[serde(default)]
    store: Vec<Spanned<Table>>,
    #[serde(default)]
    disk: Vec<DiskConfig>,
    #[serde(default)]
    nbd: Vec<NbdConfig>,
    #[serde(default)]
    ublk: UblkConfig,
    gadget: Option<GadgetConfig>,
}

fn default_name() -> Spanned<String> {
    Spanned::new(0..0, "cloud-stick".to_owned())
}

/// Where state is kept unless the configuration says otherwise.
pub(crate) fn default_state_dir() -> PathBuf {
    "/var/lib/cloud-stick".into()
}

fn default_run_dir() -> PathBuf {
    "/run/cloud-stick".into()
}

/// Keys that people put into the configuration but that belong into the file of secrets.
const SECRET_KEYS: [&str; 8] = [
    "connection_string",
    "account_key",
    "key",
    "keyring",
    "sas",
    "client_secret",
    "password",
    "secret",
];

/// Reads the text of a configuration file.
pub(crate) fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    if text.len() > MAX_LENGTH {
        let message = format!("the file is longer than {MAX_LENGTH} bytes");
        return Err(vec![Problem::whole_file(message, "this cannot be a configuration")]);
    }
    let raw: Raw = toml::from_str(text).map_err(|error| vec![explain(text, &error, None)])?;
    let mut problems = Vec::new();
    let mut stores = Vec::new();
    for table in raw.store {
        match store(text, table) {
            Ok(store) => stores.push(store),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Config {
        name: raw.name,
        state_dir: raw.state_dir,
        run_dir: raw.run_dir,
        secrets: raw.secrets,
        log: raw.log,
        web: raw.web,
        wifi: raw.wifi,
        stores,
        disks: raw.disk,
        nbd: raw.nbd,
        ublk: raw.ublk,
        gadget: raw.gadget,
    })
}

/// Reads one `[[store]]`: its type decides which keys it has.
fn store(text: &str, table: Spanned<Table>) -> Result<StoreConfig, Problem> {
    let section = section_at(text, table.span().start);
    let line = line_of(text, section.start);
    let mut table = table.into_inner();
    let mut take = |key: &str, remedy: &str| match table.remove(key) {
        Some(Value::String(value)) => Ok(value),
        Some(_) => Err(Problem::at(
            text,
            key_span(text, &section, key),
            format!("`{key}` must be a string"),
            remedy,
        )),
        None => Err(Problem::at(
            text,
            Some(section.clone()),
            format!("this store has no `{key}`"),
            remedy,
        )),
    };
    let name = take("name", "add name = \"…\", which disks then refer to")?;
    let kind = take("type", "add type = \"file\", \"azure\" or \"rbd\"")?;
    let kind = match kind.as_str() {
        "file" => StoreKind::File(settings(text, &section, table)?),
        "azure" => StoreKind::Azure(Box::new(settings(text, &section, table)?)),
        "rbd" => StoreKind::Rbd(Box::new(settings(text, &section, table)?)),
        other => {
            let message = format!("there is no store of type \"{other}\"");
            return Err(Problem::at(
                text,
                key_span(text, &section, "type"),
                message,
                "use \"file\", \"azure\" or \"rbd\"",
            ));
        }
    };
    Ok(StoreConfig { name, line, kind })
}

fn settings<T: DeserializeOwned>(text: &str, section: &Range<usize>, table: Table) -> Result<T, Problem> {
    Value::Table(table)
        .try_into()
        .map_err(|error| explain(text, &error, Some(section)))
}

/// Turns an error of the TOML reader into a problem: without the line's text, which could hold a secret that was put
/// into the wrong file.
fn explain(text: &str, error: &toml::de::Error, section: Option<&Range<usize>>) -> Problem {
    let whole = error.to_string();
    let message = error.message();
    // The reader quotes keys in backticks; it quotes wrong values too, hence the care below.
    let key = message.split('`').nth(1).unwrap_or_default();
    let span = match section {
        Some(section) => key_span(text, section, key).or_else(|| Some(section.clone())),
        None => error.span(),
    };
    let line = span.map(|span| line_of(text, span.start));
    if message.starts_with("unknown field") {
        let remedy = if SECRET_KEYS.contains(&key) {
            "secrets do not belong here: put it into the file of secrets (see docs/configuration.md)".to_owned()
        } else {
            match message.split_once(", expected ") {
                Some((_, expected)) => format!("remove it, or correct the spelling: {expected}"),
                None => "remove it".to_owned(),
            }
        };
        return Problem {
            line,
            message: format!("unknown key `{key}`"),
            remedy: Some(remedy),
        };
    }
    if section.is_some() && message.contains('"') {
        // It quotes the value; in a store's table that could be a connection string in the wrong place.
        let key = whole
            .split("in `")
            .nth(1)
            .and_then(|rest| rest.split('`').next())
            .unwrap_or_default();
        let line = section
            .and_then(|section| key_span(text, section, key))
            .map(|span| line_of(text, span.start))
            .or(line);
        return Problem {
            line,
            message: format!("the value of `{key}` cannot be used"),
            remedy: Some("see docs/stores for what it may be; secrets belong into the file of secrets".to_owned()),
        };
    }
    Problem {
        line,
        message: message.replace('\n', " "),
        remedy: Some("see docs/configuration.md".to_owned()),
    }
}

/// The part of the text from the heading at `start` to the next heading that is not one of its sub-tables.
fn section_at(text: &str, start: usize) -> Range<usize> {
    // The span of a table in an array may begin behind its heading: go back to it.
    let heading = text[..start].rfind("[[").unwrap_or(start);
    let heading = if text[heading..start].contains('\n') && text[start..].starts_with("[[") {
        start
    } else {
        heading
    };
    let mut end = text.len();
    let mut at = heading;
    for line in text[heading..].split_inclusive('\n') {
        if at > heading && line.trim_start().starts_with('[') {
            end = at;
            break;
        }
        at += line.len();
    }
    heading..end
}

/// Where `key` is set within `section`.
fn key_span(text: &str, section: &Range<usize>, key: &str) -> Option<Range<usize>> {
    if key.is_empty() {
        return None;
    }
    let mut at = section.start;
    for line in text[section.clone()].split_inclusive('\n') {
        if let Some(rest) = line.trim_start().strip_prefix(key)
            && rest.trim_start().starts_with('=')
        {
            return Some(at..at + line.len());
        }
        at += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Problem {
        parse(text).expect_err("must be refused").remove(0)
    }

    #[test]
    fn an_empty_file_is_a_configuration() {
        let config = parse("").unwrap();
        assert!(config.disks.is_empty() && config.gadget.is_none());
    }

    #[test]
    fn unknown_keys_are_named_with_their_line() {
        let found = problem("state_dir = \"/x\"\nstaet = 1\n");
        assert_eq!((found.line, found.message.as_str()), (Some(2), "unknown key `staet`"));
        let found = problem("[[disk]]\nname = \"a\"\nimgae = \"x\"\n");
        assert_eq!((found.line, found.message.as_str()), (Some(3), "unknown key `imgae`"));
        let found = problem(
            "[[store]]\nname = \"a\"\ntype = \"file\"\nfolder = \"/a\"\n\n[[store]]\nname = \"b\"\ntype = \"file\"\nfodler = \"/b\"\n",
        );
        assert_eq!((found.line, found.message.as_str()), (Some(9), "unknown key `fodler`"));
    }

    #[test]
    fn a_store_needs_name_and_a_known_type() {
        let found = problem("\n[[store]]\ntype = \"file\"\n");
        assert_eq!(
            (found.line, found.message.as_str()),
            (Some(2), "this store has no `name`")
        );
        let found = problem("[[store]]\nname = \"a\"\ntype = \"ftp\"\n");
        assert_eq!(
            (found.line, found.message.as_str()),
            (Some(3), "there is no store of type \"ftp\"")
        );
        let found = problem("[[store]]\nname = 7\ntype = \"file\"\n");
        assert_eq!(
            (found.line, found.message.as_str()),
            (Some(2), "`name` must be a string")
        );
    }

    #[test]
    fn missing_and_mistyped_settings_are_explained() {
        let found = problem("[[store]]\nname = \"a\"\ntype = \"file\"\n");
        assert_eq!(
            (found.line, found.message.as_str()),
            (Some(1), "missing field `folder`")
        );
        let found = problem("[[nbd]]\nlisten = \"127.0.0.1:1\"\ndisks = \"films\"\n");
        assert_eq!(found.line, Some(3));
    }

    #[test]
    fn a_secret_in_the_wrong_file_is_not_repeated() {
        let text = "[[store]]\nname = \"a\"\ntype = \"azure\"\naccount = \"x\"\naccount_key = \"c2VjcmV0\"\n";
        let found = problem(text);
        assert_eq!(
            (found.line, found.message.as_str()),
            (Some(5), "unknown key `account_key`")
        );
        assert!(found.remedy.as_ref().unwrap().contains("file of secrets"));
        assert!(!format!("{found:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn a_secret_in_the_wrong_key_is_not_repeated() {
        for key in ["endpoint", "concurrency", "authority"] {
            let text = format!(
                "[[store]]\nname = \"a\"\ntype = \"azure\"\ncontainer = \"c\"\n{key} = \"AccountKey=c2VjcmV0;\"\n"
            );
            let found = problem(&text);
            assert!(!format!("{found:?}").contains("c2VjcmV0"), "{found:?}");
            assert_eq!(found.line, Some(5), "{found:?}");
            assert!(found.message.contains(key), "{found:?}");
        }
    }

    #[test]
    fn syntax_errors_have_a_line() {
        assert_eq!(problem("a = 1\nb = \n").line, Some(2));
    }
}
