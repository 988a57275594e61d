//! Tokens for scripts.

use axum::http::{HeaderMap, header};
use time::OffsetDateTime;

use super::{
    random::{self, Hash, NoRandom},
    record::TokenRecord,
};
use crate::api::{NewToken, Problem, ProblemCode, Token, TokenMade};

/// How many there may be.
pub(super) const MOST: usize = 32;
/// What they begin with, so that tools that look for leaked secrets know them.
const PREFIX: &str = "cst_";

/// Refuses what cannot be the name of a token.
pub(super) fn check(new: &NewToken) -> Result<(), Problem> {
    if (1..=64).contains(&new.name.chars().count()) && !new.name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::Invalid, "this cannot be the name of a token")
        .remedy("use 1 to 64 characters")
        .at("/name"))
}

/// A new token.
pub(super) fn make(new: NewToken, now: OffsetDateTime) -> Result<(TokenRecord, TokenMade), NoRandom> {
    let secret = format!("{PREFIX}{}", *random::text()?);
    let id: String = random::bytes::<6>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    let record = TokenRecord {
        hash: random::hash("token", &secret),
        id,
        name: new.name,
        created: now,
        used: None,
        read_only: new.read_only,
        unknown: serde_json::Map::new(),
    };
    let token = record.seen();
    Ok((record, TokenMade { token, secret }))
}

/// What a request brings as its token.
pub(super) enum Brought {
    Nothing,
    Unusable,
    Token(Hash),
}

/// Looks for `authorization: Bearer …` (RFC 6750, 2.1).
pub(super) fn brought(headers: &HeaderMap) -> Brought {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Brought::Nothing;
    };
    let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
        return Brought::Unusable;
    };
    if scheme.eq_ignore_ascii_case("bearer") {
        Brought::Token(random::hash("token", token.trim()))
    } else {
        Brought::Unusable
    }
}

impl TokenRecord {
    /// Without its secret.
    pub(super) fn seen(&self) -> Token {
        Token {
            id: self.id.clone(),
            name: self.name.clone(),
            created: self.created,
            used: self.used,
            read_only: self.read_only,
        }
    }

    /// Whether its use should be noted.
    pub(super) fn is_to_be_noted(&self, now: OffsetDateTime) -> bool {
        self.used
            .is_none_or(|used| now >= used + std::time::Duration::from_secs(3600))
    }
}
