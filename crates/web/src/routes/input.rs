//! Requests, read strictly.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::Failure;
use crate::{
    access::{Caller, still_permit},
    api::{Problem, ProblemCode},
    app::App,
};

/// The longest body of most requests, in bytes.
pub(crate) const SHORT: usize = 16 << 10;
/// The longest settings of a store, in bytes: configuration files and keyrings are pasted into them.
pub(crate) const SETTINGS: usize = 256 << 10;
/// The longest back-up, in bytes.
pub(crate) const BACKUP: usize = 2 << 20;
/// How long a body may take to arrive: part of every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience(pub(crate) Duration);

/// A JSON body of at most `LIMIT` bytes.
pub(crate) struct Input<T, const LIMIT: usize = SHORT>(pub(crate) T);

impl<T: DeserializeOwned, const LIMIT: usize> FromRequest<App> for Input<T, LIMIT> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        check_type(&parts.headers)?;
        check_length(&parts.headers, LIMIT)?;
        let Patience(patience) = parts.extensions.get().copied().ok_or_else(Failure::internal)?;
        let bytes = match tokio::time::timeout(patience, read(body, LIMIT)).await {
            Ok(read) => read?,
            Err(_) => {
                let problem = Problem::new(ProblemCode::Timeout, "the body did not arrive in time");
                return Err(Failure::with_status(StatusCode::REQUEST_TIMEOUT, problem));
            }
        };
        let caller: Caller = parts.extensions.get().copied().unwrap_or_default();
        still_permit(&app.access, caller)?;
        parse(&bytes).map(Self).map_err(Failure::from)
    }
}

/// A form of another page can send a few types without asking first (Fetch standard, 2.2.2): JSON is not among them.
fn check_type(headers: &HeaderMap) -> Result<(), Failure> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let problem = Problem::new(ProblemCode::Invalid, "the body is not said to be JSON")
        .remedy("send it with `content-type: application/json`");
    Err(Failure::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem))
}

fn check_length(headers: &HeaderMap, limit: usize) -> Result<(), Failure> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    match length.and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        _ => Ok(()),
    }
}

fn too_large(limit: usize) -> Failure {
    let detail = format!("the body is longer than {limit} bytes");
    Problem::new(ProblemCode::TooLarge, detail).into()
}

async fn read(body: Body, limit: usize) -> Result<Bytes, Failure> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Err(_) => Err(Problem::new(ProblemCode::Invalid, "the body broke off").into()),
    }
}

/// Reads JSON. What is said about a mistake never repeats what was sent: a text in the wrong place may be a secret.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // The last part of the path to an unknown key is that key.
        let unknown = usize::from(error.inner().to_string().starts_with("unknown field"));
        let field = pointer(error.path(), unknown);
        let problem = Problem::new(ProblemCode::Invalid, describe(error.inner()));
        if field.is_empty() { problem } else { problem.at(field) }
    })?;
    json.end()
        .map_err(|_| Problem::new(ProblemCode::Invalid, "there is more after the end of the JSON text"))?;
    Ok(value)
}

/// A JSON pointer (RFC 6901) to what is wrong, without so many of its last parts. It ends before what does not look like a
/// key of ours.
fn pointer(path: &serde_path_to_error::Path, without: usize) -> String {
    use serde_path_to_error::Segment;
    let is_key = |key: &str| key.len() <= 32 && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let segments: Vec<&Segment> = path.iter().collect();
    let mut pointer = String::new();
    for segment in &segments[..segments.len().saturating_sub(without)] {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } if is_key(key) => pointer.push_str(&format!("/{key}")),
            Segment::Map { .. } => break,
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// Says what was expected. Serde's own message may begin with what was found; what follows its last "expected" is of our
/// types, and so are the names of missing and doubled keys.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    if text.starts_with("missing field `") || text.starts_with("duplicate field `") {
        return format!("{text}{place}");
    }
    if error.is_syntax() || error.is_eof() {
        return format!("this is not JSON{place}");
    }
    let kind = if text.starts_with("unknown field") {
        "unknown key"
    } else {
        "wrong value"
    };
    match text.rsplit_once("expected ") {
        Some((_, expected)) => format!("{kind}{place}, expected {expected}"),
        None => format!("{kind}{place}"),
    }
}

/// The parts of the path, decoded and checked by their types.
pub(crate) struct At<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::new(ProblemCode::Invalid, "a name in the path cannot be one")
                .remedy("names hold no control characters, no empty, `.` or `..` parts, and are not too long")
                .into()),
        }
    }
}

/// The query.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::new(
                ProblemCode::Invalid,
                "the query lacks a value, or holds one that cannot be",
            )
            .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Claim, Limits, StoreSettings};

    fn error<T: DeserializeOwned>(text: &str) -> Problem {
        match parse::<T>(text.as_bytes()) {
            Ok(_) => panic!("{text} was accepted"),
            Err(problem) => problem,
        }
    }

    #[test]
    fn mistakes_are_named_by_place_and_expectation() {
        let problem = error::<Limits>(r#"{"read_bytes": "fast"}"#);
        assert_eq!(problem.field.as_deref(), Some("/read_bytes"));
        assert_eq!(problem.detail, "wrong value at line 1 column 21, expected u64");
        let problem = error::<Claim>(r#"{"code": "x"}"#);
        assert_eq!(problem.detail, "missing field `password` at line 1 column 13");
        assert!(error::<Limits>("{").detail.starts_with("this is not JSON"));
        assert!(error::<Limits>("{} {}").detail.contains("more after the end"));
    }

    #[test]
    fn mistakes_do_not_repeat_what_was_sent() {
        for text in [
            r#"{"password": ["hunter2"]}"#,
            r#"{"password": {"hunter2": 1}}"#,
            r#"{"hunter2": 1, "password": "x"}"#,
            r#"{"password": "x", "name": {"a": "hunter2, expected hunter2"}}"#,
            r#""hunter2, expected hunter2""#,
        ] {
            let problem = error::<Claim>(text);
            assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        }
        let problem = error::<StoreSettings>(r#"{"type": "azure", "way": "key", "values": {"key": ["hunter2"]}}"#);
        assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        let problem = error::<Limits>(r#"{"read_bytes": "hunter2, expected hunter2"}"#);
        assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
    }

    /// Bodies broken in every way that chance finds, with a fixed seed.
    #[test]
    fn broken_bodies_do_no_harm_and_are_not_repeated() {
        use rand::{Rng as _, SeedableRng as _};

        use crate::api::{IdentityChange, LunSettings, NewImage, Passwords, ProbeRequest, Restore};
        let seeds = [
            r#"{"code": "hunter2", "password": "hunter2", "name": "hunter2"}"#,
            r#"{"current": "hunter2", "new": "hunter2"}"#,
            r#"{"settings": {"type": "a", "way": "b", "values": {"key": "hunter2", "on": true}}, "store": "hunter2"}"#,
            r#"{"name": "hunter2", "size": 512, "filesystem": {"type": "fat", "label": "hunter2", "table": "mbr"}}"#,
            r#"[{"disk": "hunter2", "cdrom": true}, {"disk": null}]"#,
            r#"{"data": "hunter2", "passphrase": "hunter2"}"#,
        ];
        let mut random = rand::rngs::StdRng::seed_from_u64(4);
        let mut wrong = 0;
        for round in 0..30_000 {
            let mut body = seeds[round % seeds.len()].as_bytes().to_vec();
            for _ in 0..random.random_range(1..4) {
                let (at, to) = (random.random_range(0..body.len()), random.random_range(0..body.len()));
                match random.random_range(0..4) {
                    0 => body[at] = random.random(),
                    1 => body.truncate(at.max(1)),
                    2 => body.swap(at, to),
                    _ => body[at] = b"{}[]\":,"[random.random_range(0..7)],
                }
            }
            let problems = [
                parse::<Claim>(&body).err(),
                parse::<Passwords>(&body).err(),
                parse::<ProbeRequest>(&body).err(),
                parse::<NewImage>(&body).err(),
                parse::<Vec<LunSettings>>(&body).err(),
                parse::<Restore>(&body).err(),
                parse::<IdentityChange>(&body).err(),
            ];
            for problem in problems.into_iter().flatten() {
                wrong += 1;
                assert!(
                    !format!("{problem:?}").contains("unter2"),
                    "{problem:?}: {}",
                    String::from_utf8_lossy(&body)
                );
            }
        }
        assert!(wrong > 150_000, "{wrong}");
    }
}
