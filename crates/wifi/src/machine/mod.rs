//! When to do what. Nothing here waits, reads or writes: events and the time go in, actions come out.
//!
//! ```text
//!            nothing remembered                       a phone asks
//!   Resting ───────────────────┐                    ┌──────────────── (any)
//!      ▲                       ▼                    ▼
//!      │ cable, owner   ┌─▶ Open ◀── failed ─── Trying ──┐
//!      └────────────────┤      │                         │ connected
//!        patience over  │      │ nobody there, a minute  ▼
//!                       └── Seeking ── connected ─▶ Addressing ── address ─▶ Joined
//!                              ▲                         │                     │
//!                              └──────── lost ───────────┴─────────────────────┘
//! ```
//!
//! - The access point is wanted while the device has no owner, and while it has no network: neither a cable with an address nor a
//!   Wi-Fi network. Remembered networks come first.
//! - With an owner it comes only after a network was away for a while: a router that restarts is waited for. While nobody is in
//!   it, remembered networks are looked for again and again. With nothing remembered it stays.
//! - Who asks for a network from within the access point loses it. If joining fails, it is back at once, with the reason.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::Mode;

/// How long a network that somebody asked for may take to let us in.
const TRYING: Duration = Duration::from_secs(60);
/// How long it may take to give an address.
const ADDRESSING: Duration = Duration::from_secs(30);
/// How long a device without an owner looks for what it remembers, and how long a look from the access point takes.
const SHORT_LOOK: Duration = Duration::from_secs(20);
/// After how long without anybody in the access point networks are looked for.
const LONELY: Duration = Duration::from_secs(60);
/// The same while there is somebody: a phone that stays in it must not keep an owned device off its network for ever.
const CROWDED: Duration = Duration::from_secs(600);
/// After how long an access point that could not be made is tried again.
const RETRY: Duration = Duration::from_secs(15);
/// How many scans may miss a network that somebody asked for.
const MISSES: u32 = 3;
/// How often it may refuse us.
const REFUSALS: u32 = 3;

/// Why a network could not be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Its password is another one.
    WrongKey,
    /// It is not in reach.
    NotFound,
    /// It does not let the device in.
    Refused,
    /// It lets the device in and gives it no address.
    NoAddress,
    /// It does not answer.
    Silent,
    /// The radio or its programs do not work.
    Radio,
    /// Another network is being joined.
    Busy,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The radio is there.
    Ready,
    /// It is not, any more.
    Gone,
    /// Whether a cable with an address is plugged in.
    Wired(bool),
    /// Whether the device has an owner.
    Owned(bool),
    /// How many networks are remembered, now that they are others.
    Remembered(usize),
    /// Somebody asks for a network.
    Asked,
    /// The radio is in a network.
    Connected,
    /// It is in none any more.
    Disconnected,
    /// The password was wrong.
    WrongKey,
    /// No network that it may join is in reach.
    NotFound,
    /// The network does not let it in.
    Refused,
    /// Whether the interface has an address.
    Address(bool),
    /// How many are in the access point.
    Clients(usize),
    /// The access point could not be made, or broke down.
    Broken,
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Leave everything, and join nothing.
    Rest,
    /// Leave everything, and join whatever remembered network is in reach.
    Seek,
    /// Leave everything, and join what was asked for.
    Try,
    /// Leave everything, and make the access point.
    Open,
    /// Ask the network for an address.
    AskAddress,
    /// Forget the address.
    DropAddress,
    /// Tell who asked.
    Answer(Result<(), Failure>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Absent,
    Resting,
    Seeking {
        until: Duration,
    },
    Trying {
        until: Duration,
        misses: u32,
        refusals: u32,
    },
    Addressing {
        until: Duration,
        asked: bool,
    },
    Joined,
    Open {
        since: Duration,
    },
    /// Something is tried again then: an access point that could not be made, a cable that may be back.
    Waiting {
        until: Duration,
    },
}

/// Decides.
#[derive(Debug)]
pub(crate) struct Machine {
    phase: Phase,
    /// How long a remembered network may be away, with an owner.
    patience: Duration,
    /// Whether an access point is ever made.
    may_open: bool,
    wired: bool,
    owned: bool,
    remembered: usize,
    clients: usize,
    /// Whether who asked for a network was in the access point, and waits there.
    asked_inside: bool,
    /// Since when there is no network.
    lost: Duration,
    actions: Vec<Action>,
}

impl Machine {
    pub(crate) fn new(patience: Duration, may_open: bool) -> Self {
        Self {
            phase: Phase::Absent,
            patience,
            may_open,
            wired: false,
            owned: false,
            remembered: 0,
            clients: 0,
            asked_inside: false,
            lost: Duration::ZERO,
            actions: Vec::new(),
        }
    }

    /// What the radio does.
    pub(crate) fn mode(&self) -> Mode {
        match self.phase {
            Phase::Absent => Mode::Absent,
            Phase::Resting | Phase::Waiting { .. } => Mode::Resting,
            Phase::Seeking { .. } => Mode::Seeking,
            Phase::Trying { .. } => Mode::Trying,
            Phase::Addressing { .. } => Mode::Addressing,
            Phase::Joined => Mode::Joined,
            Phase::Open { .. } => Mode::AccessPoint,
        }
    }

    /// When [`Event::Tick`] is due, if nothing happens before.
    pub(crate) fn due(&self) -> Option<Duration> {
        match self.phase {
            Phase::Seeking { until }
            | Phase::Trying { until, .. }
            | Phase::Addressing { until, .. }
            | Phase::Waiting { until } => Some(until),
            Phase::Open { since } => Some(since + if self.clients == 0 { LONELY } else { CROWDED }),
            Phase::Absent | Phase::Resting | Phase::Joined => None,
        }
    }

    /// What is to be done now that this has happened, in this order. `now` never goes back.
    pub(crate) fn on(&mut self, now: Duration, event: Event) -> Vec<Action> {
        match event {
            Event::Ready => {
                self.lost = now;
                self.settle(now);
            }
            Event::Gone => {
                if self.is_asked() {
                    self.actions.push(Action::Answer(Err(Failure::Radio)));
                }
                self.clients = 0;
                self.phase = Phase::Absent;
            }
            Event::Wired(wired) => self.wired(now, wired),
            Event::Owned(owned) => {
                let was = std::mem::replace(&mut self.owned, owned);
                if was != owned && self.phase == Phase::Resting {
                    self.settle(now);
                }
            }
            Event::Remembered(number) => self.remembered(now, number),
            Event::Asked => self.asked(now),
            Event::Connected => self.connected(now),
            Event::Disconnected => self.disconnected(now),
            Event::WrongKey => self.refused(now, Failure::WrongKey),
            Event::Refused => self.refused(now, Failure::Refused),
            Event::NotFound => self.not_found(now),
            Event::Address(has) => self.address(now, has),
            Event::Clients(number) => {
                let before = std::mem::replace(&mut self.clients, number);
                // The time without anybody begins when the last one goes.
                if let Phase::Open { since } = &mut self.phase
                    && before > 0
                    && number == 0
                {
                    *since = now;
                }
            }
            Event::Broken => {
                if matches!(self.phase, Phase::Open { .. }) {
                    self.clients = 0;
                    self.phase = Phase::Waiting { until: now + RETRY };
                    self.actions.push(Action::Rest);
                }
            }
            Event::Tick => self.tick(now),
        }
        std::mem::take(&mut self.actions)
    }

    fn is_asked(&self) -> bool {
        matches!(self.phase, Phase::Trying { .. } | Phase::Addressing { asked: true, .. })
    }

    /// Whether an access point is to be made if no remembered network is in reach.
    fn wants_open(&self) -> bool {
        self.may_open && (!self.owned || !self.wired)
    }

    /// From nothing to whatever is right.
    fn settle(&mut self, now: Duration) {
        if self.remembered > 0 {
            let patience = if self.owned { self.patience } else { SHORT_LOOK };
            self.seek(now, patience);
        } else {
            self.open_or_rest(now);
        }
    }

    fn seek(&mut self, now: Duration, patience: Duration) {
        self.phase = Phase::Seeking { until: now + patience };
        self.actions.push(Action::Seek);
    }

    fn open_or_rest(&mut self, now: Duration) {
        self.clients = 0;
        if self.wants_open() {
            self.phase = Phase::Open { since: now };
            self.actions.push(Action::Open);
        } else {
            self.phase = Phase::Resting;
            self.actions.push(Action::Rest);
        }
    }

    fn wired(&mut self, now: Duration, wired: bool) {
        let was = std::mem::replace(&mut self.wired, wired);
        if was == wired {
            return;
        }
        match self.phase {
            // The cable may be back in a moment.
            Phase::Resting if !wired => {
                self.phase = Phase::Waiting {
                    until: now + self.patience,
                }
            }
            Phase::Seeking { .. } if !wired => self.lost = now,
            // Nobody sees it any more if nobody is there; otherwise the phone in it goes on.
            Phase::Open { .. } if wired && self.owned && self.clients == 0 => self.settle(now),
            _ => {}
        }
    }

    fn remembered(&mut self, now: Duration, number: usize) {
        self.remembered = number;
        match self.phase {
            Phase::Resting | Phase::Waiting { .. } if number > 0 => self.settle(now),
            Phase::Seeking { .. } if number == 0 => self.open_or_rest(now),
            _ => {}
        }
    }

    fn asked(&mut self, now: Duration) {
        if self.is_asked() {
            self.actions.push(Action::Answer(Err(Failure::Busy)));
        } else if self.phase == Phase::Absent {
            self.actions.push(Action::Answer(Err(Failure::Radio)));
        } else {
            self.asked_inside = matches!(self.phase, Phase::Open { .. });
            self.clients = 0;
            self.phase = Phase::Trying {
                until: now + TRYING,
                misses: 0,
                refusals: 0,
            };
            self.actions.push(Action::Try);
        }
    }

    fn connected(&mut self, now: Duration) {
        let asked = match self.phase {
            Phase::Trying { .. } => true,
            Phase::Seeking { .. } => false,
            // After a short gap the address is as good as before.
            _ => return,
        };
        self.phase = Phase::Addressing {
            until: now + ADDRESSING,
            asked,
        };
        self.actions.push(Action::AskAddress);
    }

    fn disconnected(&mut self, now: Duration) {
        match self.phase {
            // It tries again by itself until the time is over.
            Phase::Addressing { until, asked: true } => {
                self.phase = Phase::Trying {
                    until,
                    misses: 0,
                    refusals: 0,
                };
                self.actions.push(Action::DropAddress);
            }
            Phase::Addressing { asked: false, .. } => self.lost(now),
            Phase::Joined => {
                self.lost = now;
                self.lost(now);
            }
            _ => {}
        }
    }

    /// The network is gone; the radio looks for it, and for others, by itself.
    fn lost(&mut self, now: Duration) {
        self.actions.push(Action::DropAddress);
        if self.remembered == 0 {
            return self.open_or_rest(now);
        }
        let patience = if self.owned { self.patience } else { SHORT_LOOK };
        self.phase = Phase::Seeking {
            until: (self.lost + patience).max(now),
        };
    }

    fn refused(&mut self, now: Duration, why: Failure) {
        let Phase::Trying { refusals, .. } = &mut self.phase else {
            return;
        };
        *refusals += 1;
        if why == Failure::WrongKey || *refusals >= REFUSALS {
            self.fail(now, why);
        }
    }

    fn not_found(&mut self, now: Duration) {
        let Phase::Trying { misses, .. } = &mut self.phase else {
            return;
        };
        *misses += 1;
        if *misses >= MISSES {
            self.fail(now, Failure::NotFound);
        }
    }

    /// What was asked for does not work: back to where the phone waits, or to what is remembered.
    fn fail(&mut self, now: Duration, why: Failure) {
        self.actions.push(Action::Answer(Err(why)));
        self.lost = now;
        if self.asked_inside && self.wants_open() {
            self.open_or_rest(now);
        } else {
            self.settle(now);
        }
    }

    fn address(&mut self, now: Duration, has: bool) {
        match (self.phase, has) {
            (Phase::Addressing { asked, .. }, true) => {
                self.phase = Phase::Joined;
                if asked {
                    self.actions.push(Action::Answer(Ok(())));
                }
            }
            (Phase::Joined, false) => {
                self.lost = now;
                self.phase = Phase::Addressing {
                    until: now + ADDRESSING,
                    asked: false,
                };
                self.actions.push(Action::AskAddress);
            }
            _ => {}
        }
    }

    fn tick(&mut self, now: Duration) {
        if self.due().is_none_or(|due| now < due) {
            return;
        }
        match self.phase {
            Phase::Trying { misses, refusals, .. } => {
                let why = match (misses, refusals) {
                    (_, 1..) => Failure::Refused,
                    (1.., _) => Failure::NotFound,
                    _ => Failure::Silent,
                };
                self.fail(now, why);
            }
            Phase::Addressing { asked: true, .. } => self.fail(now, Failure::NoAddress),
            Phase::Addressing { asked: false, .. } => self.without_network(now),
            Phase::Seeking { .. } => self.without_network(now),
            Phase::Open { .. } if self.remembered > 0 => self.seek(now, SHORT_LOOK),
            // There is nothing to look for, and who is in it, or about to join it, is not to be thrown out.
            Phase::Open { .. } if self.wants_open() => self.phase = Phase::Open { since: now },
            Phase::Open { .. } => self.open_or_rest(now),
            Phase::Waiting { .. } => self.settle(now),
            Phase::Absent | Phase::Resting | Phase::Joined => {}
        }
    }

    /// The time for a remembered network is over.
    fn without_network(&mut self, now: Duration) {
        if self.wants_open() {
            self.open_or_rest(now);
        } else {
            self.seek(now, LONELY);
        }
    }
}
