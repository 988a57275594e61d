//! What strangers may get onto the pages of the setup stick: names of files that were dropped, what is said of them, names and keys of
//! networks, which are in a QR code, too, and a log.

#![no_main]

use libfuzzer_sys::fuzz_target;
use volume::setup::{Outcome, Report, ReportedFile, SetupPages, Wifi};

/// The pages with these texts: of the device, a network and its key, a summary, a file and what is said of it, a log.
fn pages(texts: &[String]) -> [String; 2] {
    let text = |index: usize| texts.get(index).map(String::as_str).unwrap_or_default();
    let report = Report {
        summary: text(3).to_owned(),
        files: vec![ReportedFile {
            name: text(4).to_owned(),
            outcome: Outcome::Refused,
            detail: text(5).to_owned(),
        }],
    };
    let addresses = ["http://cloud-stick.local/".to_owned()];
    let pages = SetupPages {
        device_name: text(0),
        addresses: &addresses,
        claim_code: Some("K7QP-2MXD"),
        takes_files: true,
        wifi: Some(Wifi {
            name: text(1),
            key: Some(text(2)),
        }),
        version: "1",
        last_log: Some(text(6)),
        report: Some(&report),
    };
    let files = pages.files();
    let content = |name: &str| {
        let file = files
            .iter()
            .find(|file| file.name == name)
            .expect("every page is there");
        String::from_utf8(file.content.to_vec()).expect("pages are text")
    };
    [content("READ ME.html"), content("report.txt")]
}

fn tame(c: char) -> char {
    if matches!(c, '<' | '>' | '&' | '"' | '\'') {
        'x'
    } else {
        c
    }
}

fuzz_target!(|text: &str| {
    let mut foreign: Vec<String> = text.split('\0').map(str::to_owned).collect();
    // As long as they can be (IEEE 802.11, 9.4.2.2; 63 characters of WPA): longer ones may not fit into a QR code.
    for (index, most) in [(1, 32), (2, 63)] {
        if let Some(text) = foreign.get_mut(index) {
            text.truncate(text.floor_char_boundary(most));
        }
    }
    let harmless: Vec<String> = foreign.iter().map(|text| text.chars().map(tame).collect()).collect();
    let ([page, report], [same, _]) = (pages(&foreign), pages(&harmless));
    // No foreign text makes an element, ends an attribute or a text.
    for sign in ['<', '>', '"', '\''] {
        assert_eq!(page.matches(sign).count(), same.matches(sign).count(), "{sign}");
    }
    assert!(!report.chars().any(|c| c.is_control() && !matches!(c, '\r' | '\n')));
});
