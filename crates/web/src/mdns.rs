//! The device's name in the home network: `NAME.local` and a service `_http._tcp` (RFC 6762, RFC 6763).

use std::{sync::Arc, time::Duration};

use mdns_sd::{DaemonEvent, Receiver, ServiceDaemon, ServiceInfo};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The kind of service that phones look for.
const SERVICE: &str = "_http._tcp.local.";
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Names cannot be announced.
#[derive(Debug, thiserror::Error)]
#[error("the name cannot be announced in the network: {0}; phones have to use the address")]
pub(crate) struct MdnsError(#[from] mdns_sd::Error);

/// Announces a name as long as it runs. If somebody else has the name, the library appends a number to ours (RFC 6762, 9):
/// the log says so, and the page answers to that name as well.
pub(crate) struct Announcer {
    daemon: ServiceDaemon,
    port: u16,
    alias: Alias,
}

/// The host name that somebody else's claim on ours has led to, such as `films-2.local`; nothing as long as ours is ours.
pub(crate) type Alias = Arc<watch::Sender<Option<Arc<str>>>>;

impl Announcer {
    /// Opens the sockets (UDP port 5353, shared with others on this machine).
    pub(crate) fn open(port: u16, alias: Alias) -> Result<Self, MdnsError> {
        Ok(Self {
            daemon: ServiceDaemon::new()?,
            port,
            alias,
        })
    }

    /// Announces the name, and each next one, until it is stopped.
    pub(crate) async fn run(self, mut name: watch::Receiver<Arc<str>>, stop: CancellationToken) {
        let mut events = self.daemon.monitor().ok();
        loop {
            self.alias.send_replace(None);
            let current = name.borrow_and_update().to_ascii_lowercase();
            let announced = self.announce(&current);
            if let Err(error) = &announced {
                tracing::warn!(%error, name = current);
            }
            let ended = loop {
                tokio::select! {
                    () = stop.cancelled() => break true,
                    changed = name.changed() => break changed.is_err(),
                    renamed = renamed(&mut events, &current) => {
                        tracing::warn!("somebody else in the network is called {current}: this device is now found as {renamed}; give it another name");
                        self.alias.send_replace(Some(renamed.into()));
                    }
                }
            };
            if let Ok(Ok(receiver)) = announced.map(|full| self.daemon.unregister(&full)) {
                wait(receiver).await;
            }
            if ended {
                break;
            }
        }
        if let Ok(receiver) = self.daemon.shutdown() {
            wait(receiver).await;
        }
    }

    fn announce(&self, name: &str) -> Result<String, MdnsError> {
        let host = format!("{name}.local.");
        let service = ServiceInfo::new(SERVICE, name, &host, "", self.port, None)?.enable_addr_auto();
        let full = service.get_fullname().to_owned();
        self.daemon.register(service)?;
        Ok(full)
    }
}

/// Returns the host name that the library has chosen instead of `name`, when it does.
async fn renamed(events: &mut Option<Receiver<DaemonEvent>>, name: &str) -> String {
    let host = format!("{name}.local.");
    while let Some(receiver) = events {
        match receiver.recv_async().await {
            Ok(DaemonEvent::NameChange(change)) if change.original.eq_ignore_ascii_case(&host) => {
                return change.new_name.trim_end_matches('.').to_ascii_lowercase();
            }
            Ok(_) => {}
            // The library's thread has ended.
            Err(_) => *events = None,
        }
    }
    std::future::pending().await
}

/// Waits until the library's thread has done something, without blocking ours.
async fn wait<T: Send + 'static>(receiver: Receiver<T>) {
    // If it takes longer, others learn of it when our records expire.
    let _ = tokio::task::spawn_blocking(move || receiver.recv_timeout(GOODBYE).is_ok()).await;
}

#[cfg(test)]
mod tests {
    use mdns_sd::ServiceEvent;

    use super::*;

    /// A port of this run's own: real phones must not see it, nor other runs.
    fn port() -> u16 {
        20_000 + (std::process::id() % 10_000) as u16
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_phone_finds_the_device_under_each_of_its_names_until_it_stops() {
        let announcer = Announcer {
            daemon: ServiceDaemon::new_with_port(port()).unwrap(),
            port: 8080,
            alias: Alias::default(),
        };
        let (sender, name) = watch::channel(Arc::from("First-Stick"));
        let stop = CancellationToken::new();
        let running = tokio::spawn(announcer.run(name, stop.clone()));

        let phone = ServiceDaemon::new_with_port(port()).unwrap();
        let events = phone.browse(SERVICE).unwrap();
        let wait_for = |what: &'static str, found: fn(&ServiceEvent) -> bool| {
            let events = events.clone();
            tokio::task::spawn_blocking(move || {
                loop {
                    let event = events.recv_timeout(Duration::from_secs(60));
                    if found(&event.unwrap_or_else(|_| panic!("{what}: nothing came"))) {
                        return;
                    }
                }
            })
        };
        let resolved = |event: &ServiceEvent| {
            matches!(event, ServiceEvent::ServiceResolved(service)
            if service.get_hostname() == "first-stick.local." && service.get_port() == 8080)
        };
        wait_for("the first name", resolved).await.unwrap();
        sender.send_replace(Arc::from("second"));
        let resolved = |event: &ServiceEvent| matches!(event, ServiceEvent::ServiceResolved(service) if service.get_hostname() == "second.local.");
        wait_for("the second name", resolved).await.unwrap();
        stop.cancel();
        running.await.unwrap();
        let removed = |event: &ServiceEvent| matches!(event, ServiceEvent::ServiceRemoved(_, name) if name.starts_with("second."));
        wait_for("the goodbye", removed).await.unwrap();
        phone.shutdown().unwrap();
    }
}
