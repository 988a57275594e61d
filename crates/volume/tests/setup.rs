//! The pages of the setup stick, compared with those that were looked at. `BLESS=1 cargo test -p volume --test setup` writes
//! them anew; look at what changed.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::path::Path;

use volume::{
    MemoryVolume, NewFile,
    setup::{Outcome, Report, ReportedFile, SetupPages, Wifi},
};

fn golden(folder: &str, files: &[NewFile]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for file in files {
            std::fs::write(folder.join(&file.name), &file.content).unwrap();
        }
    }
    for file in files {
        let expected = std::fs::read_to_string(folder.join(&file.name)).unwrap();
        assert_eq!(std::str::from_utf8(&file.content).unwrap(), expected, "{}", file.name);
    }
    assert_eq!(
        std::fs::read_dir(&folder).unwrap().count(),
        files.len(),
        "files in {}",
        folder.display()
    );
}

fn report() -> Report {
    let file = |name: &str, outcome, detail: &str| ReportedFile {
        name: name.to_owned(),
        outcome,
        detail: detail.to_owned(),
    };
    Report {
        summary: "Nothing was changed.".to_owned(),
        files: vec![
            file(
                "gadget-manager.toml",
                Outcome::Refused,
                "line 3: unknown key \"nmae\"\ndid you mean name?",
            ),
            file("ceph.conf", Outcome::Taken, ""),
            file("holiday.jpg", Outcome::Ignored, ""),
        ],
    }
}

#[test]
fn a_new_device_in_a_network() {
    let addresses = [
        "http://cloud-stick.local/".to_owned(),
        "http://192.168.178.23/".to_owned(),
    ];
    let pages = SetupPages {
        device_name: "Cloud Stick",
        addresses: &addresses,
        claim_code: Some("K7QP-2MXD"),
        takes_files: true,
        wifi: None,
        version: "0.1.0",
        last_log: None,
        report: None,
    };
    golden("new", &pages.files());
}

#[test]
fn a_device_with_wifi_a_report_and_a_failed_start() {
    let addresses = ["http://192.168.4.1/".to_owned()];
    let pages = SetupPages {
        device_name: "Living room",
        addresses: &addresses,
        claim_code: Some("K7QP-2MXD"),
        takes_files: true,
        wifi: Some(Wifi {
            name: "Cloud Stick 4F2A",
            key: Some("correct horse"),
        }),
        version: "0.1.0",
        last_log: Some("2026-11-22T10:20:30Z ERROR films: store unreachable\n\u{1b}[31mred\u{1b}[0m\n"),
        report: Some(&report()),
    };
    golden("wifi", &pages.files());
}

#[test]
fn a_claimed_device_without_a_network() {
    let pages = SetupPages {
        device_name: "Living room",
        addresses: &[],
        claim_code: None,
        takes_files: false,
        wifi: None,
        version: "0.1.0",
        last_log: None,
        report: None,
    };
    golden("no-network", &pages.files());
}

/// Wherever foreign text may come in, it comes out as text.
#[test]
fn foreign_text_is_never_markup() {
    const EVIL: &str = "\"'><script>alert(1)</script>&\u{202e}\r\n\u{1b}[2J";
    let addresses = [
        EVIL.to_owned(),
        "javascript:alert(1)".to_owned(),
        format!("http://x/{EVIL}"),
    ];
    let report = Report {
        summary: EVIL.to_owned(),
        files: vec![ReportedFile {
            name: EVIL.to_owned(),
            outcome: Outcome::Ignored,
            detail: EVIL.to_owned(),
        }],
    };
    let pages = SetupPages {
        device_name: EVIL,
        addresses: &addresses,
        claim_code: Some(EVIL),
        takes_files: true,
        wifi: Some(Wifi {
            name: EVIL,
            key: Some(EVIL),
        }),
        version: EVIL,
        last_log: Some(EVIL),
        report: Some(&report),
    };
    for file in pages.files() {
        let text = String::from_utf8(file.content.to_vec()).unwrap();
        assert!(!text.contains('\u{1b}'), "{}", file.name);
        if file.name.ends_with(".html") {
            assert_eq!(text.matches("<script").count(), 1, "{text}");
            assert!(!text.contains("alert(1)</script>") && !text.contains("'><"), "{text}");
            assert!(
                !text.contains("href=\"javascript") && !text.contains('\u{202e}'),
                "{text}"
            );
        }
    }
}

#[test]
fn secrets_are_not_in_debug_output() {
    let pages = SetupPages {
        device_name: "Cloud Stick",
        addresses: &[],
        claim_code: Some("PLANTED-CODE"),
        takes_files: true,
        wifi: Some(Wifi {
            name: "stick",
            key: Some("planted key"),
        }),
        version: "0.1.0",
        last_log: None,
        report: None,
    };
    let shown = format!("{pages:?} {:?}", pages.files());
    assert!(!shown.contains("PLANTED") && !shown.contains("planted"), "{shown}");
}

#[tokio::test]
async fn all_of_it_fits_on_the_stick() {
    let log = "a line of a log\n".repeat(100_000);
    let addresses = ["http://cloud-stick.local/".to_owned()];
    let report = report();
    let pages = SetupPages {
        device_name: "Cloud Stick",
        addresses: &addresses,
        claim_code: Some("K7QP-2MXD"),
        takes_files: true,
        wifi: None,
        version: "0.1.0",
        last_log: Some(&log),
        report: Some(&report),
    };
    let stick = MemoryVolume::new("setup stick", "SETUP", pages.files()).await.unwrap();
    assert_eq!(stick.dropped_files(&volume::Limits::default()).await.unwrap(), []);
}
