//! Stories: what happens, and what is done about it.

use super::*;

/// How many ticks may be due at a time that has come already.
const AT_ONCE: u32 = 2;

/// A machine and its clock.
struct Story {
    machine: Machine,
    now: Duration,
}

impl Story {
    fn new(owned: bool, wired: bool, remembered: usize) -> Self {
        let mut story = Self {
            machine: Machine::new(Duration::from_secs(120), true),
            now: Duration::ZERO,
        };
        for event in [Event::Owned(owned), Event::Wired(wired), Event::Remembered(remembered)] {
            assert_eq!(story.on(event), []);
        }
        story
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        self.machine.on(self.now, event)
    }

    /// So many seconds pass, with a tick whenever one is due.
    fn pass(&mut self, seconds: u64) -> Vec<Action> {
        let end = self.now + Duration::from_secs(seconds);
        let mut done = Vec::new();
        let mut at_once = 0;
        while let Some(due) = self.machine.due().filter(|&due| due <= end) {
            at_once = if due > self.now { 0 } else { at_once + 1 };
            assert!(at_once <= AT_ONCE, "no busy loop: {:?}", self.machine);
            self.now = self.now.max(due);
            done.extend(self.on(Event::Tick));
        }
        self.now = end;
        done
    }

    fn joined() -> Self {
        let mut story = Self::new(true, false, 1);
        assert_eq!(story.on(Event::Ready), [Action::Seek]);
        assert_eq!(story.on(Event::Connected), [Action::AskAddress]);
        assert_eq!(story.on(Event::Address(true)), []);
        assert_eq!(story.machine.mode(), Mode::Joined);
        story
    }
}

#[test]
fn a_device_without_an_owner_opens_at_once_also_with_a_cable() {
    assert_eq!(Story::new(false, false, 0).on(Event::Ready), [Action::Open]);
    assert_eq!(Story::new(false, true, 0).on(Event::Ready), [Action::Open]);
    assert_eq!(Story::new(true, true, 0).on(Event::Ready), [Action::Rest]);
    let mut never = Machine::new(Duration::from_secs(1), false);
    assert_eq!(never.on(Duration::ZERO, Event::Ready), [Action::Rest]);
}

#[test]
fn a_phone_in_the_access_point_joins_and_is_told() {
    let mut story = Story::new(false, false, 0);
    story.on(Event::Ready);
    story.on(Event::Clients(1));
    assert_eq!(story.on(Event::Asked), [Action::Try]);
    assert_eq!(story.on(Event::Asked), [Action::Answer(Err(Failure::Busy))]);
    assert_eq!(story.on(Event::NotFound), []);
    assert_eq!(story.on(Event::Connected), [Action::AskAddress]);
    assert_eq!(story.on(Event::Address(true)), [Action::Answer(Ok(()))]);
    assert_eq!(story.on(Event::Remembered(1)), []);
    assert_eq!(story.pass(100_000), [], "joined is joined");
}

#[test]
fn when_joining_fails_the_access_point_is_back_with_the_reason() {
    let failures: [(&[Event], Failure); 4] = [
        (&[Event::WrongKey], Failure::WrongKey),
        (&[Event::NotFound, Event::NotFound, Event::NotFound], Failure::NotFound),
        (&[Event::Refused, Event::Refused, Event::Refused], Failure::Refused),
        (
            &[Event::Connected, Event::Disconnected, Event::WrongKey],
            Failure::WrongKey,
        ),
    ];
    for (events, why) in failures {
        // Also where others are remembered: the phone waits.
        for remembered in [0, 2] {
            let mut story = Story::new(true, false, 0);
            assert_eq!(story.on(Event::Ready), [Action::Open]);
            story.on(Event::Remembered(remembered));
            story.on(Event::Clients(1));
            story.on(Event::Asked);
            let done: Vec<Action> = events.iter().flat_map(|&event| story.on(event)).collect();
            assert!(done.ends_with(&[Action::Answer(Err(why)), Action::Open]), "{done:?}");
        }
    }
}

#[test]
fn what_takes_too_long_fails_too() {
    let failures: [(&[Event], Failure); 4] = [
        (&[], Failure::Silent),
        (&[Event::NotFound], Failure::NotFound),
        (&[Event::Refused], Failure::Refused),
        (&[Event::Connected], Failure::NoAddress),
    ];
    for (events, why) in failures {
        let mut story = Story::new(false, false, 0);
        story.on(Event::Ready);
        story.on(Event::Asked);
        for &event in events {
            story.on(event);
        }
        let done = story.pass(60);
        assert_eq!(done, [Action::Answer(Err(why)), Action::Open], "{events:?}");
    }
}

#[test]
fn who_was_in_another_network_goes_back_to_it() {
    let mut story = Story::joined();
    assert_eq!(story.on(Event::Asked), [Action::Try]);
    assert_eq!(story.on(Event::Disconnected), [], "the one before");
    assert_eq!(
        story.on(Event::WrongKey),
        [Action::Answer(Err(Failure::WrongKey)), Action::Seek]
    );
}

#[test]
fn a_router_that_is_away_is_waited_for_and_looked_for_again() {
    let mut story = Story::joined();
    story.pass(1000);
    assert_eq!(story.on(Event::Disconnected), [Action::DropAddress]);
    assert_eq!(story.pass(119), []);
    assert_eq!(story.pass(1), [Action::Open]);
    assert_eq!(story.machine.mode(), Mode::AccessPoint);
    assert_eq!(story.pass(60), [Action::Seek]);
    assert_eq!(story.pass(20), [Action::Open]);
    // Somebody is in it: less often.
    story.on(Event::Clients(1));
    assert_eq!(story.pass(599), []);
    assert_eq!(story.pass(1), [Action::Seek]);
    assert_eq!(story.on(Event::Connected), [Action::AskAddress]);
    assert_eq!(story.on(Event::Address(true)), []);
    assert_eq!(story.machine.mode(), Mode::Joined);
}

#[test]
fn time_without_an_address_counts_as_time_without_a_network() {
    let mut story = Story::joined();
    assert_eq!(story.on(Event::Disconnected), [Action::DropAddress]);
    story.pass(100);
    assert_eq!(story.on(Event::Connected), [Action::AskAddress]);
    assert_eq!(story.pass(30), [Action::Open]);
    let mut story = Story::joined();
    assert_eq!(story.on(Event::Address(false)), [Action::AskAddress]);
    assert_eq!(story.on(Event::Address(true)), []);
}

#[test]
fn a_cable_wins_but_throws_nobody_out() {
    let mut story = Story::new(true, false, 0);
    story.on(Event::Ready);
    assert_eq!(story.on(Event::Wired(true)), [Action::Rest], "nobody was there");
    assert_eq!(story.on(Event::Wired(false)), []);
    assert_eq!(story.pass(119), []);
    assert_eq!(story.pass(1), [Action::Open]);
    story.on(Event::Clients(1));
    assert_eq!(story.on(Event::Wired(true)), []);
    story.pass(100);
    assert_eq!(story.on(Event::Clients(0)), []);
    assert_eq!(story.pass(60), [Action::Rest]);
    // With something remembered and a cable, the radio goes on to look, and opens nothing.
    assert_eq!(story.on(Event::Remembered(1)), [Action::Seek]);
    let done = story.pass(1000);
    assert!(done.iter().all(|action| *action == Action::Seek), "{done:?}");
}

#[test]
fn with_nothing_to_look_for_the_access_point_stays() {
    let mut story = Story::new(false, false, 0);
    assert_eq!(story.on(Event::Ready), [Action::Open]);
    assert_eq!(story.pass(10_000), [], "nobody is there, and may come at any moment");
    story.on(Event::Clients(1));
    assert_eq!(story.pass(10_000), []);
    // As long as it takes to set the device up.
    assert_eq!(story.on(Event::Owned(true)), []);
    assert_eq!(story.pass(10_000), []);
    assert_eq!(story.on(Event::Clients(0)), []);
    assert_eq!(story.on(Event::Remembered(1)), []);
    assert_eq!(story.pass(60), [Action::Seek]);
}

#[test]
fn a_device_that_was_reset_opens() {
    let mut story = Story::joined();
    story.on(Event::Owned(false));
    story.on(Event::Remembered(0));
    assert_eq!(story.on(Event::Disconnected), [Action::DropAddress, Action::Open]);
    let mut story = Story::new(true, true, 0);
    story.on(Event::Ready);
    assert_eq!(story.on(Event::Owned(false)), [Action::Open]);
}

#[test]
fn a_radio_that_comes_and_goes() {
    let mut story = Story::new(false, false, 0);
    assert_eq!(story.on(Event::Asked), [Action::Answer(Err(Failure::Radio))]);
    story.on(Event::Ready);
    story.on(Event::Asked);
    assert_eq!(story.on(Event::Gone), [Action::Answer(Err(Failure::Radio))]);
    assert_eq!(story.pass(1000), []);
    assert_eq!(story.on(Event::Ready), [Action::Open]);
    assert_eq!(story.on(Event::Broken), [Action::Rest]);
    assert_eq!(story.pass(15), [Action::Open]);
}
