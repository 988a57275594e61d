//! Leases: the service's lock on a blob.

use http::Method;
use tokio::time::Instant;

use super::Blob;
use crate::{
    client::{Failure, Request},
    error::{AzureError, Result},
};

/// How long a lease lasts without being renewed. The service allows 15 to 60 seconds, or for ever; the longest finite
/// one leaves most time to a network that is gone, and frees the blob soon after a board that is gone.
pub const LEASE_SECONDS: u64 = 60;

impl Blob {
    fn lease_request(&self, action: &'static str) -> Request {
        self.request(Method::PUT, &[("comp", "lease")])
            .fixed("x-ms-lease-action", action)
    }

    /// Acquires the lease under the id `id`, a UUID of ours. Repeating it with the same id renews it.
    pub async fn acquire_lease(&self, id: &str, seconds: u64) -> Result<()> {
        let request = self
            .lease_request("acquire")
            .number("x-ms-lease-duration", seconds)
            .text("x-ms-proposed-lease-id", id)?;
        self.client.send(&request).await.map(|_| ())
    }

    /// Acquires a lease that never runs out under the id `id`. Only under such a one can a blob be copied onto.
    ///
    /// Source: "Copy Blob" of the REST reference, remarks on leases.
    pub(crate) async fn acquire_endless_lease(&self, id: &str) -> Result<()> {
        let request = self
            .lease_request("acquire")
            .fixed("x-ms-lease-duration", "-1")
            .text("x-ms-proposed-lease-id", id)?;
        self.client.send(&request).await.map(|_| ())
    }

    /// Renews the lease, once: the keeper decides about more. Does not wait behind data.
    pub(crate) async fn renew_lease(&self, id: &str, deadline: Instant) -> Result<(), Failure> {
        let request = self.lease_request("renew").lease(Some(id)).map_err(Failure::unsent)?;
        self.client.attempt_unlimited(&request, deadline).await.map(|_| ())
    }

    /// Gives the lease up. A lease that is gone already is no error.
    pub async fn release_lease(&self, id: &str) -> Result<()> {
        let request = self.lease_request("release").lease(Some(id))?;
        match self.client.send(&request).await {
            Ok(_) | Err(AzureError::LeaseLost { .. } | AzureError::LeaseExpired { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes the lease from whoever has it, at once. No lease is no error.
    pub async fn break_lease(&self) -> Result<()> {
        let request = self.lease_request("break").number("x-ms-lease-break-period", 0);
        match self.client.send(&request).await {
            Ok(_) | Err(AzureError::LeaseLost { .. } | AzureError::LeaseExpired { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives our lease `id` the new id `to`.
    pub async fn change_lease(&self, id: &str, to: &str) -> Result<()> {
        let request = self
            .lease_request("change")
            .lease(Some(id))?
            .text("x-ms-proposed-lease-id", to)?;
        self.client.send(&request).await.map(|_| ())
    }
}
