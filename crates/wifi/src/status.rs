//! How it is.

use crate::{Failure, Ssid};

/// What the radio does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// There is none, or its programs do not run.
    #[default]
    Absent,
    /// Nothing: there is a cable, and no network is remembered.
    Resting,
    /// Looks for networks that it remembers.
    Seeking,
    /// Joins one that somebody asked for.
    Trying,
    /// Is in a network and waits for an address.
    Addressing,
    /// Is in a network.
    Joined,
    /// Makes a network of its own.
    AccessPoint,
}

/// How it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The kernel's name of the radio's interface.
    pub interface: Option<String>,
    /// What the radio does.
    pub mode: Mode,
    /// The network it is in, or tries to get into.
    pub ssid: Option<Ssid>,
    /// The last network that could not be joined, and why; until one is, or there is a cable with an address.
    pub failure: Option<(Ssid, Failure)>,
    /// What is wrong with the radio or its programs.
    pub problem: Option<String>,
    /// Who is in the access point.
    pub clients: usize,
}

impl Status {
    /// Takes back what the radio does not do any more, or what a cable with an address makes up for.
    pub(crate) fn forget_what_is_over(&mut self, wired: bool) {
        if wired || self.mode == Mode::Joined {
            self.failure = None;
        }
        if matches!(self.mode, Mode::Joined | Mode::AccessPoint | Mode::Seeking) {
            self.problem = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_until_there_is_a_network() {
        let failed = |mode, wired| {
            let mut status = Status {
                mode,
                failure: Some((Ssid::new("home").unwrap(), Failure::WrongKey)),
                problem: Some("the driver makes no access point".to_owned()),
                ..Status::default()
            };
            status.forget_what_is_over(wired);
            (status.failure.is_some(), status.problem.is_some())
        };
        assert_eq!(failed(Mode::AccessPoint, false), (true, false));
        assert_eq!(failed(Mode::Resting, false), (true, true));
        assert_eq!(failed(Mode::Joined, false), (false, false));
        assert_eq!(failed(Mode::Resting, true), (false, true));
    }
}
