//! Keeps the certificate suitable while the server runs.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    access::Clock,
    api::Live,
    appliance::Appliance,
    tls::{Keeper, Subject},
};

/// How often somebody looks at the clock: it may have been set meanwhile.
const LOOK: Duration = Duration::from_secs(3600);

/// What the certificate is to be for.
pub(super) fn subject(appliance: &dyn Appliance) -> Subject {
    let name = appliance.name().borrow().to_string();
    let live = appliance.live().borrow().clone();
    Subject {
        name,
        addresses: addresses(&live),
    }
}

/// The addresses at which the page can be asked for, and those of the machine itself, which a forwarded port leads to.
fn addresses(live: &Live) -> Vec<IpAddr> {
    let interfaces = live
        .network
        .interfaces
        .iter()
        .flat_map(|interface| &interface.addresses);
    let mut addresses: Vec<IpAddr> = interfaces
        .filter_map(|address| address.split('/').next()?.parse().ok())
        .collect();
    addresses.extend([IpAddr::from([127, 0, 0, 1]), std::net::Ipv6Addr::LOCALHOST.into()]);
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Makes a new certificate when the name changes, when the old one ends, and with a new key when `new_owner` says so.
pub(super) async fn keep(
    keeper: Arc<Keeper>,
    appliance: Arc<dyn Appliance>,
    clock: Arc<dyn Clock>,
    new_owner: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut name = appliance.name();
    let mut look = tokio::time::interval(LOOK);
    loop {
        let new_key = tokio::select! {
            () = stop.cancelled() => return,
            () = new_owner.notified() => true,
            _ = look.tick() => false,
            changed = name.changed() => match changed {
                Ok(()) => false,
                Err(_) => return,
            },
        };
        let subject = subject(&*appliance);
        let (keeper, now) = (keeper.clone(), clock.now());
        match tokio::task::spawn_blocking(move || keeper.refresh(&subject, new_key, now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the old certificate stays"),
            Err(error) => tracing::error!(%error, "the old certificate stays"),
        }
    }
}
