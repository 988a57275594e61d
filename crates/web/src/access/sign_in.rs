//! Passwords and the sessions they open.

use std::sync::Arc;

use axum::Json;

use super::{Access, Peer, SessionCookie, Visitor, no_random, password, random::Hash, record::Record, session};
use crate::api::{Passwords, Problem, ProblemCode, Secret, Session};

impl Access {
    /// Opens a session for who knows the password.
    pub(crate) async fn sign_in(
        self: &Arc<Self>,
        visitor: Visitor,
        password: Secret,
    ) -> Result<(SessionCookie, Json<Session>), Problem> {
        let turn = self.turns.take().await?;
        self.blocking(move |access| {
            let _turn = turn;
            access.check_password(visitor.peer, &password, "/password")?;
            access.begin_session(visitor, |record| {
                record.password_failures = 0;
                Ok(())
            })
        })
        .await
    }

    /// Changes the password, ends all sessions, and opens a new one.
    pub(crate) async fn change_password(
        self: &Arc<Self>,
        visitor: Visitor,
        passwords: Passwords,
    ) -> Result<(SessionCookie, Json<Session>), Problem> {
        password::check(&passwords.new, "/new")?;
        let turn = self.turns.take().await?;
        self.blocking(move |access| {
            let _turn = turn;
            access.check_password(visitor.peer, &passwords.current, "/current")?;
            let kept = password::hash(&passwords.new, access.settings.costs)?;
            access.begin_session(visitor, |record| {
                record.password = Some(kept);
                record.password_failures = 0;
                record.sessions.clear();
                Ok(())
            })
        })
        .await
    }

    /// Ends a session.
    pub(crate) async fn sign_out(self: &Arc<Self>, session: Hash) -> Result<(), Problem> {
        self.blocking(move |access| {
            access.change(|record| {
                record.sessions.retain(|kept| kept.hash != session);
                Ok(())
            })
        })
        .await
    }

    /// What a page needs to know of its session. One that began without TLS and now comes with it gets a new id: the old
    /// one may have been seen.
    pub(crate) async fn session(
        self: &Arc<Self>,
        session: Hash,
        visitor: Visitor,
    ) -> Result<(Option<SessionCookie>, Session), Problem> {
        let found = self.record().sessions.iter().find(|kept| kept.hash == session).cloned();
        let mut found = found.ok_or_else(is_over)?;
        found.date(self.clock.now());
        if found.tls || !visitor.peer.has_tls() {
            return Ok((None, found.seen(self.settings.lifetime)));
        }
        let begun = self.blocking(move |access| {
            access.begin_session(visitor, |record| {
                let before = record.sessions.len();
                record.sessions.retain(|kept| kept.hash != session);
                // It may have ended since: then it must not live on under another id.
                if record.sessions.len() < before {
                    Ok(())
                } else {
                    Err(is_over())
                }
            })
        });
        let (cookie, Json(session)) = begun.await?;
        Ok((Some(cookie), session))
    }

    /// Whether a session is open; notes its use.
    pub(super) fn use_session(self: &Arc<Self>, session: &Hash) -> bool {
        let now = self.clock.now();
        let lifetime = self.settings.lifetime;
        let (valid, note) = match self.record().sessions.iter().find(|kept| kept.hash == *session) {
            Some(kept) => (kept.is_valid(now, lifetime), kept.is_to_be_noted(now)),
            None => (false, false),
        };
        if valid && note {
            let session = *session;
            self.note(move |record| {
                for kept in &mut record.sessions {
                    kept.date(now);
                    if kept.hash == session {
                        kept.note(now);
                    }
                }
            });
        }
        valid
    }

    /// Keeps something that nobody waits for.
    pub(super) fn note(self: &Arc<Self>, edit: impl FnOnce(&mut Record) + Send + 'static) {
        let access = self.clone();
        tokio::task::spawn_blocking(move || {
            // What went wrong is in the log.
            let _ = access.change(|record| {
                edit(record);
                Ok(())
            });
        });
    }

    /// Opens a session together with another change. Blocks.
    pub(super) fn begin_session(
        &self,
        visitor: Visitor,
        edit: impl FnOnce(&mut Record) -> Result<(), Problem>,
    ) -> Result<(SessionCookie, Json<Session>), Problem> {
        let now = self.clock.now();
        let lifetime = self.settings.lifetime;
        let (session, cookie) = session::begin(visitor, now, lifetime).map_err(no_random)?;
        let seen = session.seen(lifetime);
        self.change(|record| {
            edit(record)?;
            record.sessions.iter_mut().for_each(|kept| kept.date(now));
            record.sessions.retain(|kept| !kept.has_ended(now, lifetime));
            while record.sessions.len() >= session::MOST {
                let oldest = (0..record.sessions.len()).min_by_key(|index| record.sessions[*index].used);
                record.sessions.swap_remove(oldest.unwrap_or_default());
            }
            record.sessions.push(session);
            Ok(())
        })?;
        Ok((cookie, Json(seen)))
    }

    /// Whether this is the password. Blocks, and takes a while.
    fn check_password(&self, peer: Peer, typed: &Secret, field: &str) -> Result<(), Problem> {
        if !self.is_claimed() {
            return Err(Problem::new(ProblemCode::Unclaimed, "the device has no owner yet").remedy("claim it"));
        }
        let Some(kept) = self.record().password.clone() else {
            return Err(
                Problem::new(ProblemCode::Internal, "what was kept about access is damaged")
                    .remedy("reset the device to the factory's state"),
            );
        };
        {
            let (waits, elapsed) = (self.waits(), self.clock.elapsed());
            waits.password.check(peer, elapsed)?;
            waits.password_of_all.check(elapsed)?;
        }
        // On disk before the password is looked at: who pulls the plug then has made the attempt all the same.
        let failures = self.change(|record| {
            record.password_failures = record.password_failures.saturating_add(1);
            Ok(record.password_failures)
        })?;
        {
            let (mut waits, elapsed) = (self.waits(), self.clock.elapsed());
            waits.password.failed(peer, elapsed);
            waits.password_of_all.failed(failures, elapsed);
        }
        if password::verify(typed, &kept) {
            let mut waits = self.waits();
            waits.password.succeeded(peer);
            waits.password_of_all.succeeded();
            return Ok(());
        }
        tracing::warn!(%peer, failures, "a wrong password");
        Err(Problem::new(ProblemCode::WrongSecret, "the password is wrong").at(field))
    }
}

fn is_over() -> Problem {
    Problem::new(ProblemCode::SignInNeeded, "the session is over").remedy("sign in")
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use axum::http::HeaderMap;
    use futures::FutureExt as _;

    use super::*;
    use crate::access::{Costs, Settings, SystemClock};

    #[tokio::test]
    async fn a_session_that_ends_while_it_gets_a_new_id_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let costs = Costs {
            memory_kib: 64,
            passes: 1,
        };
        let settings = Settings {
            costs,
            ..Settings::default()
        };
        let access = Access::open(folder.path(), settings, Arc::new(SystemClock::default())).unwrap();
        let peer = Peer::of([192, 0, 2, 1].into());
        let visitor = |peer| Visitor::new(peer, &HeaderMap::new());
        access.press_button();
        let claimed = access
            .claim(visitor(peer), None, Secret::from("correct horse".to_owned()))
            .await;
        claimed.map(drop).unwrap();
        let session = access.record().sessions[0].hash;
        let mut exchange = pin!(access.session(session, visitor(peer.with_tls())));
        {
            // Everybody who changes something waits.
            let _writer = access.writer.lock().unwrap();
            assert!(exchange.as_mut().now_or_never().is_none());
            access.record.write().unwrap().sessions.clear();
        }
        let problem = exchange.await.map(drop).unwrap_err();
        assert_eq!(problem.code, ProblemCode::SignInNeeded);
        assert!(access.record().sessions.is_empty());
    }
}
