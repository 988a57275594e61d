//! Live events.
//!
//! A stream (`GET /api/v1/events`, server-sent events as in the HTML standard, 9.2) begins with one `state` and goes on with
//! whatever changes, always a whole part of it: nobody has to know what was there before. A stream that falls behind gets a
//! new `state` instead of what it missed.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Device, Disk, LogLine, Network, Store, Task, Usb};

/// What changes by itself.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Live {
    /// Version of the configuration in force.
    pub configuration: u64,
    /// The device.
    pub device: Device,
    /// The stick.
    pub usb: Usb,
    /// The disks, in the order of the configuration.
    pub disks: Vec<Disk>,
    /// The stores, in the order of the configuration.
    pub stores: Vec<Store>,
    /// The network.
    pub network: Network,
}

/// Everything that is known now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct State {
    /// The device and what belongs to it.
    #[serde(flatten)]
    pub live: Live,
    /// Tasks, the youngest first.
    pub tasks: Vec<Task>,
}

/// Something changed.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// Everything, at the beginning and after a gap.
    State(Box<State>),
    /// Another version of the configuration is in force.
    Configuration {
        /// Its number.
        version: u64,
    },
    /// The device.
    Device(Device),
    /// The stick.
    Usb(Usb),
    /// All disks. A disk that is not among them is gone.
    Disks(Vec<Disk>),
    /// All stores.
    Stores(Vec<Store>),
    /// The network.
    Network(Network),
    /// One task.
    Task(Task),
    /// A task was dismissed.
    TaskGone {
        /// Its number.
        id: u64,
    },
    /// A line of the log; only in streams that asked for them.
    Log(LogLine),
}

impl Event {
    /// The `event` field of the stream.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::State(_) => "state",
            Self::Configuration { .. } => "configuration",
            Self::Device(_) => "device",
            Self::Usb(_) => "usb",
            Self::Disks(_) => "disks",
            Self::Stores(_) => "stores",
            Self::Network(_) => "network",
            Self::Task(_) => "task",
            Self::TaskGone { .. } => "task_gone",
            Self::Log(_) => "log",
        }
    }
}
