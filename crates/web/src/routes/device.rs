//! `/device`, `/log`, `/doctor`: the device itself.

use std::fmt::Write as _;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Answer, Asked, Input,
    access::check_device_name,
    carry,
    documented::{Carried, SignedIn, WithBody},
};
use crate::{
    access::Owner,
    api::{Applied, Confirmation, Device, LogLine, Rename, State as Everything, TaskKind, TaskResult, TaskStarted},
    app::App,
    tasks::Work,
};

pub(super) fn closed() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(state))
        .routes(routes!(device))
        .routes(routes!(rename_device))
        .routes(routes!(log))
        .routes(routes!(log_file))
        .routes(routes!(doctor))
        .routes(routes!(factory_reset))
}

/// Everything that is known now: what streams of events begin with.
#[utoipa::path(get, path = "/state", tag = "device", responses((status = 200, body = Everything), SignedIn))]
async fn state(State(app): State<App>) -> Json<Everything> {
    Json(app.state())
}

/// The board and the daemon on it.
#[utoipa::path(get, path = "/device", tag = "device", responses((status = 200, body = Device), SignedIn))]
async fn device(State(app): State<App>) -> Json<Device> {
    Json(app.live().device.clone())
}

/// Gives the device a name. Its address, `NAME.local`, and its certificate change with it.
#[utoipa::path(put, path = "/device/name", tag = "device", request_body = Rename, responses(
    (status = 200, body = Applied),
    SignedIn, WithBody, Carried,
))]
async fn rename_device(State(app): State<App>, Input(rename): Input<Rename>) -> Answer<Json<Applied>> {
    check_device_name(&rename.name)?;
    carry::change(&app, |app| async move { app.appliance.rename(&rename.name).await })
        .await
        .map(Json)
}

/// Which lines of the log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LogQuery {
    /// Number of the first line wanted; all that are kept if left out.
    #[serde(default)]
    from: u64,
}

/// The lines of the log that are kept in memory, oldest first.
#[utoipa::path(get, path = "/log", tag = "device", params(LogQuery), responses(
    (status = 200, body = Vec<LogLine>),
    SignedIn,
))]
async fn log(State(app): State<App>, Asked(query): Asked<LogQuery>) -> Json<Vec<LogLine>> {
    let lines = app.appliance.recent(query.from);
    Json(lines.iter().map(|line| LogLine::clone(line)).collect())
}

/// The same as a text file, to be sent to somebody who helps.
#[utoipa::path(get, path = "/log/file", tag = "device", responses(
    (status = 200, body = String, content_type = "text/plain"),
    SignedIn,
))]
async fn log_file(State(app): State<App>) -> impl IntoResponse {
    let mut text = String::new();
    for line in app.appliance.recent(0) {
        let time = line
            .time
            .format(&time::format_description::well_known::Rfc3339)
            .unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{time} {:?} {} {}", line.level, line.target, line.text);
    }
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"cloud-stick.log\""),
    ];
    (headers, text)
}

/// Checks everything: kernel, controller, cable, clock, stores. The findings are the task's result.
#[utoipa::path(post, path = "/doctor", tag = "device", responses(
    (status = 202, body = TaskStarted),
    SignedIn,
))]
async fn doctor(State(app): State<App>) -> Answer<(StatusCode, Json<TaskStarted>)> {
    let work = Work::new(TaskKind::Doctor);
    let appliance = app.appliance.clone();
    let started = app.tasks.start(work, |report| async move {
        let findings = appliance.doctor(&*report).await?;
        Ok(TaskResult::Findings { findings })
    })?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Removes configuration, secrets, identity and ownership, and starts anew. What is in the stores stays. The device's name
/// confirms it. Running tasks are cancelled; while one runs that cannot be, there is no reset. A device that `wipes` restarts then: it
/// has its new claim code when it is back.
#[utoipa::path(post, path = "/device/factory-reset", tag = "device", request_body = Confirmation, responses(
    (status = 204, description = "Done; the device is unclaimed and has a new claim code, or restarts."),
    SignedIn, WithBody, Carried,
))]
async fn factory_reset(
    State(app): State<App>,
    _: Owner,
    Input(confirmation): Input<Confirmation>,
) -> Answer<StatusCode> {
    carry::confirmed(&confirmation.confirm, &app.name())?;
    carry::change(&app, |app| async move { app.factory_reset().await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
