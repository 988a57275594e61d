//! Steps on LUNs made of plain files: each step is made to fail in turn, and everything must be as before.

use std::fs;

use tokio::sync::broadcast;

use super::*;

struct Bench {
    dir: tempfile::TempDir,
    luns: Luns,
    shadow: Arc<Shadow>,
    events: broadcast::Receiver<GadgetEvent>,
}

/// Two removable drives and a fixed disk, with every attribute the kernel has.
fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    for lun in 0..3 {
        let folder = dir.path().join(format!("f/lun.{lun}"));
        fs::create_dir_all(&folder).unwrap();
        for (name, value) in [
            ("file", ""),
            ("ro", "0\n"),
            ("cdrom", "0\n"),
            ("nofua", "0\n"),
            ("removable", "1\n"),
            ("forced_eject", ""),
        ] {
            fs::write(folder.join(name), value).unwrap();
        }
    }
    for disk in ["a", "b"] {
        fs::write(dir.path().join(disk), [0; 4096]).unwrap();
    }
    let shadow = Arc::new(Shadow::new(3));
    let (sender, events) = broadcast::channel(16);
    let config = vec![
        LunConfig::default(),
        LunConfig::default(),
        LunConfig {
            removable: false,
            medium: Some(dir.path().join("a")),
            ..LunConfig::default()
        },
    ];
    let luns = Luns::new(dir.path().join("f"), config, shadow.clone(), sender);
    Bench {
        dir,
        luns,
        shadow,
        events,
    }
}

impl Bench {
    fn disk(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn value(&self, lun: usize, name: &str) -> String {
        fs::read_to_string(self.luns.attribute(lun, name))
            .unwrap()
            .trim()
            .to_owned()
    }
}

#[test]
fn a_medium_goes_in_and_out() {
    let mut bench = bench();
    let a = bench.disk("a");
    bench.luns.insert(0, &a, true).unwrap();
    assert_eq!(bench.value(0, "file"), a.to_str().unwrap());
    assert_eq!(bench.value(0, "ro"), "1");
    assert_eq!(bench.shadow.medium(0), Some(a.clone()));
    let state = &bench.luns.states().unwrap()[0];
    assert_eq!((state.medium.as_ref(), state.read_only), (Some(&a), true));
    assert!(matches!(
        bench.luns.insert(0, &a, true),
        Err(GadgetError::Occupied { lun: 0, .. })
    ));
    bench.luns.eject(0, Force::No).unwrap();
    assert_eq!(bench.value(0, "file"), "");
    assert_eq!(
        bench.events.try_recv().unwrap(),
        GadgetEvent::MediumChanged {
            lun: 0,
            medium: Some(a)
        }
    );
    assert_eq!(
        bench.events.try_recv().unwrap(),
        GadgetEvent::MediumChanged { lun: 0, medium: None }
    );
}

#[test]
fn what_cannot_be_is_refused_and_nothing_changes() {
    let bench = bench();
    let a = bench.disk("a");
    assert!(matches!(
        bench.luns.insert(3, &a, false),
        Err(GadgetError::NoSuchLun { lun: 3, last: 2 })
    ));
    assert!(matches!(
        bench.luns.insert(2, &a, false),
        Err(GadgetError::NotRemovable { lun: 2 })
    ));
    assert!(matches!(
        bench.luns.eject(2, Force::Yes),
        Err(GadgetError::NotRemovable { lun: 2 })
    ));
    assert!(matches!(
        bench.luns.insert(0, &bench.disk("none"), false),
        Err(GadgetError::Medium { .. })
    ));
    bench.luns.insert(0, &a, true).unwrap();
    let error = bench.luns.insert(1, &a, false).unwrap_err();
    assert!(
        matches!(
            error,
            GadgetError::Medium {
                problem: MediumProblem::InLun { lun: 0 },
                ..
            }
        ),
        "{error}"
    );
    bench.luns.insert(1, &a, true).unwrap();
}

#[test]
fn a_failing_step_of_an_insertion_is_undone() {
    // Each attribute in turn cannot be written; without `file` even the first look fails.
    for missing in ["ro", "file"] {
        let bench = bench();
        fs::remove_file(bench.luns.attribute(0, missing)).unwrap();
        assert!(
            bench
                .luns
                .changing(0, || bench.luns.insert_into_empty(0, &bench.disk("a"), true))
                .is_err(),
            "{missing}"
        );
        if missing != "ro" {
            assert_eq!(bench.value(0, "ro"), "0", "write protection as before");
        } else {
            assert_eq!(bench.value(0, "file"), "");
        }
        assert_eq!(bench.shadow.medium(0), None);
    }
}

#[test]
fn a_swap_that_fails_leaves_the_old_medium() {
    let bench = bench();
    let (a, b) = (bench.disk("a"), bench.disk("b"));
    bench.luns.insert(0, &a, false).unwrap();
    fs::write(&b, [0; 100]).unwrap();
    for (read_only, force) in [(false, Force::No), (true, Force::No), (true, Force::Yes)] {
        assert!(bench.luns.swap(0, &b, read_only, force).is_err());
        assert_eq!(bench.value(0, "file"), a.to_str().unwrap());
        assert_eq!(bench.value(0, "ro"), "0");
        assert_eq!(bench.shadow.medium(0), Some(a.clone()));
    }
}

#[test]
fn a_swap_changes_medium_and_protection() {
    let bench = bench();
    let (a, b) = (bench.disk("a"), bench.disk("b"));
    bench.luns.swap(0, &a, false, Force::No).unwrap();
    bench.luns.swap(0, &b, false, Force::No).unwrap();
    assert_eq!(bench.value(0, "file"), b.to_str().unwrap());
    bench.luns.swap(0, &a, true, Force::No).unwrap();
    assert_eq!(bench.value(0, "file"), a.to_str().unwrap());
    assert_eq!(bench.value(0, "ro"), "1");
}

#[test]
fn a_kernel_without_forced_eject_says_so() {
    let bench = bench();
    bench.luns.insert(0, &bench.disk("a"), false).unwrap();
    fs::remove_file(bench.luns.attribute(0, "forced_eject")).unwrap();
    assert!(matches!(
        bench.luns.eject(0, Force::Yes),
        Err(GadgetError::Unsupported { .. })
    ));
}

#[test]
fn fixed_disks_are_loaded_at_creation() {
    let bench = bench();
    bench.luns.load().unwrap();
    assert_eq!(bench.value(2, "file"), bench.disk("a").to_str().unwrap());
    assert_eq!(bench.shadow.medium(2), Some(bench.disk("a")));
}
