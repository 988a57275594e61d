//! How to reach the cluster and who we are there: what remains of configuration, conf file and keyring.

use crate::{Secret, conf::Monitors};

/// Everything a client needs to connect.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where the monitors are.
    pub monitors: Monitors,
    /// Which cluster it must be, if that is known.
    pub fsid: Option<String>,
    /// Who we are, without `client.`.
    pub user: String,
    /// The key of the user; none where the cluster asks for none.
    pub key: Option<Secret>,
    /// Harmless settings of the conf file, for librados.
    pub options: Vec<(String, String)>,
}
