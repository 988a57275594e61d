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
    /// The last network that could not be joined, and why; until one is.
    pub failure: Option<(Ssid, Failure)>,
    /// What is wrong with the radio or its programs.
    pub problem: Option<String>,
    /// Who is in the access point.
    pub clients: usize,
}
