//! What phones in the access point need: an address, and names that all lead to the page, which sends whoever asks for
//! something else to itself (`web`). There is no way from here into another network: the board forwards nothing.

mod dhcp;
mod dns;

use std::{net::Ipv4Addr, path::Path};

use tokio::task::JoinHandle;

pub(crate) use dns::answer;

use crate::{address, process::Process, wpa::WpaError};

/// The device's address in its access point. Of a range that few homes use.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 213, 1);
/// Bits of the network's part of it.
const PREFIX: u8 = 24;

/// Both services.
pub(crate) struct Portal {
    dhcp: Process,
    names: JoinHandle<()>,
}

impl Portal {
    /// Gives the interface its address, and starts both.
    pub(crate) async fn open(interface: &str, folder: &Path) -> Result<Self, WpaError> {
        address::set(interface, ADDRESS, PREFIX).await?;
        let socket = dns::bind(ADDRESS).await?;
        let dhcp = dhcp::start(interface, folder).await?;
        Ok(Self {
            dhcp,
            names: tokio::spawn(dns::serve(socket, ADDRESS)),
        })
    }

    /// Returns when one of the two has ended by itself, with a few words on how.
    pub(crate) async fn ended(&mut self) -> String {
        tokio::select! {
            said = self.dhcp.ended() => said,
            _ = &mut self.names => "the name server of the access point ended".to_owned(),
        }
    }

    /// Ends both, and takes the address back.
    pub(crate) async fn close(self, interface: &str) {
        self.names.abort();
        self.dhcp.stop().await;
        address::clear(interface).await;
    }
}
