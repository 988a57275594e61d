//! Why an operation on the cluster failed, and what that means to a block device and to a store.

use std::sync::Arc;

use block::{BlockError, store::StoreError};

/// The result of an operation on the cluster.
pub type Result<T, E = RbdError> = std::result::Result<T, E>;

/// Why an operation on the cluster failed. The text names the object and the remedy and never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RbdError {
    /// A setting, name, size or pasted text that cannot be.
    #[error("{object}: {detail}")]
    Invalid {
        /// What was given, by its name.
        object: String,
        /// What is wrong, and what would be right.
        detail: String,
    },
    /// The cluster refuses the user or a capability is missing.
    #[error("access to {object} denied: {detail}")]
    Denied {
        /// What was asked for.
        object: String,
        /// Why, and what to do.
        detail: String,
    },
    /// No such pool, image or snapshot.
    #[error("{object} does not exist; {remedy}")]
    NotFound {
        /// What was asked for.
        object: String,
        /// What to do.
        remedy: String,
    },
    /// It exists already.
    #[error("{object} exists already")]
    AlreadyExists {
        /// What exists.
        object: String,
    },
    /// Somebody else has it.
    #[error("{object} is in use by {owner}; {remedy}")]
    InUse {
        /// The image or snapshot.
        object: String,
        /// Who has it: name and address.
        owner: String,
        /// What to do.
        remedy: String,
    },
    /// This client, or this kind of image, cannot do it.
    #[error("{object}: {operation} is not supported; {remedy}")]
    Unsupported {
        /// Store or image.
        object: String,
        /// The operation in words.
        operation: String,
        /// What to do instead.
        remedy: String,
    },
    /// The cluster refuses this client for good (blocklisted), or the lock went to somebody else.
    #[error("{object}: {detail}")]
    Fenced {
        /// The image.
        object: String,
        /// What happened.
        detail: String,
    },
    /// Pool or cluster are full, or a quota is reached.
    #[error("{object}: {detail}")]
    NoSpace {
        /// What was written to.
        object: String,
        /// What is full, and what to do.
        detail: String,
    },
    /// No answer in time.
    #[error("{object} unreachable: {detail}")]
    Unreachable {
        /// What was asked for.
        object: String,
        /// What the last attempt met.
        detail: String,
    },
    /// Anything else, with the system's code.
    #[error("{object}: {doing} failed: {}", std::io::Error::from_raw_os_error(*errno))]
    Other {
        /// What was asked for.
        object: String,
        /// What was tried.
        doing: &'static str,
        /// The code as a positive number.
        errno: i32,
    },
}

/// What a blocklisted client gets for everything (`EBLOCKLISTED` in `src/include/types.h`).
pub(crate) const EBLOCKLISTED: i32 = libc::ESHUTDOWN;

impl RbdError {
    /// An [`Invalid`](Self::Invalid).
    #[must_use]
    pub fn invalid(object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid {
            object: object.into(),
            detail: detail.into(),
        }
    }

    /// A [`NotFound`](Self::NotFound).
    #[must_use]
    pub fn not_found(object: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::NotFound {
            object: object.into(),
            remedy: remedy.into(),
        }
    }

    /// An [`Unreachable`](Self::Unreachable).
    #[must_use]
    pub fn unreachable(object: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Unreachable {
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

    /// The error for the code that a call of librados, librbd or the kernel's client returned: the one place that knows
    /// what these codes mean. `errno` may be negative, as these calls return it.
    #[must_use]
    pub fn from_errno(object: &str, doing: &'static str, errno: i32) -> Self {
        let object = object.to_owned();
        let errno = errno.saturating_abs();
        match errno {
            libc::EACCES | libc::EPERM => Self::Denied {
                object,
                detail: format!("{doing} is not allowed; give the user the capabilities `profile rbd` for this pool"),
            },
            libc::ENOENT => Self::NotFound {
                object,
                remedy: "check pool, namespace and name".to_owned(),
            },
            libc::EEXIST => Self::AlreadyExists { object },
            EBLOCKLISTED => Self::Fenced {
                object,
                detail: "the cluster refuses this client (blocklisted): somebody else took the image over".to_owned(),
            },
            libc::ENOSPC => Self::NoSpace {
                object,
                detail: "the cluster is full; delete something or add space".to_owned(),
            },
            libc::EDQUOT => Self::NoSpace {
                object,
                detail: "the pool has reached its quota; raise it (ceph osd pool set-quota) or delete something"
                    .to_owned(),
            },
            libc::ETIMEDOUT
            | libc::ENOTCONN
            | libc::ECONNREFUSED
            | libc::ECONNRESET
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH => Self::Unreachable {
                object,
                detail: format!("{doing} was not answered in time"),
            },
            libc::EOPNOTSUPP | libc::ENOSYS | libc::ENOEXEC => Self::Unsupported {
                object,
                operation: doing.to_owned(),
                remedy: "look at the features of the image and the version of the cluster".to_owned(),
            },
            errno => Self::Other { object, doing, errno },
        }
    }

    /// The code of the system, where it has no better name.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Other { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    /// What it means to the user of the block device `disk`.
    #[must_use]
    pub fn into_block(self, disk: &str) -> BlockError {
        let errno = self.errno();
        let disk: Arc<str> = disk.into();
        let text: Arc<str> = self.to_string().into();
        match self {
            Self::Denied { .. } => BlockError::Denied { disk, detail: text },
            Self::Fenced { detail, .. } => BlockError::Fenced {
                disk,
                detail: detail.into(),
            },
            Self::NoSpace { detail, .. } => BlockError::NoSpace {
                disk,
                detail: detail.into(),
            },
            Self::Unreachable { detail, .. } => BlockError::Unreachable {
                disk,
                detail: detail.into(),
                retry_after: None,
            },
            Self::Unsupported { operation, .. } => BlockError::Unsupported {
                disk,
                operation: operation.into(),
            },
            _ => BlockError::Io {
                disk,
                detail: text,
                errno,
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
            Self::InUse { object, owner, remedy } => StoreError::InUse { object, owner, remedy },
            Self::Unsupported {
                object,
                operation,
                remedy,
            } => StoreError::Unsupported {
                object,
                operation,
                remedy,
            },
            other => StoreError::Block(other.into_block(object)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_what_they_mean_to_a_disk() {
        let block = |errno: i32| RbdError::from_errno("rbd/tv", "write", errno.wrapping_neg()).into_block("tv");
        assert!(matches!(block(108), BlockError::Fenced { .. }));
        assert!(matches!(block(libc::ENOSPC), BlockError::NoSpace { .. }));
        assert!(matches!(block(libc::EDQUOT), BlockError::NoSpace { .. }));
        assert!(matches!(block(libc::EPERM), BlockError::Denied { .. }));
        assert!(matches!(block(libc::EACCES), BlockError::Denied { .. }));
        assert!(block(libc::ETIMEDOUT).is_retryable() && block(libc::ENOTCONN).is_retryable());
        assert!(matches!(
            block(libc::EIO),
            BlockError::Io {
                errno: Some(libc::EIO),
                ..
            }
        ));
        assert!(matches!(block(i32::MIN), BlockError::Io { .. }));
    }
}
