//! How to reach the cluster and who we are there: what remains of configuration, conf file and keyring.

use crate::{
    Secret,
    conf::Monitors,
    error::{RbdError, Result},
};

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

impl Access {
    /// Fails for `object` if the cluster that answers, by its `fsid`, is not the one that is meant.
    pub(crate) fn check_cluster(&self, object: &str, fsid: &str) -> Result<()> {
        match &self.fsid {
            Some(expected) if !expected.eq_ignore_ascii_case(fsid) => Err(RbdError::invalid(
                object,
                format!(
                    "it is the cluster {fsid}, not {expected} as the settings say; correct fsid, or the addresses of the monitors"
                ),
            )),
            _ => Ok(()),
        }
    }
}
