//! The page in one file: no request goes anywhere, and it works from `file:`, without scripts, on old TVs.

use std::fmt::Write;

use super::{SetupPages, catalogue, catalogue::Words, escape, qr};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// `READ ME.html`. Without scripts all languages stand side by side; with them the browser's is shown.
pub(super) fn page(pages: &SetupPages<'_>) -> String {
    let device = escape::html(pages.device_name);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{device}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{device}</h1>\n"
    );
    choice(&mut out);
    codes(&mut out, pages);
    out.push_str("<div class=\"languages\">\n");
    for words in catalogue::ALL {
        section(&mut out, pages, words);
    }
    // Writing to a string cannot fail, here and below.
    let _ = write!(out, "</div>\n</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

/// Buttons for the languages, which only the script shows.
fn choice(out: &mut String) {
    out.push_str("<p id=\"choice\" hidden>");
    for words in catalogue::ALL {
        let (code, name) = (words.code, words.name);
        let _ = write!(
            out,
            "<button type=\"button\" lang=\"{code}\" data-show=\"{code}\">{name}</button> "
        );
    }
    out.push_str("</p>\n");
}

/// What needs no language: the squares, the code.
fn codes(out: &mut String, pages: &SetupPages<'_>) {
    out.push_str("<div class=\"codes\">\n");
    let mut figure = |content: &str, caption: &str| {
        if let Some(svg) = qr::svg(content, &format!("QR: {caption}")) {
            let caption = escape::html(caption);
            let _ = writeln!(out, "<figure>{svg}<figcaption>{caption}</figcaption></figure>");
        }
    };
    if let Some(wifi) = &pages.wifi {
        figure(&qr::wifi(wifi), &format!("Wi-Fi: {}", wifi.name));
    }
    if let Some(address) = pages.addresses.first() {
        figure(address, address);
    }
    out.push_str("</div>\n");
}

fn section(out: &mut String, pages: &SetupPages<'_>, words: &Words) {
    let put = |text: &str, value: &str| text.replace("{}", &format!("<strong>{}</strong>", escape::html(value)));
    let (heading, open) = words.for_state(pages.claim_code.is_none());
    let _ = writeln!(out, "<section lang=\"{}\">\n<h2>{heading}</h2>\n<ol>", words.code);
    if let Some(wifi) = &pages.wifi {
        let key = wifi
            .key
            .map(|key| format!(" {}", put(words.key, key)))
            .unwrap_or_default();
        let _ = writeln!(out, "<li>{}{key}</li>", put(words.join, wifi.name));
    }
    if pages.addresses.is_empty() {
        let _ = writeln!(out, "<li>{}</li>", words.no_network);
    } else {
        let _ = writeln!(out, "<li>{open}\n<ul>");
        for address in pages.addresses {
            let text = escape::html(address);
            // A link only to where a link may lead.
            let _ = if escape::is_web_address(address) {
                writeln!(out, "<li><a href=\"{text}\" rel=\"noreferrer\">{text}</a></li>")
            } else {
                writeln!(out, "<li>{text}</li>")
            };
        }
        let _ = writeln!(out, "</ul>\n{}</li>", words.same_network);
    }
    if let Some(code) = pages.claim_code {
        let code = format!("<strong class=\"code\">{}</strong>", escape::html(code));
        let _ = writeln!(out, "<li>{}</li>", words.enter.replace("{}", &code));
    }
    let _ = match pages.takes_files {
        true => writeln!(out, "</ol>\n<h3>{}</h3>\n<p>{}</p>", words.drop_heading, words.drop),
        false => writeln!(out, "</ol>\n<p>{}</p>", words.drop_not),
    };
    report(out, pages, words);
    if pages.last_log.is_some() {
        let link = words
            .log
            .replace("last-log.txt", "<a href=\"last-log.txt\">last-log.txt</a>");
        let _ = writeln!(out, "<p>{link}</p>");
    }
    let version = words.version.replace("{}", &escape::html(pages.version));
    let _ = writeln!(out, "<p class=\"version\">{version}</p>\n</section>");
}

fn report(out: &mut String, pages: &SetupPages<'_>, words: &Words) {
    let Some(report) = pages.report else {
        return;
    };
    let summary = escape::html(&report.summary);
    let _ = writeln!(out, "<h3>{}</h3>\n<p>{summary}</p>\n<ul>", words.report_heading);
    for file in &report.files {
        let (english, german) = file.outcome.words();
        let outcome = if words.code == "de" { german } else { english };
        let detail: Vec<String> = file.detail.lines().map(escape::html).collect();
        let _ = writeln!(
            out,
            "<li><strong>{}</strong>: {outcome}<br>{}</li>",
            escape::html(&file.name),
            detail.join("<br>")
        );
    }
    out.push_str("</ul>\n");
}
