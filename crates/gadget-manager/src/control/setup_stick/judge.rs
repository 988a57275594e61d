//! What became of the files that were dropped: judged as strictly as any configuration, put in force or refused as a whole.

use store_rbd::conf::CephConf;
use toml_edit::{DocumentMut, Item, Table, value};
use volume::setup::{Outcome, Report, ReportedFile};
use zeroize::Zeroizing;

use super::{
    super::Control,
    intake::{Dropped, Text},
};
use crate::config;

/// Said after a success: how to get from here to the stick.
const NEXT: &str = "Eject this stick once more, and the one with your disks takes its place.";

/// Said after a configuration without anything to see.
const EMPTY: &str = "The configuration is in use, but no disk is in the stick: add [[disk]] and [[gadget.lun]] and drop it again, \
                     or go on with your phone.";

/// Uses what was dropped. The second part says whether the device is set up now.
pub(super) async fn take(control: &Control, dropped: &Dropped) -> (Report, bool) {
    let Some(configuration) = &dropped.configuration else {
        let remedy = "gadget-manager.toml is missing: copy it onto the stick with this file";
        return (all(dropped, Outcome::Refused, "Nothing was changed.", remedy), false);
    };
    if let Err(problems) = check(&configuration.text) {
        let mut report = all(
            dropped,
            Outcome::Refused,
            "Nothing was changed: gadget-manager.toml cannot be used.",
            "",
        );
        tell(&mut report, configuration, &problems);
        return (report, false);
    }
    let texts = match join(dropped) {
        Ok(texts) => texts,
        Err((name, problem)) => {
            let mut report = all(
                dropped,
                Outcome::Refused,
                &format!("Nothing was changed: {name} cannot be used."),
                "",
            );
            detail(&mut report, name, problem);
            return (report, false);
        }
    };
    match control
        .apply_dropped_configuration(&texts.0, texts.1.as_deref().map(String::as_str))
        .await
    {
        Ok(applied) => {
            let done = super::is_set_up(&control.handle.view().loaded.config);
            let summary = if done {
                format!("The device is set up. {NEXT}")
            } else {
                EMPTY.to_owned()
            };
            let mut report = all(dropped, Outcome::Taken, &summary, "");
            detail(&mut report, &configuration.name, applied.warnings.join("\n"));
            (report, done)
        }
        Err(problem) => {
            let remedy = problem.remedy.map(|remedy| format!("\n{remedy}")).unwrap_or_default();
            let summary = "Nothing was changed: with this configuration the device does not work.";
            let mut report = all(dropped, Outcome::Refused, summary, "");
            detail(&mut report, &configuration.name, format!("{}{remedy}", problem.detail));
            (report, false)
        }
    }
}

/// Uses nothing of what was dropped: the device has an owner.
pub(super) fn refuse(dropped: &Dropped) -> Report {
    let summary = "Nothing was changed: this device has an owner, who sets it up on its page.";
    all(dropped, Outcome::Refused, summary, "")
}

/// What is wrong with a configuration by itself, with lines.
fn check(text: &str) -> Result<(), Vec<config::Problem>> {
    let config = config::parse(text)?;
    let config::Verdict { errors, .. } = config::validate(text, &config);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Puts what Ceph's files say where the configuration has it: text of the configuration, text of the secrets.
type Texts = (String, Option<Zeroizing<String>>);

fn join(dropped: &Dropped) -> Result<Texts, (&str, String)> {
    let configuration = dropped
        .configuration
        .as_ref()
        .map(|file| file.text.as_str())
        .unwrap_or_default();
    let secrets = dropped.secrets.as_ref();
    if let Some(file) = secrets
        && let Err(problem) = config::Secrets::parse(&file.text)
    {
        return Err((&file.name, line(&problem)));
    }
    if dropped.ceph_conf.is_none() && dropped.keyring.is_none() {
        return Ok((configuration.to_owned(), secrets.map(|file| file.text.clone())));
    }
    let first = dropped
        .ceph_conf
        .as_ref()
        .or(dropped.keyring.as_ref())
        .map_or("", |file| file.name.as_str());
    let mut document: DocumentMut = configuration.parse().map_err(|_| (first, String::new()))?;
    let store = ceph_store(&mut document).ok_or_else(|| {
        let remedy = "there is no [[store]] with type = \"rbd\" in gadget-manager.toml that it could belong to";
        (first, remedy.to_owned())
    })?;
    let name = store.get("name").and_then(Item::as_str).unwrap_or_default().to_owned();
    if let Some(file) = &dropped.ceph_conf {
        if let Err(error) = CephConf::parse_shown(&file.text) {
            return Err((&file.name, error.to_string()));
        }
        store.remove("conf_file");
        store.insert("conf", value(file.text.as_str()));
    }
    let mut all_secrets: DocumentMut = match secrets {
        Some(file) => file
            .text
            .parse()
            .map_err(|_| (file.name.as_str(), "is not valid TOML".to_owned()))?,
        None => DocumentMut::new(),
    };
    if let Some(file) = &dropped.keyring {
        let stores = all_secrets.entry("store").or_insert_with(|| Item::Table(Table::new()));
        if let Some(stores) = stores.as_table_mut() {
            let mut secret = Table::new();
            secret.insert("keyring", value(file.text.as_str()));
            stores.insert(&name, Item::Table(secret));
        }
    }
    let secrets = Zeroizing::new(all_secrets.to_string());
    Ok((document.to_string(), Some(secrets).filter(|text| !text.is_empty())))
}

/// The first store in a Ceph cluster.
fn ceph_store(document: &mut DocumentMut) -> Option<&mut Table> {
    let stores = document.get_mut("store")?.as_array_of_tables_mut()?;
    stores
        .iter_mut()
        .find(|store| store.get("type").and_then(Item::as_str) == Some("rbd"))
}

fn all(dropped: &Dropped, outcome: Outcome, summary: &str, detail: &str) -> Report {
    let files = dropped.names().map(|name| ReportedFile {
        name: name.to_owned(),
        outcome,
        detail: detail.to_owned(),
    });
    Report {
        summary: summary.to_owned(),
        files: files.collect(),
    }
}

/// Says more about one file.
fn detail(report: &mut Report, name: &str, text: String) {
    if let Some(file) = report.files.iter_mut().find(|file| file.name == name) {
        file.detail = text;
    }
}

fn tell(report: &mut Report, file: &Text, problems: &[config::Problem]) {
    let lines: Vec<String> = problems.iter().map(line).collect();
    detail(report, &file.name, lines.join("\n"));
}

/// A problem in one line.
fn line(problem: &config::Problem) -> String {
    let place = problem.line.map(|line| format!("line {line}: ")).unwrap_or_default();
    let remedy = problem
        .remedy
        .as_ref()
        .map(|remedy| format!("; {remedy}"))
        .unwrap_or_default();
    format!("{place}{}{remedy}", problem.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, text: &str) -> Option<Text> {
        Some(Text {
            name: name.to_owned(),
            text: Zeroizing::new(text.to_owned()),
        })
    }

    #[test]
    fn problems_have_lines_and_remedies() {
        let problems = check("[gadget]\n[[gadget.lun]]\ndisk = \"films\"\nremovabel = true\n").unwrap_err();
        let text = line(&problems[0]);
        assert!(text.starts_with("line 4: ") && text.contains("removabel"), "{text}");
    }

    #[test]
    fn files_of_ceph_find_their_store() {
        let dropped = Dropped {
            configuration: text(
                "gadget-manager.toml",
                "[[store]]\nname = \"home\"\ntype = \"rbd\"\npool = \"sticks\"\n",
            ),
            ceph_conf: text("ceph.conf", "[global]\nmon_host = 192.0.2.7\n"),
            keyring: text("keyring", "[client.stick]\n\tkey = planted\n"),
            ..Dropped::default()
        };
        let (configuration, secrets) = join(&dropped).unwrap();
        assert!(configuration.contains("mon_host = 192.0.2.7"), "{configuration}");
        assert!(!configuration.contains("planted"));
        let secrets: DocumentMut = secrets.unwrap().parse().unwrap();
        assert_eq!(
            secrets["store"]["home"]["keyring"].as_str(),
            Some("[client.stick]\n\tkey = planted\n")
        );
    }

    #[test]
    fn files_of_ceph_without_a_store_are_refused() {
        let dropped = Dropped {
            configuration: text(
                "gadget-manager.toml",
                "[[store]]\nname = \"card\"\ntype = \"file\"\nfolder = \"/x\"\n",
            ),
            ceph_conf: text("ceph.conf", "[global]\n"),
            ..Dropped::default()
        };
        let (name, why) = join(&dropped).unwrap_err();
        assert_eq!(name, "ceph.conf");
        assert!(why.contains("rbd"), "{why}");
    }

    #[test]
    fn a_key_in_the_ceph_conf_is_refused_and_not_quoted() {
        let dropped = Dropped {
            configuration: text(
                "gadget-manager.toml",
                "[[store]]\nname = \"home\"\ntype = \"rbd\"\npool = \"sticks\"\n",
            ),
            ceph_conf: text(
                "ceph.conf",
                "[global]\nmon_host = 192.0.2.7\n[client.stick]\nkey = planted\n",
            ),
            ..Dropped::default()
        };
        let (name, why) = join(&dropped).unwrap_err();
        assert_eq!(name, "ceph.conf");
        assert!(
            why.starts_with("line 4 ") && why.contains("keyring") && !why.contains("planted"),
            "{why}"
        );
    }

    #[test]
    fn wrong_secrets_are_not_quoted() {
        let dropped = Dropped {
            configuration: text("gadget-manager.toml", ""),
            secrets: text("secrets.toml", "[store.cloud]\naccount_key = planted\n"),
            ..Dropped::default()
        };
        let (name, why) = join(&dropped).unwrap_err();
        assert_eq!(name, "secrets.toml");
        assert!(why.starts_with("line 2: ") && !why.contains("planted"), "{why}");
    }
}
