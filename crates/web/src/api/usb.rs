//! The USB side: the stick as the host sees it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;

/// The stick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usb {
    /// The USB device controller, once it is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// What the host does with it.
    pub state: UsbState,
    /// The speed agreed upon, while it is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<Speed>,
    /// What is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// How it introduces itself.
    pub identity: Identity,
    /// Its units, in their order.
    pub luns: Vec<Lun>,
}

/// State of the connection (USB 2.0 specification, 9.1.1; `usb_device_state` in `include/uapi/linux/usb/ch9.h`), as far
/// as a person needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsbState {
    /// There is no stick: no controller, no gadget configured, or it could not be made.
    Absent,
    /// No cable, or nobody at its other end.
    Unplugged,
    /// A host is there and is getting to know the stick.
    Connecting,
    /// In use.
    Connected,
    /// The host sleeps.
    Suspended,
}

/// Speed of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speed {
    /// 1.5 Mbit/s.
    Low,
    /// 12 Mbit/s.
    Full,
    /// 480 Mbit/s.
    High,
    /// 5 Gbit/s.
    Super,
    /// 10 Gbit/s and more.
    SuperPlus,
}

/// How the stick introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// USB vendor id.
    pub vendor_id: u16,
    /// USB product id.
    pub product_id: u16,
    /// Manufacturer string.
    pub manufacturer: String,
    /// Product string.
    pub product: String,
    /// Serial number.
    pub serial: String,
    /// Power asked from the host, in mA.
    pub max_power_ma: u16,
}

/// What to change about the identity; what is left out stays. The host sees the stick pulled and plugged in again.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityChange {
    /// USB vendor id.
    pub vendor_id: Option<u16>,
    /// USB product id.
    pub product_id: Option<u16>,
    /// Manufacturer string.
    pub manufacturer: Option<String>,
    /// Product string.
    pub product: Option<String>,
    /// Serial number; an empty one goes back to the board's.
    pub serial: Option<String>,
    /// Power asked from the host, in mA.
    pub max_power_ma: Option<u16>,
}

/// A unit of the stick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lun {
    /// How it is set up.
    #[serde(flatten)]
    pub settings: LunSettings,
    /// What is in it.
    pub medium: Medium,
    /// What failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// How a unit is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LunSettings {
    /// The disk that belongs in it; nothing for an empty slot.
    pub disk: Option<String>,
    /// The host may not write.
    #[serde(default)]
    pub read_only: bool,
    /// Looks like a CD-ROM drive; implies read-only.
    #[serde(default)]
    pub cdrom: bool,
    /// The medium can be taken out: what a stick or a card reader is.
    #[serde(default = "yes")]
    pub removable: bool,
}

fn yes() -> bool {
    true
}

/// Takes the medium out of a unit.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Eject {
    /// Also if the host has locked it (`PREVENT ALLOW MEDIUM REMOVAL`): what it has not written is lost.
    pub force: bool,
}

/// Whether the setup stick is shown.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupStick {
    /// Whether the host sees it, instead of the disks.
    pub shown: bool,
}

/// What is in a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// No disk belongs in it.
    Empty,
    /// Its disk is not ready yet.
    Waiting,
    /// Its disk is in.
    Inserted,
    /// The host took it out; it comes back when somebody inserts it again.
    EjectedByHost,
    /// Its owner took it out.
    Ejected,
}
