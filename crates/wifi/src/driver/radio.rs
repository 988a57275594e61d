//! The radio: `wpa_supplicant`, and what is started beside it for the network that it is in or makes.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use crate::{
    Found, Network, Settings, Ssid, address,
    portal::Portal,
    process::{self, Process},
    wpa::{Message, NetworkId, Supplicant, WpaError, quiet_channel},
};

/// How old what was in reach may be when the access point is made: after that, nobody can look for a while.
const FRESH: Duration = Duration::from_secs(60);
/// How long a look around may take.
const LOOK: Duration = Duration::from_secs(10);
/// How long an access point may take to be there.
const OPENING: Duration = Duration::from_secs(15);

/// The radio.
pub(super) struct Radio {
    interface: String,
    supplicant: Supplicant,
    /// Networks to join, the best first.
    remembered: Arc<[Network]>,
    /// Those that `wpa_supplicant` knows.
    known: Vec<(Network, NetworkId)>,
    portal: Option<Portal>,
    dhcp: Option<Process>,
    /// How the DHCP client is called, while there should be one.
    dhcp_arguments: Option<Vec<String>>,
    found: Vec<Found>,
    found_at: Option<Instant>,
    settings: Settings,
    clients: usize,
}

type Messages = mpsc::Receiver<Message>;

impl Radio {
    pub(super) async fn start(interface: &str, settings: &Settings) -> Result<(Self, Messages), WpaError> {
        let country = settings.country.as_deref();
        process::end_leftover(&settings.folder.join("udhcpc.pid"), &settings.folder).await;
        process::end_leftover(&settings.folder.join("udhcpd.pid"), &settings.folder).await;
        let (supplicant, messages) = Supplicant::start(interface, country, &settings.folder).await?;
        address::clear(interface).await;
        let radio = Self {
            interface: interface.to_owned(),
            supplicant,
            remembered: Arc::default(),
            known: Vec::new(),
            portal: None,
            dhcp: None,
            dhcp_arguments: None,
            found: Vec::new(),
            found_at: None,
            settings: settings.clone(),
            clients: 0,
        };
        Ok((radio, messages))
    }

    /// Ends everything.
    pub(super) async fn stop(mut self) {
        self.close().await;
        self.drop_address().await;
        self.supplicant.stop().await;
    }

    pub(super) fn interface(&self) -> &str {
        &self.interface
    }

    /// Returns when `wpa_supplicant`, or what phones in the access point need beside it, has ended.
    pub(super) async fn ended(&mut self) -> String {
        let portal = async {
            match &mut self.portal {
                Some(portal) => portal.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            said = self.supplicant.ended() => said,
            said = portal => said,
        }
    }

    /// Takes other networks as those to join. Says whether they are others.
    pub(super) fn remember(&mut self, networks: Arc<[Network]>) -> bool {
        let differs = self.remembered != networks;
        self.remembered = networks;
        differs
    }

    /// Leaves everything, and has nothing said about it.
    async fn leave(&mut self, messages: &mut Messages) -> Result<(), WpaError> {
        self.close().await;
        self.supplicant.clear().await?;
        self.known.clear();
        // It is said over the other socket, a moment later, that it has left: the answer to a question means that it was.
        self.supplicant.current().await?;
        tokio::task::yield_now().await;
        while messages.try_recv().is_ok() {}
        Ok(())
    }

    async fn close(&mut self) {
        self.clients = 0;
        if let Some(portal) = self.portal.take() {
            portal.close(&self.interface).await;
        }
    }

    /// Joins nothing.
    pub(super) async fn rest(&mut self, messages: &mut Messages) -> Result<(), WpaError> {
        self.drop_address().await;
        self.leave(messages).await
    }

    /// Joins whatever is remembered and in reach.
    pub(super) async fn seek(&mut self, messages: &mut Messages) -> Result<(), WpaError> {
        self.rest(messages).await?;
        self.follow().await
    }

    /// Has `wpa_supplicant` know what is remembered, no more and no less. A network that it is in stays, if it is remembered.
    pub(super) async fn follow(&mut self) -> Result<(), WpaError> {
        let remembered = self.remembered.clone();
        let (kept, gone) = std::mem::take(&mut self.known)
            .into_iter()
            .partition::<Vec<_>, _>(|(network, _)| remembered.contains(network));
        self.known = kept;
        for (_, id) in gone {
            self.supplicant.remove(id).await?;
        }
        for (index, network) in remembered.iter().enumerate() {
            if !self.known.iter().any(|(known, _)| known == network) {
                let id = self.supplicant.add(network, remembered.len() - index).await?;
                self.known.push((network.clone(), id));
            }
        }
        self.supplicant.enable_all().await
    }

    /// Joins this one and no other.
    pub(super) async fn attempt(&mut self, network: &Network, messages: &mut Messages) -> Result<(), WpaError> {
        self.rest(messages).await?;
        let id = self.supplicant.add(network, 1).await?;
        self.known.push((network.clone(), id));
        self.supplicant.select(id).await
    }

    /// Makes the access point, and waits until it is there.
    pub(super) async fn open(&mut self, messages: &mut Messages) -> Result<(), WpaError> {
        self.rest(messages).await?;
        let Some(own) = self.settings.access_point.clone() else {
            return Ok(());
        };
        if self.found_at.is_none_or(|at| at.elapsed() > FRESH) && self.supplicant.scan().await.is_ok() {
            wait_for(messages, &[Message::ScanResults, Message::ScanFailed], LOOK).await?;
            self.note_found().await;
        }
        let frequency = quiet_channel(&self.found);
        self.supplicant.open_access_point(&own, frequency).await?;
        match wait_for(messages, &[Message::AccessPointUp], OPENING).await? {
            Some(_) => {}
            None => return Err(io::Error::other("the driver makes no access point").into()),
        }
        self.portal = Some(Portal::open(&self.interface, &self.settings.folder).await?);
        tracing::info!("the access point {:?} is there", own.ssid);
        Ok(())
    }

    /// Starts to ask for an address.
    pub(super) async fn ask_address(&mut self) -> Result<(), WpaError> {
        self.drop_address().await;
        let settings = &self.settings;
        let number = settings.folder.join("udhcpc.pid");
        let arguments = [
            "-f",
            "-i",
            &self.interface,
            "-p",
            &number.to_string_lossy(),
            // Tries that follow each other closely, and a pause before the next ones.
            "-t",
            "4",
            "-T",
            "2",
            "-A",
            "3",
            "-O",
            "ntpsrv",
            "-x",
            &format!("hostname:{}", settings.host_name),
            "-s",
            &settings.dhcp_script.to_string_lossy(),
        ]
        .map(str::to_owned);
        self.dhcp_arguments = Some(arguments.into());
        self.keep_asking();
        Ok(())
    }

    /// Starts the DHCP client again if it has ended.
    pub(super) fn keep_asking(&mut self) {
        let Some(arguments) = &self.dhcp_arguments else { return };
        if self.dhcp.as_mut().is_some_and(Process::is_running) {
            return;
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match Process::start("udhcpc", &arguments) {
            Ok(process) => self.dhcp = Some(process),
            Err(error) => tracing::warn!("{error}"),
        }
    }

    /// Forgets the address, and what came with it.
    pub(super) async fn drop_address(&mut self) {
        if let Some(dhcp) = self.dhcp.take() {
            dhcp.stop().await;
        }
        if self.dhcp_arguments.take().is_some() {
            let script = self.settings.dhcp_script.to_string_lossy();
            let told = process::run(&script, &["deconfig"], &[("interface", &self.interface)]).await;
            if let Err(error) = told {
                tracing::warn!("{script}: {error}");
            }
        }
        address::clear(&self.interface).await;
    }

    /// Begins to look around. Says whether the driver does.
    pub(super) async fn scan(&self) -> bool {
        match self.supplicant.scan().await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!("{error}");
                false
            }
        }
    }

    /// Takes down what is in reach.
    pub(super) async fn note_found(&mut self) {
        if let Ok(found) = self.supplicant.found().await {
            self.found = found;
            self.found_at = Some(Instant::now());
        }
    }

    /// What was in reach when it was last looked.
    pub(super) fn in_reach(&self) -> Vec<Found> {
        let own = self.settings.access_point.as_ref().map(|own| &own.ssid);
        let all = self.found.iter().filter(|found| Some(&found.ssid) != own);
        all.cloned().collect()
    }

    /// The network it is in.
    pub(super) async fn current(&self) -> Option<Ssid> {
        self.supplicant.current().await.ok().flatten()
    }

    /// Counts who is in the access point.
    pub(super) async fn clients(&mut self) -> Result<usize, WpaError> {
        self.clients = self.supplicant.clients().await?;
        Ok(self.clients)
    }

    pub(super) fn clients_known(&self) -> usize {
        self.clients
    }
}

/// Waits for one of these messages; nothing if none came.
async fn wait_for(
    messages: &mut Messages,
    wanted: &[Message],
    patience: Duration,
) -> Result<Option<Message>, WpaError> {
    let end = tokio::time::Instant::now() + patience;
    loop {
        match tokio::time::timeout_at(end, messages.recv()).await {
            Ok(Some(message)) if wanted.contains(&message) => return Ok(Some(message)),
            Ok(Some(_)) => {}
            Ok(None) => return Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
            Err(_) => return Ok(None),
        }
    }
}
