//! Proves the crate on a real kernel that plays both sides of the cable (dummy_hcd). Run as root in a virtual machine
//! whose gadgets and USB disks may be disturbed; `ci/scenarios/gadget.sh` and `gadget-media.sh` do.
//!
//! `gadget-checks NAME...` runs checks and fails with the first that fails; other words are parts of checks that need a
//! process of their own. The tools used as the USB host: eject, sg3-utils, util-linux, strace.

#![expect(clippy::unwrap_used, reason = "a check ends at the first surprise, like a test")]

mod cable;
mod host;
mod life;
mod media;
mod unwind;

use std::{fmt::Debug, fs, path::PathBuf, time::Duration};

use gadget::{GadgetConfig, GadgetEvent, LunConfig, MassStorageGadget};
use tokio::sync::broadcast;

/// How long anything may take under emulation.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["hold", name] => life::hold(name).await,
        ["once", name] => std::process::exit(unwind::once(name).await),
        _ => {
            for name in &arguments {
                check(name).await;
                println!("ok {name}");
            }
        }
    }
}

async fn check(name: &str) {
    match name {
        "support" => cable::support_finds_everything().await,
        "enumeration" => cable::the_host_sees_what_was_configured().await,
        "self-powered" => cable::a_self_powered_device_may_draw_nothing().await,
        "states" => cable::states_follow_the_cable().await,
        "busy" => cable::a_busy_controller_names_its_owner().await,
        "replug" => cable::a_stick_with_other_luns_is_another_stick().await,
        "no-udc" => cable::without_a_controller_there_is_an_error().await,
        "eight-luns" => media::eight_luns_each_with_its_own_nature().await,
        "cdrom" => media::an_iso_is_a_cdrom().await,
        "swap" => media::media_change_without_reenumeration().await,
        "locked" => media::the_hosts_lock_is_respected_until_forced().await,
        "host-eject" => media::the_hosts_eject_is_noticed().await,
        "refused" => media::bad_media_change_nothing().await,
        "stalled" => media::a_stalled_disk_is_an_error_in_time().await,
        "leftovers" => life::leftovers_of_the_dead_are_removed_and_no_others().await,
        "adopt" => life::a_killed_process_is_succeeded_unnoticed().await,
        "unwind" => unwind::every_failing_step_is_undone().await,
        other => panic!("there is no check {other}"),
    }
    assert_eq!(host::our_gadgets(), Vec::<String>::new(), "{name} left a gadget");
}

/// A file of zeroes with a mark in its first sector.
fn image(name: &str, mebibytes: u64) -> PathBuf {
    let path = PathBuf::from(format!("/tmp/{name}.img"));
    fs::write(&path, format!("{name}\n")).unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(mebibytes << 20)
        .unwrap();
    path
}

fn lun(medium: Option<PathBuf>) -> LunConfig {
    LunConfig {
        medium,
        ..LunConfig::default()
    }
}

fn config(name: &str, luns: Vec<LunConfig>) -> GadgetConfig {
    GadgetConfig {
        name: name.to_owned(),
        luns,
        ..GadgetConfig::default()
    }
}

/// A gadget that the host has taken into use.
async fn connected(config: GadgetConfig) -> (MassStorageGadget, broadcast::Receiver<GadgetEvent>) {
    let gadget = MassStorageGadget::create(config).await.unwrap();
    let mut events = gadget.events();
    gadget.connect().await.unwrap();
    until(&mut events, |event| {
        matches!(
            event,
            GadgetEvent::StateChanged {
                state: gadget::DeviceState::Configured,
                ..
            }
        )
    })
    .await;
    (gadget, events)
}

/// Waits for an event.
async fn until(events: &mut broadcast::Receiver<GadgetEvent>, wanted: impl Fn(&GadgetEvent) -> bool) {
    let mut seen = Vec::new();
    let wait = async {
        loop {
            let event = events.recv().await.unwrap();
            if wanted(&event) {
                return;
            }
            seen.push(event);
        }
    };
    if tokio::time::timeout(PATIENCE, wait).await.is_err() {
        panic!("the event did not come; seen: {seen:?}");
    }
}

/// Polls until the host sees it.
async fn eventually<T: Debug>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(found) => found,
        Err(_) => panic!("waited in vain for {what}"),
    }
}
