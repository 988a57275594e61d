//! Each step of creating and connecting a gadget is made to fail, and nothing may be left.

use gadget::{GadgetConfig, LunConfig, MassStorageGadget, Speed};

use crate::{host, image, lun};

/// Process of its own: exit code 0 if everything worked, 3 if there was an error.
pub(crate) async fn once(name: &str) -> i32 {
    let cd = LunConfig {
        cdrom: true,
        ..lun(None)
    };
    let inquiry = Some("ACME    Stick".to_owned());
    let luns = vec![
        LunConfig {
            inquiry: inquiry.clone(),
            ..lun(Some("/tmp/unwind.img".into()))
        },
        LunConfig { inquiry, ..cd },
    ];
    let config = GadgetConfig {
        name: name.to_owned(),
        max_speed: Some(Speed::High),
        stall: Some(false),
        luns,
        ..GadgetConfig::default()
    };
    let gadget = match MassStorageGadget::create(config).await {
        Ok(gadget) => gadget,
        Err(error) => {
            println!("{error}");
            return 3;
        }
    };
    let connected = gadget.connect().await;
    if let Err(error) = &connected {
        println!("{error}");
    }
    gadget.remove().await.unwrap();
    if connected.is_ok() { 0 } else { 3 }
}

/// The steps in their order: folders made, attributes written, links made.
const STEPS: &[&str] = &[
    "",
    "bDeviceClass",
    "bDeviceSubClass",
    "bDeviceProtocol",
    "idVendor",
    "idProduct",
    "bMaxPacketSize0",
    "bcdDevice",
    "bcdUSB",
    "max_speed",
    "strings/0x0409",
    "strings/0x0409/manufacturer",
    "strings/0x0409/product",
    "strings/0x0409/serialnumber",
    "functions/FUNCTION",
    "functions/FUNCTION/stall",
    "functions/FUNCTION/lun.0/ro",
    "functions/FUNCTION/lun.0/cdrom",
    "functions/FUNCTION/lun.0/nofua",
    "functions/FUNCTION/lun.0/removable",
    "functions/FUNCTION/lun.0/inquiry_string",
    "functions/FUNCTION/lun.1",
    "functions/FUNCTION/lun.1/ro",
    "functions/FUNCTION/lun.1/cdrom",
    "functions/FUNCTION/lun.1/nofua",
    "functions/FUNCTION/lun.1/removable",
    "functions/FUNCTION/lun.1/inquiry_string",
    "configs/c.1",
    "configs/c.1/bmAttributes",
    "configs/c.1/MaxPower",
    "configs/c.1/strings/0x0409",
    "configs/c.1/strings/0x0409/configuration",
    "configs/c.1/FUNCTION",
    "functions/FUNCTION/lun.0/file",
    "UDC",
];

/// strace makes the system call that opens, makes or links this path fail, once.
pub(crate) async fn every_failing_step_is_undone() {
    image("unwind", 4);
    let me = std::env::current_exe().unwrap();
    assert!(
        host::run(me.to_str().unwrap(), &["once", "undo"]).status.success(),
        "undisturbed it works"
    );
    for step in STEPS {
        let path = format!("/sys/kernel/config/usb_gadget/cloud-stick-undo/{step}")
            .replace("FUNCTION", "mass_storage.cloud-stick-undo-0");
        let path = path.trim_end_matches('/');
        let calls = "mkdir,mkdirat,symlink,symlinkat,openat";
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:error=EIO:when=1"));
        let output = host::run(
            "strace",
            &[
                "-f",
                "-q",
                // Stops it at these calls only, instead of at each: three times as fast under emulation.
                "--seccomp-bpf",
                "-e",
                &trace,
                "-o",
                "/tmp/strace",
                "-P",
                path,
                "-e",
                &inject,
                me.to_str().unwrap(),
                "once",
                "undo",
            ],
        );
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            output.status.code(),
            Some(3),
            "{path}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(host::our_gadgets(), Vec::<String>::new(), "{path} left a gadget");
        println!("undone: {step}: {}", said.trim());
    }
}
