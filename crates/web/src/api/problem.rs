//! Whatever goes wrong.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong, where, and what to do about it. The body of every answer from 400 up (RFC 9457,
/// `application/problem+json`), and part of every state that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// For programs, and for the page to say it in the owner's language.
    pub code: ProblemCode,
    /// A sentence in English that names the object.
    pub detail: String,
    /// What to do, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What it happened to: a disk, a store, an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The part of the request that is wrong, as a JSON pointer (RFC 6901) into its body: `/values/sas` for settings of a
    /// store, `/settings/values/sas` where they are a part of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Seconds until another attempt makes sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// The kinds of problems. New ones may come: programs treat those they do not know as [`Internal`](Self::Internal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The request cannot be understood: bad JSON, an unknown key, a value out of its range.
    Invalid,
    /// Nobody is signed in, or the session is over.
    SignInNeeded,
    /// The device has no owner yet: claim it first.
    Unclaimed,
    /// The device has an owner already.
    AlreadyClaimed,
    /// Wrong password or claim code.
    WrongSecret,
    /// Too many attempts or requests; see `retry_after`.
    TooMany,
    /// The request comes from somewhere it should not: a foreign page, a name that is not ours.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// It exists already.
    AlreadyExists,
    /// It changed meanwhile, or another operation is at work on it.
    Conflict,
    /// Somebody else owns the image.
    InUse,
    /// The disk was taken over by somebody else.
    Fenced,
    /// The store refuses us: a wrong key, missing rights, an expired signature.
    Denied,
    /// The store does not answer.
    Unreachable,
    /// The store, the card or the quota is full.
    NoSpace,
    /// A checksum does not fit.
    Corrupt,
    /// It cannot be written.
    ReadOnly,
    /// This device, kernel or store cannot do that.
    Unsupported,
    /// The confirmation does not match the name of what is to be destroyed.
    NotConfirmed,
    /// The request is longer than allowed.
    TooLarge,
    /// It took too long.
    Timeout,
    /// It was cancelled.
    Cancelled,
    /// The new configuration could not be applied; the one before is in force again.
    NotApplied,
    /// Nobody whom this device trusts has signed the update, or it was changed afterwards.
    Untrusted,
    /// The update is for other boards.
    WrongBoard,
    /// The update is older than the running system.
    OlderVersion,
    /// Something happened to the system around the daemon: to its card, or to an update.
    System,
    /// Nothing of the above: a fault of the device.
    Internal,
}

impl ProblemCode {
    /// The HTTP status that goes with it (RFC 9110, 15).
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Invalid | Self::NotConfirmed => 400,
            Self::SignInNeeded | Self::WrongSecret => 401,
            Self::Forbidden | Self::Unclaimed => 403,
            Self::NotFound => 404,
            Self::AlreadyClaimed
            | Self::AlreadyExists
            | Self::Conflict
            | Self::InUse
            | Self::Fenced
            | Self::ReadOnly
            | Self::Cancelled
            | Self::NotApplied => 409,
            Self::TooLarge => 413,
            Self::Denied
            | Self::Unsupported
            | Self::Corrupt
            | Self::Untrusted
            | Self::WrongBoard
            | Self::OlderVersion => 422,
            Self::TooMany => 429,
            Self::System | Self::Internal => 500,
            Self::Unreachable => 502,
            Self::Timeout => 504,
            Self::NoSpace => 507,
        }
    }
}

impl Problem {
    /// A problem in one sentence.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            remedy: None,
            object: None,
            field: None,
            retry_after: None,
        }
    }

    /// The same, with what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same, about `object`.
    #[must_use]
    pub fn about(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// The same, to be tried again after some seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// The same, in a part of the request.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
