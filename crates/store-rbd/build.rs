//! Finds librbd, and says what to do where it is missing.

use std::{env, path::PathBuf, process::exit};

/// Where linkers look for libraries of Debian's architectures, after what the environment says.
const FOLDERS: [&str; 6] = [
    "/usr/lib",
    "/lib",
    "/usr/local/lib",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/arm-linux-gnueabihf",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LIBRBD_DIR");
    if env::var_os("CARGO_FEATURE_LIBRBD").is_none() {
        return;
    }
    let own = env::var_os("LIBRBD_DIR").map(PathBuf::from);
    if let Some(folder) = &own {
        println!("cargo::rustc-link-search=native={}", folder.display());
    }
    let cross = env::var("HOST").ok() != env::var("TARGET").ok();
    let architecture = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("aarch64") => "aarch64-linux-gnu",
        Ok("arm") => "arm-linux-gnueabihf",
        _ => "x86_64-linux-gnu",
    };
    let known = FOLDERS
        .iter()
        .map(PathBuf::from)
        .chain([PathBuf::from("/usr/lib").join(architecture)])
        .chain(own);
    let found = known
        .filter(|folder| !cross || folder.ends_with(architecture) || env::var_os("LIBRBD_DIR").is_some())
        .any(|folder| folder.join("librbd.so").exists());
    // A cross linker knows folders of its own, so that only it can tell.
    if !found && !cross {
        eprintln!(
            "librbd.so is missing, which the feature `librbd` links.\n\
             Install it with: apt-get install librbd-dev librados-dev\n\
             or say where it is with the variable LIBRBD_DIR,\n\
             or build without it: --no-default-features (then only the kernel's client is there)."
        );
        exit(1);
    }
}
