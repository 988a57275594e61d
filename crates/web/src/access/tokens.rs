//! Tokens of scripts.

use std::sync::Arc;

use super::{Access, Identity, no_random, random::Hash, token};
use crate::api::{NewToken, Problem, ProblemCode, Token, TokenMade};

impl Access {
    /// All tokens, without their secrets.
    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.record().tokens.iter().map(|token| token.seen()).collect()
    }

    /// Makes a token.
    pub(crate) async fn make_token(self: &Arc<Self>, new: NewToken) -> Result<TokenMade, Problem> {
        token::check(&new)?;
        let (made, shown) = token::make(new, self.clock.now()).map_err(no_random)?;
        self.blocking(move |access| {
            access.change(|record| {
                if record.tokens.len() >= token::MOST {
                    let detail = format!("there are {} tokens already", token::MOST);
                    return Err(Problem::new(ProblemCode::Conflict, detail).remedy("revoke one"));
                }
                if record.tokens.iter().any(|token| token.name == made.name) {
                    let detail = format!("there is a token \"{}\" already", made.name);
                    return Err(Problem::new(ProblemCode::AlreadyExists, detail).at("/name"));
                }
                record.tokens.push(made);
                Ok(())
            })
        })
        .await?;
        Ok(shown)
    }

    /// Revokes a token.
    pub(crate) async fn revoke_token(self: &Arc<Self>, id: String) -> Result<(), Problem> {
        self.blocking(move |access| {
            access.change(|record| {
                let before = record.tokens.len();
                record.tokens.retain(|token| token.id != id);
                if record.tokens.len() < before {
                    return Ok(());
                }
                Err(Problem::new(
                    ProblemCode::NotFound,
                    format!("there is no token \"{id}\""),
                ))
            })
        })
        .await
    }

    /// Who a token stands for; notes its use.
    pub(super) fn token(self: &Arc<Self>, hash: Hash) -> Result<Identity, Problem> {
        let now = self.clock.now();
        let found = {
            let record = self.record();
            let found = record.tokens.iter().find(|token| token.hash == hash);
            found.map(|token| (token.read_only, token.is_to_be_noted(now)))
        };
        let Some((read_only, note)) = found else {
            return Err(Problem::new(ProblemCode::SignInNeeded, "this token is not known").remedy("make a new one"));
        };
        if note {
            self.note(move |record| {
                if let Some(token) = record.tokens.iter_mut().find(|token| token.hash == hash) {
                    token.used = token.used.max(Some(now));
                }
            });
        }
        Ok(Identity::Token { hash, read_only })
    }
}
