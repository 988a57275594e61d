//! A disk in an Azure page blob.
//!
//! A client of our own for the page blob part of the Azure Blob service, and on top of it an open disk
//! ([`AzureDisk`], a [`block::BlockDevice`]) and a container of disks ([`AzureStore`], a [`block::store::Store`]).
//!
//! From the bottom up: [`Endpoint`] says where, [`Credential`] proves who, `client` sends one request (limits,
//! retries, errors in words), `service` has one function per operation of the service, `device` keeps the promises
//! of a disk on top (single writer, no late writes, holes known), `store` manages images.

mod client;
mod config;
#[doc(hidden)]
pub mod connection_string;
mod credential;
mod device;
mod endpoint;
mod error;
mod service;
mod store;
#[doc(hidden)]
pub mod vhd;

pub use block::store::Secret;
pub use client::{API_VERSION, Client, ClientOptions, clock_skew, http_client, parse_retry_after, tls_config};
pub use config::{AzureConfig, AzureSecret};
pub use connection_string::{ConnectionString, DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY};
pub use credential::{AccessToken, ClientCredentials, Credential, Right, Sas, SharedKey, TokenCache, TokenSource};
pub use device::{AzureDisk, Format, IoSettings, OpenSettings, open};
pub use endpoint::{Endpoint, check_blob, check_container};
pub use error::{AzureError, Result};
pub use service::{
    Blob, BlobProperties, Container, CopyState, LEASE_SECONDS, LeaseState, MAX_BLOB_SIZE, MAX_PUT, Metadata, PAGE,
    PageWrite,
};
pub use store::AzureStore;

/// Sums of several payloads at once, for measuring.
#[doc(hidden)]
pub mod md5_lanes {
    pub use crate::service::md5::{Digest, Width, digests};
}

/// Parsers of what the service sends, for fuzzing.
#[doc(hidden)]
pub mod xml {
    pub use crate::client::xml::{
        BlobEntry, BlobList, ContainerList, PageList, blob_list, container_list, error_code, page_list,
    };
}
