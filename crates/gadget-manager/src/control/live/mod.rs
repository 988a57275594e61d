//! The state of everything, put together from what others publish and what the kernel tells.

mod device;
mod disks;
mod rates;
mod stores;
mod usb;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use web::api::{Device, Live, Network, Problem, ProblemCode, Store};

use super::{Keeper, doors::Doors, network};
use crate::{config::Loaded, daemon::Handle};

/// How old what the kernel tells of memory, clock and network may be.
const OLD: Duration = Duration::from_secs(5);

/// Puts the state together.
pub(super) struct Builder {
    handle: Handle,
    keeper: Keeper,
    doors: Arc<Mutex<Doors>>,
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
    device: Device,
    network: Network,
}

impl Builder {
    pub(super) fn new(handle: Handle, keeper: Keeper, doors: Arc<Mutex<Doors>>) -> Self {
        Self {
            handle,
            keeper,
            doors,
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
        let fresh =
            |slow: &&Slow| slow.taken.elapsed() < OLD && Arc::ptr_eq(&slow.loaded, loaded) && slow.doors == doors;
        if let Some(slow) = self.slow.as_ref().filter(fresh) {
            return (slow.device.clone(), slow.network.clone());
        }
        let device = self.device.device(loaded);
        let network = network(loaded, &doors);
        self.slow = Some(Slow {
            taken: Instant::now(),
            loaded: loaded.clone(),
            doors,
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

fn network(loaded: &Loaded, doors: &Doors) -> Network {
    let interfaces = network::interfaces();
    let name = loaded.config.name.get_ref().to_ascii_lowercase();
    let announced = doors.announced && doors.is_open();
    let mdns_name = announced.then(|| format!("{name}.local"));
    let problem = if !interfaces.iter().any(|interface| interface.up) {
        Some(
            Problem::new(ProblemCode::Unreachable, "the device is in no network")
                .remedy("plug in a network cable, or see that its network is up"),
        )
    } else if network::reachable(&interfaces).is_empty() {
        Some(
            Problem::new(ProblemCode::Unreachable, "the device has no address in its network")
                .remedy("see that the router gives addresses (DHCP)"),
        )
    } else {
        None
    };
    Network {
        urls: doors.urls(mdns_name.as_deref(), &network::reachable(&interfaces)),
        mdns_name,
        interfaces,
        wifi: false,
        remembered: Vec::new(),
        problem,
    }
}
