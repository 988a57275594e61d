//! Refusals of updates, as the page shows them.

use update::Error;
use web::api::{Problem, ProblemCode};

/// A refusal.
pub(super) fn of_update(error: &Error) -> Problem {
    let code = match error {
        Error::NotABundle { .. } => ProblemCode::Invalid,
        Error::Signature | Error::Channel { .. } => ProblemCode::Untrusted,
        Error::Damaged { .. } | Error::Truncated { .. } => ProblemCode::Corrupt,
        Error::Board { .. } => ProblemCode::WrongBoard,
        Error::Older { .. } => ProblemCode::OlderVersion,
        Error::TooBigAStep { .. } => ProblemCode::Unsupported,
        Error::TooLarge { .. } => ProblemCode::TooLarge,
        Error::Busy | Error::OnTrial => ProblemCode::Conflict,
        Error::Cancelled => ProblemCode::Cancelled,
        Error::Source(_) | Error::ReadBack { .. } | Error::Card { .. } | Error::System { .. } => ProblemCode::Internal,
    };
    let problem = Problem::new(code, error.to_string());
    match error.remedy() {
        Some(remedy) => problem.remedy(remedy),
        None => problem,
    }
}
