//! `disk`: images come, grow, are snapshotted and go, in a folder and in a real Azurite.

mod support;

use std::os::unix::fs::FileExt;

use support::Home;
use testkit::{Ceph, azurite::Azurite};

const FILE: &str = "[[store]]\nname = \"card\"\ntype = \"file\"\nfolder = \"@HOME@/disks\"\n";

fn card() -> Home {
    let home = Home::new(FILE);
    std::fs::create_dir(home.join("disks")).expect("there");
    home
}

/// Everything that can be done to an image, whatever its store.
fn life_of_an_image(home: &Home, store: &str) {
    let name = format!("{store}/films");
    let info = home.json(&["disk", "create", &name, "--size", "8MiB"]);
    assert_eq!((&info["name"], &info["size"]), (&"films".into(), &(8 << 20).into()));
    assert!(
        home.fails(8, &["disk", "create", &name, "--size", "8MiB"])
            .contains("exists already")
    );
    assert!(
        home.fails(1, &["disk", "create", &format!("{store}/odd"), "--size", "1000"])
            .contains("512")
    );
    let list = home.json(&["disk", "list", store]);
    assert_eq!(list[0]["image"]["name"], "films");
    assert_eq!(list.as_array().expect("there").len(), 1);

    assert_eq!(
        home.json(&["disk", "resize", &name, "--size", "16MiB"])["size"],
        16 << 20
    );
    let error = home.fails(1, &["disk", "resize", &name, "--size", "4MiB"]);
    assert!(error.contains("--shrink"), "{error}");
    assert_eq!(
        home.json(&["disk", "resize", &name, "--size", "4MiB", "--shrink"])["size"],
        4 << 20
    );

    let taken = home.json(&["disk", "snapshot", &name, "--label", "before"]);
    let id = taken["snapshots"][0]["id"].as_str().expect("there").to_owned();
    let listed = home.json(&["disk", "snapshots", &name]);
    assert_eq!(listed["snapshots"][0]["id"], id.as_str());
    assert_eq!(home.json(&["disk", "info", &format!("{name}@{id}")])["size"], 4 << 20);
    home.ok(&["disk", "restore", &format!("{name}@{id}"), "--yes"]);

    // Nothing is destroyed without being asked for, and nothing that has snapshots by the way.
    assert!(home.fails(1, &["disk", "delete", &name]).contains("--yes"));
    home.ok(&["disk", "delete", &format!("{name}@{id}"), "--yes"]);
    assert_eq!(
        home.json(&["disk", "snapshots", &name])["snapshots"]
            .as_array()
            .expect("there")
            .len(),
        0
    );
    home.ok(&["disk", "delete", &name, "--yes"]);
    home.fails(4, &["disk", "info", &name]);
    home.fails(4, &["disk", "delete", &name, "--yes"]);
}

#[test]
fn in_a_folder() {
    life_of_an_image(&card(), "card");
}

fn arguments<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [command, more].concat()
}

/// The new stick arrives formatted, and can be formatted anew.
fn a_formatted_image(home: &Home, store: &str) {
    let name = format!("{store}/stick");
    let create = |more: &[&'static str]| arguments(&["disk", "create", &name, "--size", "64MiB"], more);
    let info = home.json(&create(&["--filesystem", "fat32", "--label", "Films"]));
    let made = &info["filesystem"];
    assert_eq!(
        (&made["kind"], &made["label"]),
        (&"FAT32".into(), &"FILMS".into()),
        "{info:#}"
    );
    assert_eq!(
        (&made["table"], &made["start"]),
        (&"mbr".into(), &(1 << 20).into()),
        "{info:#}"
    );
    assert_eq!(info["size"], 64 << 20);

    // Nothing is lost without being asked for, nor by options that cannot be.
    let format = |more: &[&'static str]| arguments(&["disk", "format", &name], more);
    assert!(home.fails(1, &format(&["--filesystem", "exfat"])).contains("--yes"));
    assert!(home.fails(1, &format(&["--yes"])).contains("--filesystem"));
    let label = ["--filesystem", "exfat", "--label", "a/b", "--yes"];
    assert!(home.fails(1, &format(&label)).contains("'/'"));
    let exfat = ["--filesystem", "exfat", "--table", "none", "--label", "Größe", "--yes"];
    let made = &home.json(&format(&exfat))["filesystem"];
    assert_eq!((&made["kind"], &made["label"]), (&"exFAT".into(), &"Größe".into()));
    assert_eq!((&made["table"], &made["start"]), (&"none".into(), &0.into()));
    home.ok(&["disk", "delete", &name, "--yes"]);

    // What cannot be formatted is not even made.
    for (more, reason) in [
        (&["--filesystem", "fat32", "--label", "a.b"][..], "'.'"),
        (&["--filesystem", "none", "--label", "films"], "--filesystem"),
        (&["--table", "mbr"], "--filesystem"),
    ] {
        let error = home.fails(1, &create(more));
        assert!(error.contains(reason), "{error}");
    }
    let large = ["disk", "create", &name, "--size", "3TiB", "--filesystem", "fat32"];
    assert!(home.fails(1, &large).contains("exFAT"));
    assert!(home.fails(2, &create(&["--filesystem", "ntfs"])).contains("exfat"));
    home.fails(4, &["disk", "info", &name]);
}

#[test]
fn formatted_in_a_folder() {
    let home = card();
    a_formatted_image(&home, "card");
    let shown = home.ok(&[
        "disk",
        "create",
        "card/shown",
        "--size",
        "2GiB",
        "--filesystem",
        "fat32",
    ]);
    assert!(shown.contains("FAT32, clusters of 4 KiB, in a partition"), "{shown}");
    let image = std::fs::File::open(home.join("disks/shown")).unwrap();
    let mut table = [0; 512];
    image.read_exact_at(&mut table, 0).unwrap();
    assert_eq!((table[450], &table[510..]), (0x0b, &[0x55, 0xaa][..]));
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let home = card();
    for name in ["card/../evil", "card//etc/passwd", "card/.", "card/"] {
        let output = home.run(&["disk", "create", name, "--size", "1MiB"]);
        assert!(!output.status.success(), "{name}: {output:?}");
    }
    assert_eq!(std::fs::read_dir(home.join("disks")).unwrap().count(), 0);
}

#[test]
fn unknown_stores_and_disks_are_not_found() {
    let home = card();
    assert!(
        home.fails(4, &["disk", "list", "cloud"])
            .contains("configured are: card")
    );
    assert!(home.fails(4, &["disk", "info", "films"]).contains("STORE/IMAGE"));
}

async fn cloud(container: &str) -> (Azurite, Home) {
    let azurite = Azurite::in_memory().await.expect("Azurite starts");
    let home = Home::new(&format!(
        "[[store]]\nname = \"cloud\"\ntype = \"azure\"\nendpoint = \"{}\"\ncontainer = \"{container}\"\nallow_http = true\n\
         create_container = true\n",
        azurite.endpoint()
    ));
    home.secrets(&format!("[store.cloud]\naccount_key = \"{}\"\n", azurite.key()));
    (azurite, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_azurite() {
    let (_azurite, home) = cloud("sticks").await;
    tokio::task::spawn_blocking(move || life_of_an_image(&home, "cloud"))
        .await
        .unwrap();
}

/// A store in the pool of a cluster of the test's own, as the restricted user.
async fn pool() -> (Ceph, Home) {
    let ceph = Ceph::small().await.expect("a cluster starts");
    let home = Home::new(&format!(
        "[[store]]\nname = \"ceph\"\ntype = \"rbd\"\npool = \"{}\"\nconf_file = \"{}\"\nuser = \"{}\"\n",
        ceph.pool(),
        ceph.conf().display(),
        ceph.user(),
    ));
    let keyring = std::fs::read_to_string(ceph.keyring(ceph.user())).expect("a keyring");
    home.secrets(&format!(
        "[store.ceph]\nkeyring = \"\"\"\n{}\"\"\"\n",
        keyring.replace('"', "\\\"")
    ));
    (ceph, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_ceph_pool() {
    let (ceph, home) = pool().await;
    let work = move || {
        life_of_an_image(&home, "ceph");
        home.ok(&["disk", "create", "ceph/master", "--size", "8MiB"]);
        home.ok(&["disk", "snapshot", "ceph/master", "--label", "base"]);
        let protected = home.json(&["disk", "protect", "ceph/master@base"]);
        assert_eq!(protected["snapshots"][0]["label"], "protected");
        let copy = home.json(&["disk", "clone", "ceph/master@base", "copy"]);
        assert_eq!(copy["details"]["parent"], "rbd/master@base");
        assert!(
            home.fails(7, &["disk", "unprotect", "ceph/master@base"])
                .contains("clones")
        );
        assert!(home.json(&["disk", "flatten", "ceph/copy"])["details"]["parent"].is_null());
        home.ok(&["disk", "unprotect", "ceph/master@base"]);
        home.ok(&["disk", "delete", "ceph/master", "--with-snapshots", "--yes"]);
        let error = home.fails(1, &["disk", "flatten", "ceph/copy"]);
        assert!(error.contains("no clone"), "{error}");
        home
    };
    let home = tokio::task::spawn_blocking(work).await.unwrap();
    let report: serde_json::Value = serde_json::from_slice(&home.run(&["doctor", "--json"]).stdout).unwrap();
    let chapters = report["chapters"].as_array().unwrap().iter();
    let chapter = chapters.filter(|chapter| chapter["chapter"].as_str().unwrap().starts_with("Store ceph"));
    let findings = chapter.flat_map(|chapter| chapter["findings"].as_array().unwrap());
    let verdicts: Vec<_> = findings.map(|finding| finding["verdict"].as_str().unwrap()).collect();
    assert!(verdicts.len() >= 6 && !verdicts.contains(&"bad"), "{report:#}");
    let key = ceph.key(ceph.user()).unwrap();
    assert!(!report.to_string().contains(&key));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_ceph_pool_with_a_wrong_key() {
    let (ceph, home) = pool().await;
    let wrong = ceph.key("admin").unwrap();
    home.secrets(&format!("[store.ceph]\nkey = \"{wrong}\"\n"));
    let error = home.fails(5, &["disk", "list"]);
    assert!(error.contains("client.stick") && !error.contains(&wrong), "{error}");
    home.secrets("[store.ceph]\nkey = \"cGxhbnRlZA==\"\n");
    let error = home.fails(3, &["disk", "list"]);
    assert!(
        error.contains("no cephx key") && !error.contains("cGxhbnRlZA"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn formatted_in_azurite() {
    let (_azurite, home) = cloud("sticks").await;
    tokio::task::spawn_blocking(move || a_formatted_image(&home, "cloud"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn in_azurite_with_a_wrong_key() {
    const WRONG: &str = "d3JvbmcgcGxhbnRlZCBrZXk=";
    let (azurite, home) = cloud("sticks").await;
    home.secrets(&format!("[store.cloud]\naccount_key = \"{WRONG}\"\n"));
    let error = home.fails(5, &["disk", "list"]);
    assert!(
        error.contains("denied") && !error.contains(WRONG) && !error.contains(azurite.key()),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_there_is_unreachable() {
    let (mut azurite, home) = cloud("sticks").await;
    azurite.kill().await.unwrap();
    home.fails(6, &["disk", "list"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_what_is_wrong_with_a_store() {
    let (mut azurite, home) = cloud("sticks").await;
    let output = home.run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let store = |report: &serde_json::Value| -> Vec<(String, String)> {
        let chapters = report["chapters"].as_array().unwrap();
        let chapter = chapters
            .iter()
            .find(|chapter| chapter["chapter"].as_str().unwrap().starts_with("Store cloud"));
        let findings = chapter.unwrap()["findings"].as_array().unwrap();
        let text = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap().to_owned();
        findings
            .iter()
            .map(|finding| (text(finding, "check"), text(finding, "verdict")))
            .collect()
    };
    assert!(
        store(&report).iter().any(|(_, verdict)| verdict == "good"),
        "{report:#}"
    );
    azurite.kill().await.unwrap();
    let output = home.run(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(9));
    let report = serde_json::from_slice(&output.stdout).unwrap();
    assert!(store(&report).iter().any(|(_, verdict)| verdict == "bad"), "{report:#}");
}
