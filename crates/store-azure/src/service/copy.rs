//! Server-side copies: start, watch, abort.

use http::Method;

use super::{Blob, Metadata, with_metadata};
use crate::{
    client::Answer,
    error::{AzureError, Result},
};

/// How a copy onto a blob goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyState {
    /// Its id, for aborting it.
    pub id: String,
    /// `pending`, `success`, `aborted`, `failed`.
    pub status: String,
    /// Bytes copied, and how many there are in all.
    pub progress: Option<(u64, u64)>,
}

impl CopyState {
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let progress = answer.header("x-ms-copy-progress").and_then(|text| {
            let (done, all) = text.split_once('/')?;
            Some((done.parse().ok()?, all.parse().ok()?))
        });
        Some(Self {
            id: answer.header("x-ms-copy-id")?.to_owned(),
            status: answer.header("x-ms-copy-status")?.to_owned(),
            progress,
        })
    }
}

impl Blob {
    /// Starts a copy of `source`, a blob or snapshot of the same account, onto this blob, which is replaced.
    ///
    /// The blob gets `metadata`; without any it would get the source's. `lease` is that of this blob; without one,
    /// the blob must not exist.
    pub async fn start_copy(&self, source: &Self, metadata: &Metadata, lease: Option<&str>) -> Result<CopyState> {
        let mut from = source.url.clone();
        let mut query: Vec<String> = Vec::new();
        if let Some(snapshot) = &source.snapshot {
            query.push(format!("snapshot={}", crate::endpoint::encode(snapshot)));
        }
        if let crate::Credential::Sas(sas) = self.client.credential() {
            query.push(sas.query().to_owned());
        }
        if !query.is_empty() {
            from.set_query(Some(&query.join("&")));
        }
        let mut request = self
            .request(Method::PUT, &[])
            .text("x-ms-copy-source", from.as_str())?
            .lease(lease)?;
        if let Some(value) = request.headers.get_mut("x-ms-copy-source") {
            value.set_sensitive(true);
        }
        if lease.is_none() {
            request = request.fixed("if-none-match", "*");
        }
        let answer = self.client.send(&with_metadata(request, metadata)?).await?;
        CopyState::of(&answer).ok_or_else(|| AzureError::protocol(self.label(), "a copy without a state"))
    }

    /// Ends a copy that is under way; the blob is then empty.
    pub async fn abort_copy(&self, id: &str, lease: Option<&str>) -> Result<()> {
        let request = self
            .request(Method::PUT, &[("comp", "copy"), ("copyid", id)])
            .fixed("x-ms-copy-action", "abort")
            .lease(lease)?;
        self.client.send(&request).await.map(|_| ())
    }
}
