//! The page as plain text, for who has no browser at hand.

use super::{SetupPages, catalogue, escape};

/// `READ ME.txt`, language after language.
pub(super) fn read_me(pages: &SetupPages<'_>) -> String {
    let device = escape::line(pages.device_name);
    let languages = catalogue::ALL.map(|words| section(pages, words));
    format!(
        "{device}\n\n{}",
        languages.join("\n\n----------------------------------------\n\n")
    )
}

fn section(pages: &SetupPages<'_>, words: &catalogue::Words) -> String {
    let put = |text: &str, value: &str| text.replace("{}", &escape::line(value));
    let mut lines = Vec::new();
    let (heading, open) = words.for_state(pages.claim_code.is_none());
    lines.push(format!("{heading}\n"));
    if let Some(wifi) = &pages.wifi {
        lines.push(put(words.join, wifi.name));
        lines.extend(wifi.key.map(|key| put(words.key, key)));
        lines.push(String::new());
    }
    if pages.addresses.is_empty() {
        lines.push(words.no_network.to_owned());
    } else {
        lines.push(open.to_owned());
        lines.extend(
            pages
                .addresses
                .iter()
                .map(|address| format!("    {}", escape::line(address))),
        );
        lines.push(words.same_network.to_owned());
    }
    lines.extend(pages.claim_code.map(|code| format!("\n{}", put(words.enter, code))));
    lines.push(match pages.takes_files {
        true => format!("\n{}: {}", words.drop_heading, words.drop),
        false => format!("\n{}", words.drop_not),
    });
    if pages.report.is_some() {
        lines.push(format!("\n{}: report.txt", words.report_heading));
    }
    if pages.last_log.is_some() {
        lines.push(format!("\n{}", words.log));
    }
    lines.push(format!("\n{}\n", put(words.version, pages.version)));
    lines.join("\n")
}

/// With the mark and the line ends that the plainest editors of Windows need.
pub(super) fn for_hosts(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.chars().filter(|&c| c == '\t' || !c.is_control()).collect())
        .collect();
    format!("\u{feff}{}\r\n", lines.join("\r\n"))
}
