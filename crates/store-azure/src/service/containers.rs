//! Containers: list, create; and the blobs in one.

use http::Method;

use super::{Container, protocol};
use crate::{
    client::{
        Client, Request,
        xml::{self, BlobEntry},
    },
    error::{AzureError, Result},
};

/// Blobs asked for at once. One takes a few hundred bytes of XML, with metadata up to 10 KiB.
const PER_PAGE: &str = "500";
/// Longest answer to a listing.
const MAX_LISTING: u64 = 8 << 20;
/// Most pages that are followed, so that a service that repeats itself cannot keep us for ever.
const MAX_PAGES: usize = 10_000;

impl Client {
    /// The names of the account's containers. Needs the account key, an account SAS or a role on the account.
    pub async fn containers(&self) -> Result<Vec<String>> {
        let (mut names, mut next) = (Vec::new(), None::<String>);
        for _ in 0..MAX_PAGES {
            let object = format!("account {}", self.endpoint().account());
            let mut request = Request::new(Method::GET, self.endpoint().url(None, None), object.as_str().into())
                .query(&[("comp", "list"), ("maxresults", PER_PAGE)])
                .up_to(MAX_LISTING);
            if let Some(marker) = &next {
                request = request.query(&[("marker", marker)]);
            }
            let answer = self.send(&request).await?;
            let page = xml::container_list(&answer.body.into_bytes()).map_err(protocol(&object))?;
            names.extend(page.names);
            next = page.next;
            if next.is_none() {
                return Ok(names);
            }
        }
        Err(AzureError::protocol("list of containers", "it never ends"))
    }
}

impl Container {
    /// Creates the container, private. Says whether it was missing.
    pub async fn create(&self) -> Result<bool> {
        let request = self.request(Method::PUT).query(&[("restype", "container")]);
        match self.client.send(&request).await {
            Ok(_) => Ok(true),
            Err(AzureError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether it exists and may be looked at.
    pub async fn exists(&self) -> Result<bool> {
        let request = self.request(Method::HEAD).query(&[("restype", "container")]);
        match self.client.send(&request).await {
            Ok(_) => Ok(true),
            Err(AzureError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Page blobs (others are left out) whose names start with `prefix`, with snapshots if asked for.
    pub async fn blobs(&self, prefix: &str, snapshots: bool) -> Result<Vec<BlobEntry>> {
        let mut all = self.all_blobs(prefix, snapshots, usize::MAX).await?;
        all.retain(|entry| entry.blob_type == "PageBlob");
        Ok(all)
    }

    /// Whether blobs can be listed: asks for one.
    pub(crate) async fn probe_list(&self) -> Result<()> {
        self.all_blobs("", false, 1).await.map(|_| ())
    }

    async fn all_blobs(&self, prefix: &str, snapshots: bool, pages: usize) -> Result<Vec<BlobEntry>> {
        let include = if snapshots { "metadata,snapshots" } else { "metadata" };
        let (mut entries, mut next) = (Vec::new(), None::<String>);
        for _ in 0..MAX_PAGES.min(pages) {
            let mut request = self.request(Method::GET).up_to(MAX_LISTING).query(&[
                ("restype", "container"),
                ("comp", "list"),
                ("include", include),
                ("maxresults", if pages == 1 { "1" } else { PER_PAGE }),
            ]);
            if !prefix.is_empty() {
                request = request.query(&[("prefix", prefix)]);
            }
            if let Some(marker) = &next {
                request = request.query(&[("marker", marker)]);
            }
            let answer = self.client.send(&request).await?;
            let page = xml::blob_list(&answer.body.into_bytes()).map_err(protocol(&request.object))?;
            entries.extend(page.entries);
            next = page.next;
            if next.is_none() {
                return Ok(entries);
            }
        }
        if pages == 1 {
            return Ok(entries);
        }
        Err(AzureError::protocol(
            format!("list of container {}", self.name),
            "it never ends",
        ))
    }
}
