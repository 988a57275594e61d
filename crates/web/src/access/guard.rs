//! The door: every request to the API passes it.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::Response,
};
use subtle::ConstantTimeEq as _;

use super::{Access, Caller, Identity, Peer, session};
use crate::{
    api::{Problem, ProblemCode},
    app::App,
    routes::Failure,
};

/// Finds out who calls. Requests of foreign pages that would change something end here.
pub(crate) async fn identify(
    State(app): State<App>,
    peer: Peer,
    mut request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let identity = app.access.identify(request.headers(), peer)?;
    if !request.method().is_safe() && matches!(identity, None | Some(Identity::Session(_))) {
        same_origin(request.headers(), peer)?;
    }
    request.extensions_mut().insert(Caller(identity));
    Ok(next.run(request).await)
}

/// Lets in who may do that.
pub(crate) async fn authorise(
    State(app): State<App>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    permit(caller, request.method(), request.headers(), app.access.is_claimed())?;
    Ok(next.run(request).await)
}

/// Refuses who was let in but may be in no longer: a body may take a while to come, and who sends it may be shown out
/// meanwhile.
pub(crate) fn still_permit(access: &Access, caller: Caller) -> Result<(), Problem> {
    match caller.identity() {
        Some(identity) if !access.still(identity) => Err(nobody(access.is_claimed())),
        _ => Ok(()),
    }
}

fn nobody(claimed: bool) -> Problem {
    if claimed {
        Problem::new(ProblemCode::SignInNeeded, "nobody is signed in").remedy("sign in")
    } else {
        Problem::new(ProblemCode::Unclaimed, "the device has no owner yet")
            .remedy("claim it with its code, or press its button")
    }
}

fn permit(caller: Caller, method: &Method, headers: &HeaderMap, claimed: bool) -> Result<(), Problem> {
    match caller.identity() {
        None => Err(nobody(claimed)),
        Some(Identity::Token { read_only: true, .. }) if !method.is_safe() => {
            Err(Problem::new(ProblemCode::Forbidden, "this token may only look").remedy("make one that may do more"))
        }
        Some(Identity::Session(hash)) if !method.is_safe() => {
            let expected = session::csrf_token(&hash);
            let brought = headers.get("x-csrf-token").map_or(&b""[..], |value| value.as_bytes());
            if bool::from(expected.as_bytes().ct_eq(brought)) {
                return Ok(());
            }
            Err(Problem::new(
                ProblemCode::Forbidden,
                "the request lacks the CSRF token of its session",
            )
            .remedy("get it with GET /api/v1/session, and send it as `x-csrf-token`"))
        }
        Some(_) => Ok(()),
    }
}

/// Refuses requests that a browser says come from elsewhere: `Sec-Fetch-Site` (Fetch metadata, 2.3) and `Origin` (Fetch
/// standard, 3.2). Programs that are not browsers send neither.
fn same_origin(headers: &HeaderMap, peer: Peer) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let foreign = || {
        Problem::new(ProblemCode::Forbidden, "the request comes from a foreign page")
            .remedy("use the device's own page")
    };
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(foreign());
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else {
        return Ok(());
    };
    let scheme = if peer.has_tls() { "https" } else { "http" };
    match origin.split_once("://") {
        Some((found, authority))
            if found == scheme
                && text(header::HOST.as_str()).is_some_and(|host| host.eq_ignore_ascii_case(authority)) =>
        {
            Ok(())
        }
        _ => Err(foreign()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    header::HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn foreign_pages_are_known_by_what_browsers_say() {
        let peer = Peer::of([192, 0, 2, 1].into());
        let ok = |pairs: &[_]| same_origin(&headers(pairs), peer).is_ok();
        assert!(ok(&[("host", "stick.local")]));
        assert!(ok(&[
            ("host", "stick.local:80"),
            ("origin", "http://Stick.local:80"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!ok(&[("host", "stick.local"), ("origin", "http://evil.example")]));
        assert!(!ok(&[("host", "stick.local"), ("origin", "http://stick.local:8080")]));
        assert!(!ok(&[("host", "stick.local"), ("origin", "https://stick.local")]));
        assert!(!ok(&[("host", "stick.local"), ("origin", "null")]));
        assert!(!ok(&[("host", "stick.local"), ("sec-fetch-site", "same-site")]));
        assert!(!ok(&[("host", "stick.local"), ("sec-fetch-site", "cross-site")]));
        let with_tls = [("host", "stick.local"), ("origin", "https://stick.local")];
        assert!(same_origin(&headers(&with_tls), peer.with_tls()).is_ok());
    }
}
