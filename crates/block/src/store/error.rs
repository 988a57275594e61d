//! The errors of management operations.

use crate::BlockError;

/// Why a management operation failed. The text names the object and the remedy and never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such image, snapshot, container or folder.
    #[error("{object} does not exist{}", hint(remedy))]
    NotFound {
        /// What was looked for.
        object: String,
        /// What to do; may be empty.
        remedy: String,
    },
    /// There is one already; it was left alone.
    #[error("{object} exists already; choose another name or delete it first")]
    AlreadyExists {
        /// What exists.
        object: String,
    },
    /// Somebody else owns the image.
    #[error("{object} is in use by {owner}{}", hint(remedy))]
    InUse {
        /// The image.
        object: String,
        /// Who has it, as far as the store knows.
        owner: String,
        /// What to do; may be empty.
        remedy: String,
    },
    /// A name, size or setting that cannot be.
    #[error("{object}: {detail}")]
    Invalid {
        /// What was given.
        object: String,
        /// What is wrong with it, and what would be right.
        detail: String,
    },
    /// The store cannot do this.
    #[error("{object}: {operation} is not supported{}", hint(remedy))]
    Unsupported {
        /// Store or image.
        object: String,
        /// The operation in words.
        operation: String,
        /// What to do instead; may be empty.
        remedy: String,
    },
    /// Anything that a block request may meet as well.
    #[error(transparent)]
    Block(#[from] BlockError),
}

fn hint(remedy: &str) -> String {
    if remedy.is_empty() {
        String::new()
    } else {
        format!("; {remedy}")
    }
}

impl StoreError {
    /// A [`NotFound`](Self::NotFound).
    #[must_use]
    pub fn not_found(object: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::NotFound {
            object: object.into(),
            remedy: remedy.into(),
        }
    }

    /// An [`AlreadyExists`](Self::AlreadyExists).
    #[must_use]
    pub fn already_exists(object: impl Into<String>) -> Self {
        Self::AlreadyExists { object: object.into() }
    }

    /// An [`InUse`](Self::InUse).
    #[must_use]
    pub fn in_use(object: impl Into<String>, owner: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::InUse {
            object: object.into(),
            owner: owner.into(),
            remedy: remedy.into(),
        }
    }

    /// An [`Invalid`](Self::Invalid).
    #[must_use]
    pub fn invalid(object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid {
            object: object.into(),
            detail: detail.into(),
        }
    }

    /// An [`Unsupported`](Self::Unsupported).
    #[must_use]
    pub fn unsupported(object: impl Into<String>, operation: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Unsupported {
            object: object.into(),
            operation: operation.into(),
            remedy: remedy.into(),
        }
    }
}
