//! Carries out what the machine wants, and tells it what happens: one task, which owns the radio and everything started for it.

mod radio;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    Failure, Found, Network, Settings, Status, address,
    machine::{Action, Event, Machine},
    status::Mode,
    wpa::Message,
};
use radio::Radio;

/// Requests that may wait.
const QUEUE: usize = 8;
/// How often it is looked for an interface, and how long a program that ended stays away.
const RETRY: Duration = Duration::from_secs(3);
/// How often it is looked whether an address has come, and whether it is still there.
const ADDRESS_SOON: Duration = Duration::from_millis(300);
const ADDRESS_LATE: Duration = Duration::from_secs(3);
/// How long a scan may take.
const SCAN_TIME: Duration = Duration::from_secs(12);
/// How long the answer to who asked for a network has to get to a phone in the access point, which goes then.
const FAREWELL: Duration = Duration::from_millis(1500);

/// What Wi-Fi has to know of the rest of the device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether a cable is plugged in that has brought an address.
    pub wired: bool,
    /// Whether the device has an owner.
    pub owned: bool,
    /// Networks to join, the best first.
    pub remembered: Arc<[Network]>,
}

enum Request {
    Scan(oneshot::Sender<Vec<Found>>),
    Join(Network, oneshot::Sender<Result<(), Failure>>),
}

/// A way to the radio. Clones are the same.
#[derive(Clone)]
pub struct Wifi {
    requests: mpsc::Sender<Request>,
    status: watch::Receiver<Status>,
}

impl Wifi {
    /// Starts the task that owns the radio. It ends, and leaves nothing running, when it is told to stop.
    pub fn start(
        settings: Settings,
        facts: watch::Receiver<Facts>,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()>) {
        let (wifi, driver) = Self::driver(settings, facts, stop);
        (wifi, driver.run())
    }

    fn driver(settings: Settings, facts: watch::Receiver<Facts>, stop: CancellationToken) -> (Self, Driver) {
        let (requests, queue) = mpsc::channel(QUEUE);
        let (sender, status) = watch::channel(Status::default());
        let driver = Driver {
            machine: Machine::new(settings.patience, settings.access_point.is_some()),
            settings,
            facts,
            queue,
            status: sender,
            stop,
            begin: Instant::now(),
            asked: None,
            scans: Vec::new(),
            scan_until: None,
        };
        (Self { requests, status }, driver)
    }

    /// How it is, to watch.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Networks in reach, the strongest first. While the access point is there, many radios cannot look around: then they are those
    /// that were in reach before it was made.
    ///
    /// # Errors
    ///
    /// [`Failure::Radio`]: there is no radio.
    pub async fn scan(&self) -> Result<Vec<Found>, Failure> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(Request::Scan(reply))
            .await
            .map_err(|_| Failure::Radio)?;
        answer.await.map_err(|_| Failure::Radio)
    }

    /// Joins a network, whatever the radio does now. If that fails, it goes back to it.
    ///
    /// # Errors
    ///
    /// Why it could not be joined.
    pub async fn join(&self, network: Network) -> Result<(), Failure> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Join(network, reply);
        self.requests.send(request).await.map_err(|_| Failure::Radio)?;
        answer.await.unwrap_or(Err(Failure::Radio))
    }
}

struct Driver {
    settings: Settings,
    facts: watch::Receiver<Facts>,
    queue: mpsc::Receiver<Request>,
    status: watch::Sender<Status>,
    stop: CancellationToken,
    machine: Machine,
    begin: Instant,
    /// What is being joined because somebody asked, and who that is.
    asked: Option<(Network, oneshot::Sender<Result<(), Failure>>)>,
    /// Who waits for the end of a scan.
    scans: Vec<oneshot::Sender<Vec<Found>>>,
    scan_until: Option<Instant>,
}

/// Why a radio is not driven any more.
enum End {
    Stop,
    Lost(String),
}

impl Driver {
    async fn run(mut self) {
        let stop = self.stop.clone();
        let mut told = String::new();
        loop {
            let wanted = self.settings.interface.as_deref();
            let Some(interface) = address::find(wanted) else {
                if self.without_radio(RETRY).await {
                    return;
                }
                continue;
            };
            let started = tokio::select! {
                () = stop.cancelled() => return,
                started = Radio::start(&interface, &self.settings) => started,
            };
            let problem = match started {
                Ok((mut radio, messages)) => {
                    tracing::info!("{interface} is a radio for Wi-Fi");
                    told.clear();
                    // In the middle of whatever it does: all of that ends with the radio's programs.
                    let end = tokio::select! {
                        () = stop.cancelled() => End::Stop,
                        end = self.drive(&mut radio, messages) => end,
                    };
                    radio.stop().await;
                    match end {
                        End::Stop => return,
                        End::Lost(problem) => problem,
                    }
                }
                Err(error) => error.to_string(),
            };
            self.let_go();
            if told != problem {
                tracing::warn!("no Wi-Fi: {problem}; trying again");
                told.clone_from(&problem);
            }
            self.status.send_replace(Status {
                interface: Some(interface),
                problem: Some(problem),
                ..Status::default()
            });
            if self.without_radio(RETRY).await {
                return;
            }
        }
    }

    /// The radio is lost, and with it all that was under way.
    fn let_go(&mut self) {
        self.machine.on(self.begin.elapsed(), Event::Gone);
        self.answer(Err(Failure::Radio));
        self.scans.clear();
        // Otherwise who asks next would wait for a scan that nobody began.
        self.scan_until = None;
    }

    /// Waits, and refuses whoever asks. Says whether it is time to stop.
    async fn without_radio(&mut self, pause: Duration) -> bool {
        let end = tokio::time::sleep(pause);
        let mut end = std::pin::pin!(end);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return true,
                () = &mut end => return false,
                Some(request) = self.queue.recv() => match request {
                    // Nobody hears from it: that is the answer.
                    Request::Scan(_) => {}
                    Request::Join(_, reply) => {
                        let _ = reply.send(Err(Failure::Radio));
                    }
                },
            }
        }
    }

    async fn drive(&mut self, radio: &mut Radio, mut messages: mpsc::Receiver<Message>) -> End {
        let facts = self.facts.borrow_and_update().clone();
        let (now, remembered) = (self.begin.elapsed(), facts.remembered.len());
        for event in [
            Event::Owned(facts.owned),
            Event::Wired(facts.wired),
            Event::Remembered(remembered),
        ] {
            self.machine.on(now, event);
        }
        radio.remember(facts.remembered);
        if let Err(end) = self.tell(radio, &mut messages, Event::Ready).await {
            return end;
        }
        loop {
            self.publish(radio).await;
            let due = self.machine.due().map(|due| (self.begin + due).into());
            let scan = self.scan_until.map(Into::into);
            let look = match self.machine.mode() {
                Mode::Addressing => Some(tokio::time::Instant::now() + ADDRESS_SOON),
                Mode::Joined => Some(tokio::time::Instant::now() + ADDRESS_LATE),
                _ => None,
            };
            let done = tokio::select! {
                ended = radio.ended() => Err(End::Lost(ended)),
                message = messages.recv() => match message {
                    Some(message) => self.hear(radio, &mut messages, message).await,
                    None => Err(End::Lost("wpa_supplicant has closed its socket".to_owned())),
                },
                changed = self.facts.changed() => match changed {
                    Ok(()) => self.learn(radio, &mut messages).await,
                    Err(_) => Err(End::Stop),
                },
                Some(request) = self.queue.recv() => self.obey(radio, &mut messages, request).await,
                () = until(due) => self.tell(radio, &mut messages, Event::Tick).await,
                () = until(scan) => {
                    self.end_scan(radio).await;
                    Ok(())
                }
                () = until(look) => {
                    radio.keep_asking();
                    let has = address::has_one(radio.interface());
                    self.tell(radio, &mut messages, Event::Address(has)).await
                }
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// What the rest of the device has to say.
    async fn learn(&mut self, radio: &mut Radio, messages: &mut mpsc::Receiver<Message>) -> Result<(), End> {
        let facts = self.facts.borrow_and_update().clone();
        self.tell(radio, messages, Event::Owned(facts.owned)).await?;
        self.tell(radio, messages, Event::Wired(facts.wired)).await?;
        let number = facts.remembered.len();
        if radio.remember(facts.remembered) {
            let follows = matches!(self.machine.mode(), Mode::Seeking | Mode::Addressing | Mode::Joined);
            self.tell(radio, messages, Event::Remembered(number)).await?;
            if follows && self.machine.mode() != Mode::AccessPoint {
                radio.follow().await.map_err(lost)?;
            }
        }
        Ok(())
    }

    async fn obey(
        &mut self,
        radio: &mut Radio,
        messages: &mut mpsc::Receiver<Message>,
        request: Request,
    ) -> Result<(), End> {
        match request {
            Request::Scan(reply) => {
                self.scans.push(reply);
                if self.scan_until.is_none() {
                    self.scan_until = Some(Instant::now() + SCAN_TIME);
                    if !radio.scan().await {
                        self.end_scan(radio).await;
                    }
                }
                Ok(())
            }
            Request::Join(_, reply) if self.asked.is_some() => {
                let _ = reply.send(Err(Failure::Busy));
                Ok(())
            }
            Request::Join(network, reply) => {
                tracing::info!("joining the Wi-Fi network {:?}", network.ssid);
                self.asked = Some((network, reply));
                if self.machine.mode() == Mode::AccessPoint {
                    tokio::time::sleep(FAREWELL).await;
                }
                self.tell(radio, messages, Event::Asked).await
            }
        }
    }

    /// What `wpa_supplicant` has to say.
    async fn hear(
        &mut self,
        radio: &mut Radio,
        messages: &mut mpsc::Receiver<Message>,
        message: Message,
    ) -> Result<(), End> {
        let event = match message {
            Message::Connected => Event::Connected,
            Message::Disconnected => Event::Disconnected,
            Message::WrongKey => Event::WrongKey,
            Message::NotFound => Event::NotFound,
            Message::Refused => Event::Refused,
            Message::ScanResults => {
                radio.note_found().await;
                self.end_scan(radio).await;
                return Ok(());
            }
            Message::ScanFailed => {
                self.end_scan(radio).await;
                return Ok(());
            }
            Message::AccessPointDown => Event::Broken,
            Message::ClientCame | Message::ClientWent => Event::Clients(radio.clients().await.map_err(lost)?),
            Message::AccessPointUp => return Ok(()),
            Message::Terminating => return Err(End::Lost("wpa_supplicant ends".to_owned())),
        };
        self.tell(radio, messages, event).await
    }

    async fn end_scan(&mut self, radio: &Radio) {
        self.scan_until = None;
        for reply in self.scans.drain(..) {
            // Who asked may be gone.
            let _ = reply.send(radio.in_reach());
        }
    }

    /// Tells the machine, and does what it says.
    async fn tell(
        &mut self,
        radio: &mut Radio,
        messages: &mut mpsc::Receiver<Message>,
        event: Event,
    ) -> Result<(), End> {
        let before = self.machine.mode();
        let mut actions = self.machine.on(self.begin.elapsed(), event);
        if before != self.machine.mode() {
            tracing::debug!("Wi-Fi: {event:?} leads from {before:?} to {:?}", self.machine.mode());
        }
        let mut next = std::mem::take(&mut actions).into_iter();
        while let Some(action) = next.next() {
            let done = match action {
                Action::Rest => radio.rest(messages).await,
                Action::Seek => radio.seek(messages).await,
                Action::Try => match &self.asked {
                    Some((network, _)) => radio.attempt(network, messages).await,
                    None => Ok(()),
                },
                Action::Open => match radio.open(messages).await {
                    Ok(()) => Ok(()),
                    Err(error) => {
                        tracing::warn!("the access point cannot be made: {error}");
                        self.status
                            .send_modify(|status| status.problem = Some(error.to_string()));
                        next = self.machine.on(self.begin.elapsed(), Event::Broken).into_iter();
                        continue;
                    }
                },
                Action::AskAddress => radio.ask_address().await,
                Action::DropAddress => {
                    radio.drop_address().await;
                    Ok(())
                }
                Action::Answer(result) => {
                    self.answer(result);
                    Ok(())
                }
            };
            done.map_err(lost)?;
        }
        Ok(())
    }

    /// Tells who asked for a network.
    fn answer(&mut self, result: Result<(), Failure>) {
        let Some((network, reply)) = self.asked.take() else {
            return;
        };
        match result {
            Ok(()) => tracing::info!("in the Wi-Fi network {:?}", network.ssid),
            Err(why) => {
                tracing::warn!("the Wi-Fi network {:?} cannot be joined: {why:?}", network.ssid);
                self.status
                    .send_modify(|status| status.failure = Some((network.ssid.clone(), why)));
            }
        }
        let _ = reply.send(result);
    }

    async fn publish(&self, radio: &Radio) {
        let mode = self.machine.mode();
        let ssid = match mode {
            Mode::Addressing | Mode::Joined => radio.current().await,
            Mode::Trying => self.asked.as_ref().map(|(network, _)| network.ssid.clone()),
            _ => None,
        };
        let wired = self.facts.borrow().wired;
        self.status.send_if_modified(|status| {
            let before = status.clone();
            status.interface = Some(radio.interface().to_owned());
            status.mode = mode;
            status.ssid = ssid;
            status.clients = radio.clients_known();
            status.forget_what_is_over(wired);
            *status != before
        });
    }
}

fn lost(error: crate::wpa::WpaError) -> End {
    End::Lost(error.to_string())
}

async fn until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ssid;

    #[tokio::test]
    async fn with_the_radio_goes_all_that_was_under_way() {
        let (_sender, facts) = watch::channel(Facts::default());
        let settings = Settings {
            interface: None,
            country: None,
            access_point: None,
            patience: Duration::from_secs(1),
            dhcp_script: "/bin/true".into(),
            host_name: "stick".to_owned(),
            folder: "/nowhere".into(),
        };
        let (_, mut driver) = Wifi::driver(settings, facts, CancellationToken::new());
        let (reply, join) = oneshot::channel();
        let ssid = Ssid::new("home").unwrap();
        driver.asked = Some((
            Network {
                ssid,
                key: None,
                hidden: false,
            },
            reply,
        ));
        let (reply, scan) = oneshot::channel();
        driver.scans.push(reply);
        driver.scan_until = Some(Instant::now() + SCAN_TIME);
        driver.let_go();
        assert_eq!(join.await, Ok(Err(Failure::Radio)));
        assert!(scan.await.is_err());
        assert_eq!(driver.scan_until, None, "the next one begins a scan");
    }
}
