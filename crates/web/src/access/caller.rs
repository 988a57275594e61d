//! Who calls.

use axum::{extract::FromRequestParts, http::request::Parts};

use super::random::Hash;
use crate::{
    api::{Problem, ProblemCode},
    routes::Failure,
};

/// Somebody who may look, at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// The command line on this machine.
    Local,
    /// A browser; its session.
    Session(Hash),
    /// A script; its token.
    Token {
        /// By which it is known.
        hash: Hash,
        /// Whether it may only look.
        read_only: bool,
    },
}

/// Who calls, if that is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caller(pub(super) Option<Identity>);

impl Caller {
    /// Who it is.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.0
    }

    /// Its session, if it has one.
    pub(crate) fn session(&self) -> Option<Hash> {
        match self.0 {
            Some(Identity::Session(hash)) => Some(hash),
            _ => None,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Ok(parts.extensions.get().copied().unwrap_or_default())
    }
}

/// The command line on this machine, and nobody else.
pub(crate) struct Local;

impl<S: Sync> FromRequestParts<S> for Local {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        match parts.extensions.get::<Caller>().and_then(Caller::identity) {
            Some(Identity::Local) => Ok(Self),
            _ => Err(
                Problem::new(ProblemCode::Forbidden, "only the device itself may ask for this")
                    .remedy("use the command line on the device")
                    .into(),
            ),
        }
    }
}

/// The owner in person: what a script must not do, whatever its token.
pub(crate) struct Owner;

impl<S: Sync> FromRequestParts<S> for Owner {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        match parts.extensions.get::<Caller>().and_then(Caller::identity) {
            Some(Identity::Local | Identity::Session(_)) => Ok(Self),
            _ => Err(Problem::new(ProblemCode::Forbidden, "a token is not enough for this")
                .remedy("sign in with the password")
                .into()),
        }
    }
}
