//! The operations of the blob service that disks need, each as one function over [`Client`].

mod blob;
mod containers;
mod copy;
mod lease;
pub(crate) mod md5;
mod pages;

use std::{collections::BTreeMap, sync::Arc};

use http::Method;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

pub(crate) use blob::check_size;
pub use blob::{BlobProperties, LeaseState, MAX_BLOB_SIZE, PAGE};
pub use copy::CopyState;
pub use lease::LEASE_SECONDS;
pub(crate) use md5::content_md5;
pub(crate) use pages::MAX_MD5_RANGE;
pub use pages::{MAX_PUT, PageWrite};

use crate::{
    client::{Answer, Client, Request},
    endpoint::{check_blob, check_container},
    error::{AzureError, Result},
};

/// A container of an account.
#[derive(Debug, Clone)]
pub struct Container {
    client: Client,
    name: Arc<str>,
}

/// A page blob, or one of its snapshots.
#[derive(Debug, Clone)]
pub struct Blob {
    client: Client,
    name: Arc<str>,
    snapshot: Option<Arc<str>>,
    /// What messages call it.
    label: Arc<str>,
    url: url::Url,
}

impl Container {
    /// The container `name`, whether it exists or not.
    ///
    /// # Errors
    ///
    /// [`Invalid`](AzureError::Invalid) if no container can be called so.
    pub fn new(client: Client, name: &str) -> Result<Self> {
        check_container(name)?;
        Ok(Self {
            client,
            name: name.into(),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client it is reached through.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A blob in it, whether it exists or not.
    ///
    /// # Errors
    ///
    /// [`Invalid`](AzureError::Invalid) if no blob or snapshot can be called so.
    pub fn blob(&self, name: &str, snapshot: Option<&str>) -> Result<Blob> {
        check_blob(name)?;
        if let Some(snapshot) = snapshot
            && OffsetDateTime::parse(snapshot, &time::format_description::well_known::Rfc3339).is_err()
        {
            return Err(AzureError::invalid(
                format!("snapshot {snapshot:?} of {name}"),
                "a snapshot is named by its time, such as 2026-01-31T12:00:00.0000000Z; list them first",
            ));
        }
        let label = match snapshot {
            Some(snapshot) => format!("snapshot {snapshot} of blob {}/{name}", self.name),
            None => format!("blob {}/{name}", self.name),
        };
        Ok(Blob {
            url: self.client.endpoint().url(Some(&self.name), Some(name)),
            client: self.client.clone(),
            name: name.into(),
            snapshot: snapshot.map(Into::into),
            label: label.into(),
        })
    }

    fn request(&self, method: Method) -> Request {
        let label = format!("container {}", self.name);
        Request::new(method, self.client.endpoint().url(Some(&self.name), None), label.into())
    }
}

impl Blob {
    /// The same blob through another client.
    #[must_use]
    pub(crate) fn through(&self, client: Client) -> Self {
        Self { client, ..self.clone() }
    }

    /// What messages call it.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Name within its container.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The snapshot it is, if it is one.
    #[must_use]
    pub fn snapshot_id(&self) -> Option<&str> {
        self.snapshot.as_deref()
    }

    /// The client it is reached through.
    #[must_use]
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    fn request(&self, method: Method, query: &[(&str, &str)]) -> Request {
        let request = Request::new(method, self.url.clone(), self.label.clone()).query(query);
        match &self.snapshot {
            Some(snapshot) => request.query(&[("snapshot", snapshot)]),
            None => request,
        }
    }
}

/// The metadata of a blob: its keys are C# identifiers, compared without case, and are kept in lower case here.
pub type Metadata = BTreeMap<String, String>;

fn with_metadata(mut request: Request, metadata: &Metadata) -> Result<Request> {
    for (key, value) in metadata {
        request = request.text(&format!("x-ms-meta-{key}"), value)?;
    }
    Ok(request)
}

fn metadata_of(answer: &Answer) -> Metadata {
    let pairs = answer.headers.iter().filter_map(|(name, value)| {
        let key = name.as_str().strip_prefix("x-ms-meta-")?;
        Some((key.to_ascii_lowercase(), value.to_str().ok()?.to_owned()))
    });
    pairs.collect()
}

fn http_date(text: Option<&str>) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text?, &Rfc2822).ok()
}

fn protocol(object: &str) -> impl Fn(&'static str) -> AzureError + '_ {
    move |reason| AzureError::protocol(object, reason)
}
