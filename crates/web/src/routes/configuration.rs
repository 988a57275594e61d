//! `/configuration`: versions, back-ups.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::IntoResponse,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Answer, At, Input, carry,
    documented::{Carried, SignedIn, WithBody},
    input::BACKUP,
    names::VersionPath,
};
use crate::{
    access::Owner,
    api::{Backup, Restore, TaskKind, TaskResult, TaskStarted, Version},
    app::App,
    tasks::Work,
};

pub(super) fn closed() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(versions))
        .routes(routes!(go_back))
        .routes(routes!(back_up))
        .routes(routes!(restore))
}

/// Versions of the configuration that can be gone back to, the youngest first.
#[utoipa::path(get, path = "/configuration/versions", tag = "configuration", responses(
    (status = 200, body = Vec<Version>),
    SignedIn, Carried,
))]
async fn versions(State(app): State<App>) -> Answer<Json<Vec<Version>>> {
    carry::look(app.appliance.versions()).await.map(Json)
}

/// Puts an earlier version in force again, as a new version.
#[utoipa::path(post, path = "/configuration/versions/{version}/apply", tag = "configuration", params(VersionPath), responses(
    (status = 202, body = TaskStarted, description = "The result is `applied`."),
    SignedIn,
))]
async fn go_back(State(app): State<App>, At(path): At<VersionPath>) -> Answer<(StatusCode, Json<TaskStarted>)> {
    let work = Work::new(TaskKind::Apply).uncancellable();
    let appliance = app.appliance.clone();
    let started = app.tasks.start(work, |_| async move {
        let applied = appliance.go_back(path.version).await?;
        Ok(TaskResult::Applied(applied))
    })?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Makes a back-up of the configuration: a file to keep. Secrets are in it only if it is encrypted with a passphrase.
#[utoipa::path(post, path = "/configuration/backup", tag = "configuration", request_body = Backup, responses(
    (status = 200, body = Vec<u8>, content_type = "application/octet-stream", description = "The file. `content-disposition` names it."),
    SignedIn, WithBody, Carried,
))]
async fn back_up(State(app): State<App>, _: Owner, Input(backup): Input<Backup>) -> Answer<impl IntoResponse> {
    let file = carry::look(app.appliance.backup(backup)).await?;
    let name: String = file
        .name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let headers: [(HeaderName, String); 2] = [
        (header::CONTENT_TYPE, file.media_type.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, file.content))
}

/// Puts a back-up in force.
#[utoipa::path(post, path = "/configuration/restore", tag = "configuration", request_body = Restore, responses(
    (status = 202, body = TaskStarted, description = "The result is `applied`."),
    SignedIn, WithBody,
))]
async fn restore(
    State(app): State<App>,
    _: Owner,
    Input(restore): Input<Restore, BACKUP>,
) -> Answer<(StatusCode, Json<TaskStarted>)> {
    let work = Work::new(TaskKind::Apply).uncancellable();
    let appliance = app.appliance.clone();
    let started = app.tasks.start(work, |_| async move {
        let applied = appliance.restore(restore).await?;
        Ok(TaskResult::Applied(applied))
    })?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}
