//! The findings of `doctor` on made-up machines.

use super::*;
use crate::udc::tests::add_udc;

fn machine() -> (tempfile::TempDir, Environment) {
    let dir = tempfile::tempdir().unwrap();
    let at = |folder: &str| dir.path().join(folder);
    let environment = Environment {
        configfs: at("config"),
        sysfs: at("sys"),
        procfs: at("proc"),
        modules: at("modules"),
        ..Environment::default()
    };
    (dir, environment)
}

fn put(path: std::path::PathBuf, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn level(environment: &Environment, check: &str) -> Option<Level> {
    look(environment)
        .into_iter()
        .find(|finding| finding.check == check)
        .map(|finding| finding.level)
}

#[test]
fn a_bare_machine_has_a_remedy_for_everything() {
    let (_dir, environment) = machine();
    for check in ["configfs", "libcomposite", "mass-storage", "udc"] {
        assert_eq!(level(&environment, check), Some(Level::Problem), "{check}");
    }
    assert_eq!(level(&environment, "cable"), None);
    assert!(
        look(&environment)
            .iter()
            .all(|finding| finding.level == Level::Good || finding.remedy.is_some())
    );
    let error = prepare(&environment).unwrap_err().to_string();
    assert!(error.contains("mount -t configfs"), "{error}");
}

#[test]
fn a_good_machine_is_good() {
    let (_dir, environment) = machine();
    put(
        environment.procfs.join("mounts"),
        "sysfs /sys sysfs rw 0 0\nnone /sys/kernel/config configfs rw 0 0\n",
    );
    fs::create_dir_all(environment.gadgets()).unwrap();
    fs::create_dir_all(environment.sysfs.join("module/usb_f_mass_storage")).unwrap();
    add_udc(&environment, "musb-hdrc.2.auto", "cloud-stick-0");
    assert_eq!(level(&environment, "configfs"), Some(Level::Good));
    assert_eq!(level(&environment, "libcomposite"), Some(Level::Good));
    assert_eq!(level(&environment, "mass-storage"), Some(Level::Good));
    assert_eq!(level(&environment, "udc"), Some(Level::Warning), "bound to something");
    assert_eq!(level(&environment, "cable"), Some(Level::Good));
    assert!(prepare(&environment).is_ok());
}

#[test]
fn modules_are_found_built_in_and_on_disk() {
    let (_dir, environment) = machine();
    put(environment.procfs.join("sys/kernel/osrelease"), "6.12.1\n");
    assert_eq!(module(&environment, "libcomposite"), Module::Absent);
    put(
        environment.modules.join("6.12.1/modules.dep"),
        "kernel/drivers/usb/gadget/libcomposite.ko.xz: x\n",
    );
    assert_eq!(module(&environment, "libcomposite"), Module::Loadable);
    put(
        environment.modules.join("6.12.1/modules.builtin"),
        "kernel/drivers/usb/gadget/libcomposite.ko\n",
    );
    assert_eq!(module(&environment, "libcomposite"), Module::Loaded);
}

#[test]
fn a_port_fixed_as_host_is_named() {
    let (_dir, environment) = machine();
    put(
        environment
            .sysfs
            .join("firmware/devicetree/base/soc/usb@1c13000/dr_mode"),
        "host\0",
    );
    put(
        environment
            .sysfs
            .join("firmware/devicetree/base/soc/usb@1c1a000/dr_mode"),
        "otg\0",
    );
    let remedy = udc_remedy(&environment);
    assert!(remedy.contains("usb@1c13000"), "{remedy}");
    assert!(!remedy.contains("usb@1c1a000"), "{remedy}");
}

#[test]
fn a_cable_is_spoken_of_in_words() {
    let (_dir, environment) = machine();
    add_udc(&environment, "a", "cloud-stick-0");
    for (state, expected) in [
        ("configured", Level::Good),
        ("suspended", Level::Warning),
        ("powered", Level::Warning),
        ("not attached", Level::Warning),
    ] {
        put(environment.udc_class().join("a/state"), state);
        assert_eq!(level(&environment, "cable"), Some(expected), "{state}");
    }
}
