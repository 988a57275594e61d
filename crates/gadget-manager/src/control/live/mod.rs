//! The state of everything, put together from what others publish and what the kernel tells.

mod device;
mod disks;
mod events;
mod rates;
mod stores;
mod usb;

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use web::api::{AccessPoint, Device, Interface, Live, Network, Problem, ProblemCode, Store};

use super::{Keeper, doors::Doors, network};
use crate::{config::Loaded, daemon::Handle};
use wifi::{Mode, Status};

/// How old what the kernel tells of memory, clock and network may be.
const OLD: Duration = Duration::from_secs(5);

/// Puts the state together.
pub(super) struct Builder {
    handle: Handle,
    keeper: Keeper,
    doors: Arc<Mutex<Doors>>,
    radio: Arc<OnceLock<network::Radio>>,
    device: device::Machine,
    disks: disks::Disks,
    stores: Option<(Arc<Loaded>, Vec<Store>)>,
    slow: Option<Slow>,
}

/// What changes seldom, or does not matter to the second.
struct Slow {
    taken: Instant,
    loaded: Arc<Loaded>,
    doors: Doors,
    wifi: Option<Status>,
    device: Device,
    network: Network,
}

impl Builder {
    pub(super) fn new(
        handle: Handle,
        keeper: Keeper,
        doors: Arc<Mutex<Doors>>,
        radio: Arc<OnceLock<network::Radio>>,
    ) -> Self {
        Self {
            handle,
            keeper,
            doors,
            radio,
            device: device::Machine::look(),
            disks: disks::Disks::default(),
            stores: None,
            slow: None,
        }
    }

    /// How everything is at this moment.
    pub(super) fn build(&mut self) -> Live {
        let view = self.handle.view();
        let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let usb = usb::usb(&view, self.device.serial());
        let (device, network) = self.slow(&view.loaded, doors);
        Live {
            configuration: self.keeper.version(),
            device,
            disks: self.disks.look(&view, &usb),
            usb,
            stores: self.stores(&view.loaded),
            network,
        }
    }

    fn slow(&mut self, loaded: &Arc<Loaded>, doors: Doors) -> (Device, Network) {
        let wifi = self.radio.get().map(network::Radio::status);
        let fresh = |slow: &&Slow| {
            slow.taken.elapsed() < OLD && Arc::ptr_eq(&slow.loaded, loaded) && slow.doors == doors && slow.wifi == wifi
        };
        if let Some(slow) = self.slow.as_ref().filter(fresh) {
            return (slow.device.clone(), slow.network.clone());
        }
        let device = self.device.device(loaded);
        let network = network(loaded, &doors, self.radio.get());
        self.slow = Some(Slow {
            taken: Instant::now(),
            loaded: loaded.clone(),
            doors,
            wifi,
            device: device.clone(),
            network: network.clone(),
        });
        (device, network)
    }

    fn stores(&mut self, loaded: &Arc<Loaded>) -> Vec<Store> {
        match &self.stores {
            Some((known, stores)) if Arc::ptr_eq(known, loaded) => stores.clone(),
            _ => {
                let stores = stores::stores(loaded);
                self.stores = Some((loaded.clone(), stores.clone()));
                stores
            }
        }
    }
}

fn network(loaded: &Loaded, doors: &Doors, radio: Option<&network::Radio>) -> Network {
    let mut interfaces = network::interfaces();
    let status = radio.map(network::Radio::status).unwrap_or_default();
    for interface in &mut interfaces {
        let is_in = matches!(status.mode, Mode::Addressing | Mode::Joined);
        if is_in && Some(&interface.name) == status.interface.as_ref() {
            interface.ssid = status.ssid.as_ref().map(ToString::to_string);
        }
    }
    let name = loaded.config.name.get_ref().to_ascii_lowercase();
    let announced = doors.announced && doors.is_open();
    let mdns_name = announced.then(|| format!("{name}.local"));
    let access_point = radio.and_then(network::Radio::access_point).map(|own| AccessPoint {
        ssid: own.ssid.to_string(),
        clients: status.clients.try_into().unwrap_or(u32::MAX),
    });
    let remembered = loaded.config.wifi.iter().flat_map(|wifi| &wifi.networks);
    let reachable = network::reachable(&interfaces);
    Network {
        urls: doors.urls(mdns_name.as_deref(), &reachable),
        mdns_name,
        wifi: status.interface.is_some(),
        remembered: remembered.map(|network| network.ssid.get_ref().clone()).collect(),
        problem: problem(&interfaces, reachable.is_empty(), access_point.is_some(), &status),
        access_point,
        interfaces,
    }
}

fn problem(interfaces: &[Interface], unreachable: bool, is_access_point: bool, wifi: &Status) -> Option<Problem> {
    let problem = |text: &str, remedy: &str| Some(Problem::new(ProblemCode::Unreachable, text).remedy(remedy));
    // With a cable that has brought an address, it matters only to who asked, and was told.
    let wired = network::is_wired(interfaces);
    let failure = wifi.failure.as_ref().filter(|_| !wired);
    let failure = failure.map(|(ssid, why)| network::of_failure(&ssid.to_string(), *why));
    if is_access_point && !wired {
        // Who is in there waits to hear why it is not another one.
        failure.or_else(|| {
            problem(
                "the device is in no network but its own",
                "let it join a Wi-Fi network, or plug in a network cable",
            )
        })
    } else if let Some(trouble) = &wifi.problem {
        problem(&format!("Wi-Fi does not work: {trouble}"), "see the log")
    } else if !interfaces.iter().any(|interface| interface.up) {
        problem(
            "the device is in no network",
            "plug in a network cable, or see that its network is up",
        )
    } else if unreachable {
        problem(
            "the device has no address in its network",
            "see that the router gives addresses (DHCP)",
        )
    } else {
        failure
    }
}

#[cfg(test)]
mod tests {
    use web::api::InterfaceKind;
    use wifi::{Failure, Ssid};

    use super::*;

    fn interface(kind: InterfaceKind, up: bool, addresses: &[&str]) -> Interface {
        Interface {
            name: "it".to_owned(),
            kind,
            up,
            addresses: addresses.iter().map(|&address| address.to_owned()).collect(),
            mac: None,
            ssid: None,
        }
    }

    #[test]
    fn a_failed_join_hides_nothing_that_matters_more() {
        let failed = Status {
            failure: Some((Ssid::new("home").unwrap(), Failure::WrongKey)),
            ..Status::default()
        };
        let told = |interfaces: &[Interface], is_access_point| {
            let unreachable = network::reachable(interfaces).is_empty();
            problem(interfaces, unreachable, is_access_point, &failed).map(|problem| problem.detail)
        };
        let cable = |up, addresses: &[&str]| [interface(InterfaceKind::Ethernet, up, addresses)];
        let radio = |addresses: &[&str]| [interface(InterfaceKind::Wifi, true, addresses)];
        let wrong = Some("the Wi-Fi network \"home\" has another password");
        assert_eq!(told(&cable(true, &["192.0.2.7/24"]), false), None);
        assert_eq!(told(&cable(true, &["192.0.2.7/24"]), true), None);
        let out = told(&cable(false, &[]), false);
        assert_eq!(out.as_deref(), Some("the device is in no network"));
        let mute = told(&cable(true, &[]), false);
        assert_eq!(mute.as_deref(), Some("the device has no address in its network"));
        assert_eq!(told(&radio(&["192.168.213.1/24"]), true).as_deref(), wrong);
        assert_eq!(told(&radio(&["192.0.2.8/24"]), false).as_deref(), wrong);
    }
}
