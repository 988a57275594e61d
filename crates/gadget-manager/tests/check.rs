//! `check`: every mistake is named with its line, its remedy and exit code 3; secrets are never repeated.

mod support;

use std::os::unix::fs::PermissionsExt;

use support::Home;

/// Configurations with one mistake each: the text, the line of it (two lines are put in front), what is said.
const MISTAKES: &[(&str, usize, &str)] = &[
    ("[[disk]]\nname = \"a\"\n", 4, "has no place"),
    (
        "[[disk]]\nname = \"a\"\nstore = \"none\"\nimage = \"x\"\n",
        5,
        "there is no store \"none\"",
    ),
    (
        "[[disk]]\nname = \"a b\"\npath = \"/x\"\n",
        4,
        "cannot be the name of a disk",
    ),
    ("[[disk]]\nname = \"a\"\npath = \"x\"\n", 4, "must be absolute"),
    (
        "[[disk]]\nname = \"a\"\npath = \"/x\"\ndeadline_seconds = 60\n",
        6,
        "USB hosts give up",
    ),
    (
        "[[disk]]\nname = \"a\"\npath = \"/x\"\n[[disk]]\nname = \"a\"\npath = \"/y\"\n",
        7,
        "another disk \"a\"",
    ),
    (
        "[[disk]]\nname = \"a\"\npath = \"/x\"\n[[disk]]\nname = \"b\"\npath = \"/x\"\n",
        7,
        "are the same image",
    ),
    (
        "[[disk]]\nname = \"a\"\npath = \"/x\"\nread_only = true\ntake_over = true\n",
        4,
        "cannot take over",
    ),
    (
        "[[disk]]\nname = \"a\"\npath = \"/x\"\nlimit = { read_bytes = \"fast\" }\n",
        6,
        "is not a size",
    ),
    ("[[nbd]]\nlisten = \"localhost\"\ndisks = []\n", 4, "is no address"),
    (
        "[[nbd]]\nlisten = \"unix:relative\"\ndisks = []\n",
        4,
        "must begin with /",
    ),
    (
        "[[nbd]]\nlisten = \"127.0.0.1:1\"\ndisks = [\"x\"]\n",
        5,
        "there is no disk \"x\"",
    ),
    (
        "[gadget]\nmax_speed = \"ludicrous\"\n[[gadget.lun]]\n",
        4,
        "no USB speed",
    ),
    (
        "[gadget]\n[[gadget.lun]]\ndisk = \"gone\"\n",
        5,
        "there is no disk \"gone\"",
    ),
    ("[gadget]\nvendor_id = 65536\n[[gadget.lun]]\n", 4, "65536"),
    (
        "[[store]]\nname = \"c\"\ntype = \"file\"\nfolder = \"rel\"\n",
        3,
        "absolute path",
    ),
    (
        "[[store]]\nname = \"c\"\ntype = \"tape\"\n",
        5,
        "no store of type \"tape\"",
    ),
    ("[log]\nlevel = \"inof\"\n", 3, "is no level"),
    ("[log]\nlevel = \"=[\"\n", 3, "is no level"),
    (
        "[[disk]]\nname = \"a\"\npath = \"/x\"\n[[nbd]]\nlisten = \"127.0.0.1:1\"\ndisks = [\"a\", \"a\"]\n",
        8,
        "listed twice",
    ),
    (
        "[[store]]\nname = \"c\"\ntype = \"azure\"\naccount = \"a\"\ncontainer = \"BAD_NAME\"\n",
        3,
        "BAD_NAME",
    ),
    (
        "[[store]]\nname = \"c\"\ntype = \"azure\"\naccount = \"a\"\ncontainer = \"good\"\nlease_seconds = 1\n",
        3,
        "lease_seconds",
    ),
    (
        "[web.button]\ndevice = \"b\"\nhold_seconds = 20\nreset_seconds = 24\n",
        3,
        "`reset_seconds` is out of range",
    ),
    ("what = 1\n", 3, "unknown key `what`"),
    ("[log]\nlevel = 3\n", 4, "invalid type"),
    ("[[disk\n", 3, ""),
];

#[test]
fn every_mistake_has_a_line_a_remedy_and_exit_code_3() {
    for (text, line, said) in MISTAKES {
        let home = Home::new(text);
        let error = home.fails(3, &["check"]);
        let place = format!("gadget-manager.toml:{line}: ");
        assert!(error.contains(&place) && error.contains(said), "{text}\n{error}");
        assert!(error.contains("; "), "no remedy for\n{text}\n{error}");
    }
}

#[test]
fn mistakes_of_the_whole_file_are_named_too() {
    let nine = format!("[gadget]\n{}", "[[gadget.lun]]\n".repeat(9));
    for (text, said) in [
        ("[gadget]\n", "has 0 LUNs"),
        (nine.as_str(), "has 9 LUNs"),
        (
            "[gadget]\n[[gadget.lun]]\nremovable = false\n",
            "empty and not removable",
        ),
        ("[ublk]\nmax_io = \"3KiB\"\n", "max_io"),
        ("[ublk]\nqueues = 0\n", "queues"),
        ("[gadget]\nserial = \"lower case\"\n[[gadget.lun]]\n", "serial"),
        ("[gadget]\nmax_power_ma = 5000\n[[gadget.lun]]\n", "power"),
    ] {
        let error = Home::new(text).fails(3, &["check"]);
        assert!(error.contains(said), "{text}\n{error}");
    }
}

#[test]
fn two_luns_may_not_share_a_disk() {
    let home = Home::new(
        "[[disk]]\nname = \"a\"\npath = \"/x\"\n[gadget]\n[[gadget.lun]]\ndisk = \"a\"\n[[gadget.lun]]\ndisk = \"a\"\n",
    );
    assert!(
        home.fails(3, &["check"])
            .contains(":10: disk \"a\" is in LUN 0 and LUN 1")
    );
}

#[test]
fn what_could_destroy_a_file_system_is_warned_about() {
    let disk = "[[disk]]\nname = \"a\"\npath = \"/x\"\n";
    let luns = "[gadget]\n[[gadget.lun]]\ndisk = \"a\"\n";
    let said = Home::new(&format!(
        "{disk}[[nbd]]\nlisten = \"127.0.0.1:1\"\ndisks = [\"a\"]\n{luns}"
    ))
    .ok(&["check"]);
    assert!(said.contains("by the USB host and by NBD clients at once"), "{said}");
    let said = Home::new(&format!(
        "{disk}read_only = true\n[[nbd]]\nlisten = \"127.0.0.1:1\"\ndisks = [\"a\"]\n{luns}"
    ))
    .ok(&["check"]);
    assert!(!said.contains("warning"), "{said}");
    let said = Home::new(&format!("{disk}limit = {{ write_bytes = \"100KiB\" }}\n{luns}")).ok(&["check"]);
    assert!(said.contains("less than 4 MiB within a deadline"), "{said}");
}

#[test]
fn a_fixed_disk_is_allowed() {
    let said =
        Home::new("[[disk]]\nname = \"a\"\npath = \"/x\"\n[gadget]\n[[gadget.lun]]\ndisk = \"a\"\nremovable = false\n")
            .ok(&["check"]);
    assert!(said.contains("1 LUNs"), "{said}");
}

#[test]
fn a_usable_configuration_is_said_to_be_so() {
    let home =
        Home::new("[[disk]]\nname = \"a\"\npath = \"/x\"\n[[nbd]]\nlisten = \"0.0.0.0:10809\"\ndisks = [\"a\"]\n");
    let said = home.ok(&["check"]);
    assert!(
        said.contains("usable: 0 stores, 1 disks, 1 NBD servers, 0 LUNs"),
        "{said}"
    );
    assert!(
        said.contains(":7: warning: the NBD server at 0.0.0.0:10809 can be reached from other machines"),
        "{said}"
    );
    let report = home.json(&["check"]);
    assert_eq!(report["usable"], true);
    assert_eq!(report["warnings"][0]["line"], 7);
}

#[test]
fn json_reports_mistakes_and_still_fails() {
    let home = Home::new("what = 1\n");
    let output = home.run(&["check", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["usable"], &report["errors"][0]["line"]),
        (&false.into(), &3.into())
    );
}

#[test]
fn a_missing_file_is_not_found() {
    let home = Home::new("");
    std::fs::remove_file(home.config()).unwrap();
    assert!(home.fails(3, &["check"]).contains("cannot be read"));
}

#[test]
fn secrets_that_others_can_read_are_refused_and_never_repeated() {
    const SECRET: &str = "cGxhbnRlZCBzZWNyZXQga2V5";
    let home = Home::new("[[store]]\nname = \"cloud\"\ntype = \"azure\"\naccount = \"a\"\ncontainer = \"sticks\"\n");
    home.secrets(&format!("[store.cloud]\naccount_key = \"{SECRET}\"\n"));
    home.ok(&["check"]);
    std::fs::set_permissions(home.join("secrets.toml"), PermissionsExt::from_mode(0o644)).unwrap();
    let error = home.fails(3, &["check"]);
    assert!(error.contains("chmod 600") && !error.contains(SECRET), "{error}");
    home.secrets(&format!("[store.cloud]\naccount_key = {SECRET}\n"));
    let error = home.fails(3, &["check"]);
    assert!(error.contains("secrets.toml:2") && !error.contains(SECRET), "{error}");
    home.configure(&format!(
        "[[store]]\nname = \"cloud\"\ntype = \"azure\"\naccount = \"a\"\ncontainer = \"sticks\"\naccount_key = \"{SECRET}\"\n"
    ));
    let error = home.fails(3, &["check"]);
    assert!(
        error.contains("unknown key `account_key`") && !error.contains(SECRET),
        "{error}"
    );
}
