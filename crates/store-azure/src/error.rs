//! Why a request to the blob service failed, and what that means to a block device and to a store.

use std::{sync::Arc, time::Duration};

use block::{BlockError, store::StoreError};

/// The result of a request to the service.
pub type Result<T, E = AzureError> = std::result::Result<T, E>;

/// Why a request to the blob service failed. The text names the object and the remedy and never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AzureError {
    /// A setting, name, size or pasted text that cannot be.
    #[error("{object}: {detail}")]
    Invalid {
        /// What was given, by its name.
        object: String,
        /// What is wrong, and what would be right.
        detail: String,
    },
    /// The service refuses the credential or a right is missing (401, 403).
    #[error("access to {object} denied: {detail}")]
    Denied {
        /// What was asked for.
        object: String,
        /// Why, and what to do.
        detail: String,
    },
    /// No such blob, snapshot or container (404).
    #[error("{object} does not exist; {remedy}")]
    NotFound {
        /// What was asked for.
        object: String,
        /// What to do.
        remedy: String,
    },
    /// It exists already (409).
    #[error("{object} exists already")]
    AlreadyExists {
        /// What exists.
        object: String,
    },
    /// Somebody else holds the lease (409 or 412).
    #[error("{object} is leased by somebody else{detail}")]
    Leased {
        /// The blob.
        object: String,
        /// Who, if known, with a separator before it; may be empty.
        detail: String,
    },
    /// Our own lease is gone (409 or 412).
    #[error("the lease of {object} is lost: {detail}")]
    LeaseLost {
        /// The blob.
        object: String,
        /// What the service said.
        detail: String,
    },
    /// Our lease is not in force (412); the service may renew it yet, if nobody else had the blob since.
    #[error("the lease of {object} has run out")]
    LeaseExpired {
        /// The blob.
        object: String,
    },
    /// The sequence number is not the one the request was made for (412 `SequenceNumberConditionNotMet`).
    #[error("{object} has another sequence number")]
    SequenceNumber {
        /// The blob.
        object: String,
    },
    /// The blob changed since it was looked at (412 `ConditionNotMet`).
    #[error("{object} was changed by somebody else meanwhile")]
    Changed {
        /// The blob.
        object: String,
    },
    /// A conflict with the state the object is in (409, 412, 416 ...).
    #[error("{object}: {detail}")]
    Conflict {
        /// The object.
        object: String,
        /// Error code of the service.
        code: String,
        /// In words, with the remedy.
        detail: String,
    },
    /// No answer in time, or the service asked us to wait for longer than the request may take.
    #[error("{object} unreachable: {detail}")]
    Unreachable {
        /// What was asked for.
        object: String,
        /// What the last attempt met.
        detail: String,
        /// When the service asked to be tried again.
        retry_after: Option<Duration>,
    },
    /// Data did not match their checksum.
    #[error("{object}: {detail}")]
    Corrupt {
        /// The blob.
        object: String,
        /// Where, and which checksum.
        detail: String,
    },
    /// An answer that makes no sense, from a broken service or a proxy in between.
    #[error("{object}: unusable answer: {detail}")]
    Protocol {
        /// What was asked for.
        object: String,
        /// What is wrong with the answer.
        detail: String,
    },
}

impl AzureError {
    /// An [`Invalid`](Self::Invalid).
    #[must_use]
    pub fn invalid(object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid {
            object: object.into(),
            detail: detail.into(),
        }
    }

    /// A [`Denied`](Self::Denied).
    #[must_use]
    pub fn denied(object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Denied {
            object: object.into(),
            detail: detail.into(),
        }
    }

    /// An [`Unreachable`](Self::Unreachable) without a time to try again.
    #[must_use]
    pub fn unreachable(object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Unreachable {
            object: object.into(),
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// A [`Corrupt`](Self::Corrupt).
    #[must_use]
    pub fn corrupt(object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Corrupt {
            object: object.into(),
            detail: detail.into(),
        }
    }

    /// A [`Protocol`](Self::Protocol).
    #[must_use]
    pub fn protocol(object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Protocol {
            object: object.into(),
            detail: detail.into(),
        }
    }

    /// What it means to the user of the block device `disk`.
    #[must_use]
    pub fn into_block(self, disk: &str) -> BlockError {
        let disk: Arc<str> = disk.into();
        let text = || Arc::<str>::from(self.to_string());
        match &self {
            Self::Denied { .. } => BlockError::Denied { disk, detail: text() },
            Self::LeaseExpired { .. } => BlockError::Unreachable {
                disk,
                detail: text(),
                retry_after: None,
            },
            Self::Unreachable { retry_after, .. } => BlockError::Unreachable {
                disk,
                detail: text(),
                retry_after: *retry_after,
            },
            Self::Corrupt { .. } => BlockError::Corrupt { disk, detail: text() },
            Self::LeaseLost { .. } | Self::Leased { .. } => BlockError::Fenced { disk, detail: text() },
            _ => BlockError::Io {
                disk,
                detail: text(),
                errno: None,
            },
        }
    }

    /// What it means to somebody who manages images; `object` is the image or the store.
    #[must_use]
    pub fn into_store(self, object: &str) -> StoreError {
        match self {
            Self::Invalid { object, detail } => StoreError::Invalid { object, detail },
            Self::NotFound { object, remedy } => StoreError::NotFound { object, remedy },
            Self::AlreadyExists { object } => StoreError::AlreadyExists { object },
            Self::Leased { object, detail } => StoreError::InUse {
                object,
                owner: match detail.trim_start_matches([':', ' ']) {
                    "" => "somebody else".to_owned(),
                    known => known.to_owned(),
                },
                remedy: "close it there, or take it over".to_owned(),
            },
            Self::Conflict { object, detail, .. } => StoreError::Invalid { object, detail },
            other => StoreError::Block(other.into_block(object)),
        }
    }
}
