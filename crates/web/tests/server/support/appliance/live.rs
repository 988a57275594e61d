//! The state it begins with.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use web::api::*;

pub(super) fn first() -> Live {
    let now = OffsetDateTime::now_utc();
    Live {
        configuration: 1,
        device: Device {
            name: "my-stick".to_owned(),
            version: "0".to_owned(),
            board: None,
            kernel: "6.12".to_owned(),
            serial: "0123".to_owned(),
            started: now,
            clock: Clock {
                now,
                source: ClockSource::Network,
            },
            memory: Memory {
                total: 512 << 20,
                available: 300 << 20,
                daemon: 30 << 20,
            },
            updates: Some(Updates {
                version: "0.1.0".to_owned(),
                channel: "development".to_owned(),
                slot: "a".to_owned(),
                accepts: vec!["development".to_owned()],
                last: None,
            }),
            wipes: true,
            problems: vec![Problem::new(ProblemCode::Unsupported, "no controller").remedy("plug it in")],
        },
        usb: Usb {
            controller: Some("musb-hdrc.2.auto".to_owned()),
            state: UsbState::Connected,
            speed: Some(Speed::High),
            problem: None,
            identity: Identity {
                vendor_id: 0x1d6b,
                product_id: 0x0104,
                manufacturer: "Cloud Stick".to_owned(),
                product: "Stick".to_owned(),
                serial: "0123".to_owned(),
                max_power_ma: 500,
            },
            luns: vec![Lun {
                settings: LunSettings {
                    disk: Some("films".to_owned()),
                    read_only: false,
                    cdrom: false,
                    removable: true,
                },
                medium: Medium::Inserted,
                problem: None,
            }],
        },
        disks: vec![Disk {
            name: "films".to_owned(),
            store: Some("card".to_owned()),
            image: "films".to_owned(),
            read_only: false,
            limits: Limits::default(),
            phase: DiskPhase::Online,
            since: now,
            problem: None,
            size: Some(1 << 30),
            path: vec![Link {
                kind: LinkKind::Store,
                state: LinkState::Good,
                detail: None,
            }],
            counters: Some(Counters {
                read: Operation::default(),
                write: Operation::default(),
                flush: Operation::default(),
                in_flight: 0,
            }),
        }],
        stores: vec![Store {
            name: "card".to_owned(),
            r#type: "file".to_owned(),
            description: "folder".to_owned(),
            values: BTreeMap::from([("folder".to_owned(), "/data".into())]),
            secrets: vec!["key".to_owned()],
            disks: vec!["films".to_owned()],
        }],
        network: Network {
            urls: vec!["http://my-stick.local/".to_owned()],
            interfaces: vec![Interface {
                name: "eth0".to_owned(),
                kind: InterfaceKind::Ethernet,
                up: true,
                addresses: vec!["192.0.2.7/24".to_owned(), "2001:db8::7/64".to_owned()],
                mac: None,
                ssid: None,
            }],
            wifi: true,
            ..Network::default()
        },
    }
}
