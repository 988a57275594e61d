//! How the device is connected.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Problem, Secret};

/// The network as the device sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Network {
    /// The name under which phones find it, such as `my-stick.local`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mdns_name: Option<String>,
    /// Addresses of the page, best first.
    pub urls: Vec<String>,
    /// Interfaces other than loopback.
    pub interfaces: Vec<Interface>,
    /// Whether this device can join Wi-Fi networks.
    pub wifi: bool,
    /// The network that the device makes itself, while it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_point: Option<AccessPoint>,
    /// Wi-Fi networks it remembers, by name, the best first.
    pub remembered: Vec<String>,
    /// What is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The network that the device makes itself. Its key is on the setup stick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessPoint {
    /// Its name.
    pub ssid: String,
    /// How many are in it.
    pub clients: u32,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Interface {
    /// The kernel's name.
    pub name: String,
    /// What it is.
    pub kind: InterfaceKind,
    /// Whether it has a carrier.
    pub up: bool,
    /// Its addresses with prefix length.
    pub addresses: Vec<String>,
    /// MAC address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The Wi-Fi network it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssid: Option<String>,
}

/// Kinds of interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InterfaceKind {
    /// With a cable.
    Ethernet,
    /// Without.
    Wifi,
    /// Anything else.
    Other,
}

/// A Wi-Fi network in reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WifiNetwork {
    /// Its name. Foreign text: to be shown as text only. `hex:` and its bytes where it is no text.
    pub ssid: String,
    /// Signal in percent.
    pub signal: u8,
    /// How it is protected.
    pub security: WifiSecurity,
}

/// How a Wi-Fi network is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WifiSecurity {
    /// Not at all.
    Open,
    /// With a shared password (WPA2 or WPA3).
    Password,
    /// In a way this device does not speak.
    Unsupported,
}

/// A Wi-Fi network to join, and to remember if that works.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// Its name.
    pub ssid: String,
    /// Its password.
    pub password: Option<Secret>,
    /// Whether it hides its name.
    #[serde(default)]
    pub hidden: bool,
}
