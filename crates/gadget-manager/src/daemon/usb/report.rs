//! The USB side as the status tells it.

use serde::Serialize;

/// One LUN.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LunReport {
    /// The disk that belongs in it.
    pub disk: Option<String>,
    /// Whether it is in.
    pub inserted: bool,
    /// Whether the host took it out.
    pub ejected_by_host: bool,
    /// Whether its owner took it out.
    pub ejected: bool,
    /// What failed last.
    pub error: Option<String>,
}

/// All of it.
#[derive(Debug, Clone, Serialize, Default)]
pub(crate) struct Report {
    /// Why there is no gadget, or why it is not connected.
    pub error: Option<String>,
    /// The controller's state.
    pub state: Option<gadget::UdcState>,
    /// The LUNs in their order.
    pub luns: Vec<LunReport>,
}
