//! The owner's password.
//!
//! Argon2id (RFC 9106) with 12 MiB, three passes and one lane: one of the equivalent settings of the OWASP password storage
//! cheat sheet, and of those the largest that leaves a board with 512 MB alone. More memory would be of no use against
//! somebody who has the card: they have the stores' keys already. One password is hashed at a time, so that attempts cost
//! 12 MiB in all, and one of the processors.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::random;
use crate::api::{Problem, ProblemCode, Secret};

/// How many attempts may wait for their turn.
const WAITING: usize = 4;

/// Costs of hashing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            memory_kib: 12 << 10,
            passes: 3,
        }
    }
}

impl Costs {
    fn hasher(self) -> Result<Argon2<'static>, Problem> {
        let params = Params::new(self.memory_kib, self.passes, 1, None).map_err(|_| fault())?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

/// Lets one password be hashed at a time.
pub(super) struct Turns {
    one: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            one: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits for its turn, unless too many wait already.
    pub(super) async fn take(&self) -> Result<OwnedSemaphorePermit, Problem> {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::AcqRel);
            }
        }
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if before >= WAITING {
            return Err(Problem::new(ProblemCode::TooMany, "others are signing in at this moment").retry_after(2));
        }
        self.one.clone().acquire_owned().await.map_err(|_| fault())
    }
}

/// Refuses passwords that are too short or too long.
pub(super) fn check(password: &Secret, field: &str) -> Result<(), Problem> {
    if (8..=128).contains(&password.expose().chars().count()) {
        return Ok(());
    }
    Err(
        Problem::new(ProblemCode::Invalid, "the password is too short or too long")
            .remedy("choose one of 8 to 128 characters")
            .at(field),
    )
}

/// What is kept of a password (a PHC string). Takes a while: not for threads that serve others.
pub(super) fn hash(password: &Secret, costs: Costs) -> Result<String, Problem> {
    let salt = random::bytes::<16>().map_err(|_| fault())?;
    let hash = costs
        .hasher()?
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map_err(|_| fault())?;
    Ok(hash.to_string())
}

/// Whether it is this password. Takes as long.
pub(super) fn verify(password: &Secret, kept: &str) -> bool {
    // The costs are those of the kept hash.
    PasswordHash::new(kept).is_ok_and(|kept| {
        Argon2::default()
            .verify_password(password.expose().as_bytes(), &kept)
            .is_ok()
    })
}

fn fault() -> Problem {
    Problem::new(ProblemCode::Internal, "the password could not be hashed").remedy("restart the device")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_recognised_and_not_kept() {
        let costs = Costs {
            memory_kib: 64,
            passes: 1,
        };
        let password = Secret::from("correct horse".to_owned());
        let kept = hash(&password, costs).unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{kept}");
        assert!(verify(&password, &kept));
        assert!(!verify(&Secret::from("correct horsf".to_owned()), &kept));
        assert!(!verify(&password, "nonsense"));
        assert_ne!(kept, hash(&password, costs).unwrap());
    }
}
