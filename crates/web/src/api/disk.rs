//! Disks: images that are served, and how they are.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::Problem;

/// A configured disk and its state.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Disk {
    /// What LUNs call it.
    pub name: String,
    /// The store it is in; nothing for a local file or block device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The image, `image` or `image@snapshot`, or the path of a local one.
    pub image: String,
    /// Whether every write is refused.
    pub read_only: bool,
    /// Limits of speed.
    pub limits: Limits,
    /// What it is up to.
    pub phase: DiskPhase,
    /// When it came to that.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// What is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// Size in bytes, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The way from the front ends to the blocks, in that order. What does not exist is not in it.
    pub path: Vec<Link>,
    /// What went through it, once it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
}

/// What a disk is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiskPhase {
    /// Being opened; tried again as long as it fails.
    Opening,
    /// Open, and its store answers.
    Online,
    /// Open, but its store does not answer.
    Offline,
    /// Somebody else owns it; nothing is written any more until it is taken over.
    Fenced,
    /// Closed.
    Closed,
}

/// A station on the way from the host to the blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// What it is.
    pub kind: LinkKind,
    /// How it is.
    pub state: LinkState,
    /// A few words in its own terms: the device file, the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The stations there can be. New ones may come (a cache, encryption): the page shows those it knows and skips the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// The USB stick that the host sees.
    Stick,
    /// The kernel's block device.
    KernelDevice,
    /// A network block device server.
    Nbd,
    /// A limit of speed.
    Throttle,
    /// The place where the blocks live.
    Store,
}

/// How a station is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Working.
    Good,
    /// On its way to work.
    Starting,
    /// Waiting for something: the network, the store.
    Waiting,
    /// Not working, and nothing will change by itself.
    Broken,
}

/// What went through a disk since it was opened, and what goes through it now.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Counters {
    /// Reads.
    pub read: Operation,
    /// Writes, and writes of zeroes.
    pub write: Operation,
    /// Flushes.
    pub flush: Operation,
    /// Requests under way.
    pub in_flight: u32,
}

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Operation {
    /// How many ended well.
    pub requests: u64,
    /// How many failed.
    pub errors: u64,
    /// Bytes that went through.
    pub bytes: u64,
    /// Bytes per second now, over the last few seconds.
    pub rate: f64,
    /// Half of the requests took at most this long, in milliseconds.
    pub median_ms: f64,
    /// 99 of 100 requests took at most this long, in milliseconds.
    pub p99_ms: f64,
}

/// Limits of speed; 0 or nothing is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes read per second.
    pub read_bytes: u64,
    /// Bytes written per second.
    pub write_bytes: u64,
    /// Reads per second.
    pub read_requests: u32,
    /// Writes per second.
    pub write_requests: u32,
}

/// A disk to be served.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDisk {
    /// What to call it.
    pub name: String,
    /// The store it is in.
    pub store: String,
    /// The image, `image` or `image@snapshot`.
    pub image: String,
    /// Refuse every write.
    #[serde(default)]
    pub read_only: bool,
    /// Put it into the stick as well, in the first empty LUN or a new one.
    #[serde(default)]
    pub insert: bool,
}

/// What to change about a disk; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiskChange {
    /// Refuse every write.
    pub read_only: Option<bool>,
    /// Limits of speed, all of them.
    pub limits: Option<Limits>,
    /// The image: a swap of the medium.
    pub image: Option<String>,
}

/// Takes an image from its present owner, who cannot write a byte from then on.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeOver {
    /// The name of the disk, typed by its owner.
    pub confirm: String,
}
