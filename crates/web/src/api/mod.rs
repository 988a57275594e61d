//! What goes over the wire: requests, answers and events of `/api/v1`, one file per topic.
//!
//! Rules for all of it:
//! - Names are snake_case, times are RFC 3339 in UTC, sizes are bytes, rates are bytes per second.
//! - What is not there is left out, not `null`, unless its absence is the message.
//! - Requests with unknown keys are refused.
//! - Secrets go in as [`Secret`] and never come out: answers say only whether one is set.
//! - Whatever goes wrong is a [`Problem`].

mod access;
mod device;
mod disk;
mod event;
mod form;
mod image;
mod network;
mod problem;
mod secret;
mod settings;
mod store;
mod task;
mod update;
mod usb;

pub use access::{
    Browser, Claim, ClaimCode, Hello, NewToken, Passwords, Session, SignIn, SignedInBrowser, System, Token, TokenMade,
};
pub use device::{Clock, ClockSource, Device, Finding, LogLevel, LogLine, Memory, Rename, Verdict};
pub use disk::{
    Counters, Disk, DiskChange, DiskPhase, Limits, Link, LinkKind, LinkState, NewDisk, Operation, TakeOver,
};
pub use event::{Event, Live, State};
pub use form::{Choice, Field, FieldKind, Form, FormValue, FormValues, Way};
pub use image::{Filesystem, Image, NewImage, NewSnapshot, PartitionTable, Resize, Snapshot};
pub use network::{AccessPoint, Interface, InterfaceKind, Join, Network, WifiNetwork, WifiSecurity};
pub use problem::{Problem, ProblemCode};
pub use secret::Secret;
pub use settings::{Applied, Backup, Confirmation, Restore, Version};
pub use store::{NewPlace, Place, Probe, ProbeRequest, Store, StoreSettings, StoreType};
pub use task::{Progress, Task, TaskKind, TaskResult, TaskStarted, TaskState, Unit};
pub use update::{FetchUpdate, Update, UpdatePhase, Updates};
pub use usb::{Eject, Identity, IdentityChange, Lun, LunSettings, Medium, SetupStick, Speed, Usb, UsbState};
