//! Answers that are not good news.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::api::{Problem, ProblemCode};

/// What a handler gives back.
pub(crate) type Answer<T> = Result<T, Failure>;

/// A problem on its way out (RFC 9457).
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    status: StatusCode,
    problem: Problem,
}

impl Failure {
    /// A request that cannot be understood, with a status of its own.
    pub(crate) fn with_status(status: StatusCode, problem: Problem) -> Self {
        Self { status, problem }
    }

    /// A fault of ours. What exactly belongs in the log, not in the answer.
    pub(crate) fn internal() -> Self {
        Problem::new(ProblemCode::Internal, "the device met a fault of its own")
            .remedy("look at the log; if it happens again, restart the device")
            .into()
    }

    /// Something that is not there.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Problem::new(ProblemCode::NotFound, detail).into()
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, problem }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let retry_after = self.problem.retry_after;
        let mut response = (self.status, axum::Json(self.problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, 15.5.2 asks for it. Browsers show no dialogue for this scheme.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
