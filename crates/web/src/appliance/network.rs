//! The network.

use async_trait::async_trait;

use super::{Report, Result};
use crate::api::{Join, WifiNetwork};

/// The network, as far as this device can change it.
#[async_trait]
pub trait NetworkControl: Send + Sync + 'static {
    /// Wi-Fi networks in reach, the strongest first.
    async fn scan(&self, report: Report<'_>) -> Result<Vec<WifiNetwork>>;

    /// Joins a Wi-Fi network and remembers it if that works. If not, whatever was there before is restored.
    async fn join(&self, join: Join, report: Report<'_>) -> Result<()>;

    /// Forgets a remembered network.
    async fn forget(&self, ssid: &str) -> Result<()>;
}
