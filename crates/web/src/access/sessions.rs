//! The sessions there are, for their owner to see and to end.

use std::sync::Arc;

use super::{
    Access,
    random::{self, Hash},
    record::SessionRecord,
};
use crate::api::{Problem, ProblemCode, SignedInBrowser};

/// By which a session is known to its owner: says nothing of the cookie, nor of the CSRF token.
fn id(hash: &Hash) -> String {
    let hash = random::hash("session-id", &random::encode(hash));
    hash[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Access {
    /// All sessions that have not ended, the one that asks first, then those seen last.
    pub(crate) fn sessions(&self, own: Option<Hash>) -> Vec<SignedInBrowser> {
        let (now, lifetime) = (self.clock.now(), self.settings.lifetime);
        let seen = |kept: &SessionRecord| {
            let mut kept = kept.clone();
            kept.date(now);
            SignedInBrowser {
                id: id(&kept.hash),
                since: kept.created,
                used: kept.used,
                address: kept.address,
                browser: kept.browser,
                system: kept.system,
                encrypted: kept.tls,
                current: own == Some(kept.hash),
            }
        };
        let record = self.record();
        let open = record.sessions.iter().filter(|kept| !kept.has_ended(now, lifetime));
        let mut list: Vec<_> = open.map(seen).collect();
        list.sort_by_key(|one| (!one.current, std::cmp::Reverse(one.used)));
        list
    }

    /// Ends a session that its owner saw.
    pub(crate) async fn end_session(self: &Arc<Self>, wanted: String) -> Result<(), Problem> {
        self.blocking(move |access| {
            access.change(|record| {
                let before = record.sessions.len();
                record.sessions.retain(|kept| id(&kept.hash) != wanted);
                if record.sessions.len() < before {
                    return Ok(());
                }
                let detail = format!("there is no session \"{wanted}\"");
                Err(Problem::new(ProblemCode::NotFound, detail)
                    .remedy("it may have ended since; ask for the list again"))
            })
        })
        .await
    }

    /// Ends all sessions but one.
    pub(crate) async fn end_other_sessions(self: &Arc<Self>, own: Option<Hash>) -> Result<(), Problem> {
        self.blocking(move |access| {
            access.change(|record| {
                record.sessions.retain(|kept| own == Some(kept.hash));
                Ok(())
            })
        })
        .await
    }
}
