//! `/update`: updates of the whole system.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Answer, Asked, Failure, Input, Patience, carry,
    documented::{Carried, SignedIn, WithBody, WithFile},
};
use crate::{
    access::{Caller, Owner, still_permit},
    api::{FetchUpdate, Problem, ProblemCode, TaskKind, TaskResult, TaskStarted},
    app::App,
    tasks::Work,
};

/// The longest bundle, in bytes: a slot, and its description.
const BUNDLE: u64 = 160 << 20;
/// How many pieces of it (of some 16 KiB each) may wait for the card.
const WAITING: usize = 16;
/// The longest address, in bytes.
const URL: usize = 2048;

pub(super) fn closed() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(install_update))
        .routes(routes!(fetch_update))
        .routes(routes!(try_update))
}

/// How to install.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InstallQuery {
    /// Also an older version than the running one.
    #[serde(default)]
    allow_older: bool,
}

/// Installs an update bundle, which is the body, beside the running system; the next start tries it. The task begins with the first
/// byte, and is answered when the last one has arrived.
#[utoipa::path(post, path = "/update/install", tag = "update", params(InstallQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "A bundle, `.swu`."),
    responses(
        (status = 202, body = TaskStarted, description = "The result is `done`."),
        SignedIn, WithFile, Carried,
    ))]
async fn install_update(
    State(app): State<App>,
    _: Owner,
    Asked(query): Asked<InstallQuery>,
    request: Request,
) -> Answer<(StatusCode, Json<TaskStarted>)> {
    let (parts, body) = request.into_parts();
    can_be_updated(&app)?;
    check(&parts.headers)?;
    let Patience(patience) = parts.extensions.get().copied().ok_or_else(Failure::internal)?;
    let caller: Caller = parts.extensions.get().copied().unwrap_or_default();
    let (sender, bundle) = mpsc::channel(WAITING);
    let appliance = app.appliance.clone();
    let started = app
        .tasks
        .start(Work::new(TaskKind::InstallUpdate), |report| async move {
            appliance.install_update(bundle, query.allow_older, &*report).await?;
            Ok(TaskResult::Done)
        })?;
    let last = |result| match result {
        Ok(()) => still_permit(&app.access, caller),
        Err(problem) => Err(problem),
    };
    if let Err(problem) = last(pass_on(body, &sender, patience).await) {
        // If the task has ended already, it said why.
        let _ = sender.send(Err(problem)).await;
    }
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Passes a body on. What nobody wants any more is thrown away: a browser hears of an answer only when all was sent.
async fn pass_on(body: Body, to: &mpsc::Sender<Result<Bytes, Problem>>, patience: Duration) -> Result<(), Problem> {
    let mut body = body;
    let mut length = 0;
    loop {
        let broken = || Problem::new(ProblemCode::Invalid, "the upload broke off").remedy("try it again");
        let frame = tokio::time::timeout(patience, body.frame())
            .await
            .map_err(|_| broken())?;
        let Some(frame) = frame else { return Ok(()) };
        let Ok(data) = frame.map_err(|_| broken())?.into_data() else {
            continue;
        };
        length += data.len() as u64;
        if length > BUNDLE {
            return Err(too_long());
        }
        let _ = to.send(Ok(data)).await;
    }
}

fn check(headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::CONTENT_TYPE) != Some("application/octet-stream") {
        let problem = Problem::new(ProblemCode::Invalid, "the body is not said to be a file")
            .remedy("send it with `content-type: application/octet-stream`");
        return Err(Failure::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem));
    }
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    match length {
        Some(length) if length > BUNDLE => Err(too_long().into()),
        _ => Ok(()),
    }
}

fn too_long() -> Problem {
    Problem::new(
        ProblemCode::TooLarge,
        format!("the bundle is longer than {BUNDLE} bytes"),
    )
}

fn can_be_updated(app: &App) -> Result<(), Failure> {
    match app.live().device.updates {
        Some(_) => Ok(()),
        None => Err(
            Problem::new(ProblemCode::Unsupported, "this device cannot be updated as a whole")
                .remedy("update the program in the way in which it was installed")
                .into(),
        ),
    }
}

/// The same with a bundle that the device fetches itself.
#[utoipa::path(post, path = "/update/fetch", tag = "update", request_body = FetchUpdate, responses(
    (status = 202, body = TaskStarted, description = "The result is `done`."),
    SignedIn, WithBody, Carried,
))]
async fn fetch_update(
    State(app): State<App>,
    _: Owner,
    Input(fetch): Input<FetchUpdate>,
) -> Answer<(StatusCode, Json<TaskStarted>)> {
    can_be_updated(&app)?;
    if fetch.url.len() > URL {
        return Err(Problem::new(ProblemCode::Invalid, "the address is too long")
            .at("/url")
            .into());
    }
    let appliance = app.appliance.clone();
    let started = app
        .tasks
        .start(Work::new(TaskKind::InstallUpdate), |report| async move {
            appliance.fetch_update(fetch, &*report).await?;
            Ok(TaskResult::Done)
        })?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Restarts the device, so that it tries the update that is ready. If that does not work, it goes back to the present system by
/// itself.
#[utoipa::path(post, path = "/update/restart", tag = "update", responses(
    (status = 204, description = "The device is about to restart."),
    SignedIn, Carried,
))]
async fn try_update(State(app): State<App>, _: Owner) -> Answer<StatusCode> {
    can_be_updated(&app)?;
    carry::change(&app, |app| async move { app.appliance.try_update().await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
