//! How a device gets its owner.

use std::sync::Arc;

use axum::Json;

use super::{Access, Peer, SessionCookie, Visitor, code, password};
use crate::api::{Problem, ProblemCode, Secret, Session};

impl Access {
    /// The code that claims the device, while it has no owner: for the setup stick, the serial console and the card.
    #[must_use]
    pub fn claim_code(&self) -> Option<String> {
        self.record().claim_code.clone()
    }

    /// The board's button was pressed: for five minutes one claim needs no code. Does nothing if the device has an owner.
    pub fn press_button(&self) {
        if !self.is_claimed() {
            self.waits().button_until = Some(self.clock.elapsed() + self.settings.button);
        }
    }

    /// Whether a claim needs no code now.
    #[must_use]
    pub fn button_pressed(&self) -> bool {
        let until = self.waits().button_until;
        !self.is_claimed() && until.is_some_and(|until| self.clock.elapsed() < until)
    }

    /// Makes the sender the owner.
    pub(crate) async fn claim(
        self: &Arc<Self>,
        visitor: Visitor,
        code: Option<Secret>,
        password: Secret,
    ) -> Result<(SessionCookie, Json<Session>), Problem> {
        self.unclaimed()?;
        password::check(&password, "/password")?;
        let turn = self.turns.take().await?;
        self.blocking(move |access| {
            let _turn = turn;
            access.unclaimed()?;
            if !access.button_pressed() {
                access.check_code(visitor.peer, code)?;
            }
            let kept = password::hash(&password, access.settings.costs)?;
            let begun = access.begin_session(visitor, |record| {
                if record.claim_code.take().is_none() {
                    return Err(claimed());
                }
                record.claim_failures = 0;
                record.password_failures = 0;
                record.password = Some(kept);
                record.sessions.clear();
                record.tokens.clear();
                Ok(())
            })?;
            access.waits().button_until = None;
            Ok(begun)
        })
        .await
    }

    fn unclaimed(&self) -> Result<(), Problem> {
        if self.is_claimed() { Err(claimed()) } else { Ok(()) }
    }

    fn check_code(&self, peer: Peer, typed: Option<Secret>) -> Result<(), Problem> {
        let typed = typed.ok_or_else(|| {
            Problem::new(ProblemCode::WrongSecret, "the claim code is missing")
                .remedy("type the code that the setup stick shows, or press the board's button")
                .at("/code")
        })?;
        self.waits().claim.check(self.clock.elapsed())?;
        // On disk before the code is looked at: who pulls the plug then has made the attempt all the same.
        let (failures, code) = self.change(|record| {
            record.claim_failures = record.claim_failures.saturating_add(1);
            Ok((record.claim_failures, record.claim_code.clone()))
        })?;
        self.waits().claim.failed(failures, self.clock.elapsed());
        if code.is_some_and(|code| code::matches(&code, typed.expose())) {
            self.waits().claim.succeeded();
            return Ok(());
        }
        tracing::warn!(%peer, failures, "a wrong claim code");
        Err(Problem::new(ProblemCode::WrongSecret, "the claim code is wrong")
            .remedy("type the code that the setup stick shows, or press the board's button")
            .at("/code"))
    }
}

fn claimed() -> Problem {
    Problem::new(ProblemCode::AlreadyClaimed, "the device has an owner already")
        .remedy("sign in with the owner's password, or reset the device to the factory's state")
}
