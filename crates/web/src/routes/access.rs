//! `/hello`, `/claim`, `/session`, `/sessions`, `/password`, `/tokens`: who may do what.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Answer, At, Input,
    documented::{Anybody, Carried, SignedIn, WithBody},
    names::{SessionPath, TokenPath, is_host_label},
};
use crate::{
    access::{Caller, Local, Owner, SessionCookie, Visitor},
    api::{
        Claim, ClaimCode, Hello, NewToken, Passwords, Problem, ProblemCode, Session, SignIn, SignedInBrowser, Token,
        TokenMade,
    },
    app::App,
};

/// What needs no session.
pub(super) fn open() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(hello))
        .routes(routes!(claim))
        .routes(routes!(sign_in))
}

/// What does.
pub(super) fn closed() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(session, sign_out))
        .routes(routes!(sessions, end_other_sessions))
        .routes(routes!(end_session))
        .routes(routes!(change_password))
        .routes(routes!(tokens, make_token))
        .routes(routes!(revoke_token))
        .routes(routes!(claim_code))
        .routes(routes!(forget_owner))
}

/// What anybody may know.
#[utoipa::path(get, path = "/hello", tag = "access", security(()), responses(
    (status = 200, body = Hello),
    SignedIn,
))]
async fn hello(State(app): State<App>, caller: Caller) -> Json<Hello> {
    Json(Hello {
        product: "cloud-stick".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: app.name(),
        claimed: app.access.is_claimed(),
        signed_in: caller.identity().is_some(),
        button_pressed: app.access.button_pressed(),
    })
}

/// Makes the sender the owner of a device that has none, and signs them in.
///
/// Wrong codes are counted, also over a power cycle; after a few, each next attempt has to wait longer.
#[utoipa::path(post, path = "/claim", tag = "access", security(()), request_body = Claim, responses(
    (status = 200, body = Session, description = "Claimed. The session comes as a cookie."),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "The code is wrong."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "The device has an owner already."),
    Anybody, WithBody,
))]
async fn claim(
    State(app): State<App>,
    visitor: Visitor,
    Input(claim): Input<Claim>,
) -> Answer<(SessionCookie, Json<Session>)> {
    if let Some(name) = &claim.name {
        check_device_name(name)?;
    }
    let made = app.access.claim(visitor, claim.code, claim.password).await?;
    tracing::info!(peer = %visitor.peer, "the device was claimed");
    if let Some(name) = claim.name {
        let renamed = super::carry::change(&app, |app| async move { app.appliance.rename(&name).await }).await;
        if let Err(failure) = renamed {
            tracing::warn!(?failure, "the device keeps its name");
        }
    }
    Ok(made)
}

/// Signs in with the owner's password.
#[utoipa::path(post, path = "/session", tag = "access", security(()), request_body = SignIn, responses(
    (status = 200, body = Session, description = "Signed in. The session comes as a cookie."),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "The password is wrong."),
    Anybody, WithBody,
))]
async fn sign_in(
    State(app): State<App>,
    visitor: Visitor,
    Input(sign_in): Input<SignIn>,
) -> Answer<(SessionCookie, Json<Session>)> {
    Ok(app.access.sign_in(visitor, sign_in.password).await?)
}

/// The session of this request, with its CSRF token: what a reloaded page needs.
///
/// A session that began without TLS gets a new id when it first comes with TLS.
#[utoipa::path(get, path = "/session", tag = "access", responses(
    (status = 200, body = Session),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "The request comes with a token, not with a session."),
    SignedIn,
))]
async fn session(
    State(app): State<App>,
    caller: Caller,
    visitor: Visitor,
) -> Answer<(Option<SessionCookie>, Json<Session>)> {
    let Some(key) = caller.session() else {
        return Err(super::Failure::not_found("this request comes without a session"));
    };
    let (cookie, session) = app.access.session(key, visitor).await?;
    Ok((cookie, Json(session)))
}

/// Signs out.
#[utoipa::path(delete, path = "/session", tag = "access", responses(
    (status = 204, description = "Signed out."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "The request comes with a token, not with a session."),
    SignedIn,
))]
async fn sign_out(State(app): State<App>, caller: Caller) -> Answer<(SessionCookie, StatusCode)> {
    let Some(key) = caller.session() else {
        return Err(super::Failure::not_found("this request comes without a session"));
    };
    app.access.sign_out(key).await?;
    Ok((SessionCookie::gone(), StatusCode::NO_CONTENT))
}

/// The browsers that are signed in: the one that asks first, then those seen last.
#[utoipa::path(get, path = "/sessions", tag = "access", responses((status = 200, body = Vec<SignedInBrowser>), SignedIn))]
async fn sessions(State(app): State<App>, caller: Caller, _: Owner) -> Json<Vec<SignedInBrowser>> {
    Json(app.access.sessions(caller.session()))
}

/// Signs out all browsers but the one that asks. Their streams of events end.
#[utoipa::path(delete, path = "/sessions", tag = "access", responses(
    (status = 204, description = "Signed out."),
    SignedIn,
))]
async fn end_other_sessions(State(app): State<App>, caller: Caller, _: Owner) -> Answer<StatusCode> {
    app.access.end_other_sessions(caller.session()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Signs a browser out. Its streams of events end.
#[utoipa::path(delete, path = "/sessions/{session}", tag = "access", params(SessionPath), responses(
    (status = 204, description = "Signed out."),
    SignedIn, Carried,
))]
async fn end_session(State(app): State<App>, _: Owner, At(path): At<SessionPath>) -> Answer<StatusCode> {
    app.access.end_session(path.session.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the owner's password. All other sessions end; this one gets a new id.
#[utoipa::path(put, path = "/password", tag = "access", request_body = Passwords, responses(
    (status = 200, body = Session, description = "Changed. The new session comes as a cookie."),
    SignedIn, WithBody,
))]
async fn change_password(
    State(app): State<App>,
    _: Owner,
    visitor: Visitor,
    Input(passwords): Input<Passwords>,
) -> Answer<(SessionCookie, Json<Session>)> {
    Ok(app.access.change_password(visitor, passwords).await?)
}

/// Tokens for scripts, without their secrets.
#[utoipa::path(get, path = "/tokens", tag = "access", responses((status = 200, body = Vec<Token>), SignedIn))]
async fn tokens(State(app): State<App>, _: Owner) -> Json<Vec<Token>> {
    Json(app.access.tokens())
}

/// Makes a token for a script. Its secret is shown this once.
#[utoipa::path(post, path = "/tokens", tag = "access", request_body = NewToken, responses(
    (status = 201, body = TokenMade),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "There is one of that name, or there are too many."),
    SignedIn, WithBody,
))]
async fn make_token(
    State(app): State<App>,
    _: Owner,
    Input(new): Input<NewToken>,
) -> Answer<(StatusCode, Json<TokenMade>)> {
    let made = app.access.make_token(new).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Revokes a token.
#[utoipa::path(delete, path = "/tokens/{token}", tag = "access", params(TokenPath), responses(
    (status = 204, description = "Revoked."),
    SignedIn, Carried,
))]
async fn revoke_token(State(app): State<App>, _: Owner, At(path): At<TokenPath>) -> Answer<StatusCode> {
    app.access.revoke_token(path.token.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The code that claims the device, for the command line on the device only.
#[utoipa::path(get, path = "/claim-code", tag = "access", responses(
    (status = 200, body = ClaimCode),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "The device has an owner."),
    SignedIn,
))]
async fn claim_code(State(app): State<App>, _: Local) -> Answer<Json<ClaimCode>> {
    match app.access.claim_code() {
        Some(code) => Ok(Json(ClaimCode { code })),
        None => Err(Problem::new(ProblemCode::AlreadyClaimed, "the device has an owner")
            .remedy("sign in with the owner's password, or make the device forget its owner")
            .into()),
    }
}

/// Takes the device from its owner, for the command line on the device only: it has a new claim code and a certificate with a
/// new key; sessions and tokens end, configuration and secrets stay.
#[utoipa::path(delete, path = "/owner", tag = "access", responses(
    (status = 204, description = "The device has no owner."),
    SignedIn, Carried,
))]
async fn forget_owner(State(app): State<App>, _: Local) -> Answer<StatusCode> {
    super::carry::change(&app, |app| async move { app.forget_owner().await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses what cannot be a device's name.
pub(super) fn check_device_name(name: &str) -> Result<(), Problem> {
    if is_host_label(name) {
        return Ok(());
    }
    Err(
        Problem::new(ProblemCode::Invalid, "this cannot be the name of a device")
            .remedy("use 1 to 63 letters, digits and hyphens, none of the latter at the ends")
            .at("/name"),
    )
}
