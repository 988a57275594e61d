//! Enumeration, states, controllers.

use std::{fs, time::Duration};

use gadget::{DeviceState, GadgetConfig, GadgetError, Inquiry, Level, LunConfig, MassStorageGadget, Speed};

use crate::{config, connected, eventually, host, image, lun, until};

pub(crate) async fn support_finds_everything() {
    let findings = gadget::support();
    println!("{findings:#?}");
    assert!(findings.iter().all(|finding| finding.level < Level::Problem));
}

pub(crate) async fn the_host_sees_what_was_configured() {
    let inquiry = Inquiry::new("ACME", "Living room", "2.1").unwrap().to_string();
    let (gadget, _events) = connected(GadgetConfig {
        // The longest name there is.
        name: "twelve-chars".into(),
        manufacturer: "ACME Wölkchen".into(),
        product: "Stick für den Fernseher".into(),
        device_release: 0x0213,
        max_power_ma: 250,
        max_speed: Some(Speed::High),
        stall: Some(true),
        luns: vec![LunConfig {
            inquiry: Some(inquiry),
            ..lun(Some(image("seen", 8)))
        }],
        ..GadgetConfig::default()
    })
    .await;
    let disk = eventually("the disk", || host::disk(0)).await;
    let device = host::device().unwrap();
    let see = |attribute| host::text(&device, attribute).unwrap();
    assert_eq!(
        (
            see("idVendor").as_str(),
            see("idProduct").as_str(),
            see("bcdDevice").as_str()
        ),
        ("0525", "a4a5", "0213")
    );
    assert_eq!(see("manufacturer"), "ACME Wölkchen");
    assert_eq!(see("product"), "Stick für den Fernseher");
    assert_eq!(see("serial"), gadget::machine_serial().serial);
    assert_eq!(
        (see("bMaxPower").as_str(), see("bmAttributes").as_str()),
        ("250mA", "80")
    );
    assert_eq!(see("speed"), "480");
    let scsi = host::scsi(0).unwrap();
    let say = |attribute| fs::read_to_string(scsi.join(attribute)).unwrap().trim().to_owned();
    assert_eq!(
        (say("vendor").as_str(), say("model").as_str(), say("rev").as_str()),
        ("ACME", "Living room", "2.1")
    );
    assert_eq!(host::mark(&disk).unwrap(), "seen");
    let state = gadget.state().await;
    assert_eq!(
        (state.bound, state.state, state.speed),
        (true, DeviceState::Configured, Speed::High)
    );
    gadget.remove().await.unwrap();
    eventually("the stick to go", || host::device().is_none().then_some(())).await;
}

pub(crate) async fn a_self_powered_device_may_draw_nothing() {
    let (gadget, _events) = connected(GadgetConfig {
        self_powered: true,
        max_power_ma: 0,
        serial: Some("00112233445566AA".into()),
        ..config("self", vec![lun(None)])
    })
    .await;
    let device = host::device().unwrap();
    assert_eq!(host::text(&device, "bMaxPower").unwrap(), "0mA");
    assert_eq!(host::text(&device, "bmAttributes").unwrap(), "c0");
    assert_eq!(host::text(&device, "serial").unwrap(), "00112233445566AA");
    // Dropping removes too.
    drop(gadget);
}

pub(crate) async fn states_follow_the_cable() {
    let gadget = MassStorageGadget::create(config("states", vec![lun(Some(image("states", 8)))]))
        .await
        .unwrap();
    let mut events = gadget.events();
    let is = |wanted| move |event: &gadget::GadgetEvent| matches!(event, gadget::GadgetEvent::StateChanged { state, .. } if *state == wanted);
    let state = gadget.state().await;
    assert_eq!((state.bound, state.state), (false, DeviceState::NotAttached));
    assert!(host::device().is_none(), "not shown before it is connected");
    gadget.connect().await.unwrap();
    until(&mut events, is(DeviceState::Configured)).await;
    gadget.connect().await.unwrap();
    gadget.soft_disconnect().await.unwrap();
    until(&mut events, is(DeviceState::NotAttached)).await;
    eventually("the stick to go", || host::device().is_none().then_some(())).await;
    assert!(gadget.state().await.bound, "the controller is kept");
    gadget.connect().await.unwrap();
    until(&mut events, is(DeviceState::Configured)).await;
    gadget.disconnect().await.unwrap();
    until(&mut events, is(DeviceState::NotAttached)).await;
    assert!(!gadget.state().await.bound, "the controller is free");
    gadget.disconnect().await.unwrap();
    gadget.connect().await.unwrap();
    until(&mut events, is(DeviceState::Configured)).await;
    let disk = eventually("the disk", || host::disk(0).filter(|disk| host::mark(disk).is_ok())).await;
    assert_eq!(host::mark(&disk).unwrap(), "states", "media stay in while disconnected");
    gadget.remove().await.unwrap();
}

pub(crate) async fn a_busy_controller_names_its_owner() {
    let other = crate::life::Foreign::create("somebody-elses", true);
    let gadget = MassStorageGadget::create(config("busy", vec![lun(None)]))
        .await
        .unwrap();
    let error = gadget.connect().await.unwrap_err();
    assert!(
        matches!(&error, GadgetError::UdcBusy { owner, .. } if owner == "somebody-elses"),
        "{error}"
    );
    assert!(!gadget.state().await.bound);
    drop(other);
    gadget.connect().await.unwrap();
    gadget.remove().await.unwrap();
}

/// A host in the middle of a command resets the port of a stick that went; the one that comes must not be taken for it.
pub(crate) async fn a_stick_with_other_luns_is_another_stick() {
    for round in 1..4 {
        let (gadget, _events) = connected(config("replug", vec![lun(Some(image("one", 8)))])).await;
        let disk = eventually("the disk", || host::disk(0).filter(|disk| host::mark(disk).is_ok())).await;
        assert!(host::disk(1).is_none());
        let reader = std::thread::spawn(move || while host::read_direct(&disk).is_ok() {});
        // Gone at another moment of its reading each time.
        tokio::time::sleep(Duration::from_millis(3 * round)).await;
        gadget.remove().await.unwrap();
        let two = vec![lun(Some(image("one", 8))), lun(Some(image("two", 8)))];
        let (gadget, _events) = connected(config("replug", two)).await;
        eventually("the second disk", || {
            host::disk(1).filter(|disk| host::mark(disk).is_ok())
        })
        .await;
        gadget.remove().await.unwrap();
        reader.join().unwrap();
        eventually("the stick to go", || host::device().is_none().then_some(())).await;
    }
}

/// To be run after `rmmod dummy_hcd`.
pub(crate) async fn without_a_controller_there_is_an_error() {
    let error = MassStorageGadget::create(config("none", vec![lun(None)]))
        .await
        .unwrap_err();
    assert!(matches!(error, GadgetError::NoUdc { .. }), "{error}");
    assert!(
        gadget::support()
            .iter()
            .any(|finding| finding.check == "udc" && finding.level == Level::Problem)
    );
    println!("{error}");
}
