//! `/stores/{store}/images/{image}/snapshots`: snapshots.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Answer, Asked, At, Input, carry,
    documented::{Carried, SignedIn, WithBody},
    names::{ImagePath, SnapshotPath},
};
use crate::{
    api::{Confirmation, NewSnapshot, Snapshot, TaskKind, TaskResult, TaskStarted},
    app::App,
    tasks::Work,
};

pub(super) fn closed() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(snapshots, take_snapshot))
        .routes(routes!(restore_snapshot))
        .routes(routes!(delete_snapshot))
}

/// The snapshots of an image, oldest first.
#[utoipa::path(get, path = "/stores/{store}/images/{image}/snapshots", tag = "images", params(ImagePath), responses(
    (status = 200, body = Vec<Snapshot>),
    SignedIn, Carried,
))]
async fn snapshots(State(app): State<App>, At(path): At<ImagePath>) -> Answer<Json<Vec<Snapshot>>> {
    carry::look(app.appliance.snapshots(&path.store.0, &path.image.0))
        .await
        .map(Json)
}

/// Takes a snapshot of what the store holds; of a served image, once what the host has written is there.
#[utoipa::path(post, path = "/stores/{store}/images/{image}/snapshots", tag = "images", params(ImagePath), request_body = NewSnapshot, responses(
    (status = 202, body = TaskStarted, description = "The result is `snapshot`."),
    SignedIn, WithBody,
))]
async fn take_snapshot(
    State(app): State<App>,
    At(path): At<ImagePath>,
    Input(new): Input<NewSnapshot>,
) -> Answer<(StatusCode, Json<TaskStarted>)> {
    let work = Work::new(TaskKind::TakeSnapshot).about(Some(&path.image.0));
    let appliance = app.appliance.clone();
    let started = app.tasks.start(work, |report| async move {
        let snapshot = appliance
            .take_snapshot(&path.store.0, &path.image.0, new, &*report)
            .await?;
        Ok(TaskResult::Snapshot(snapshot))
    })?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Puts an image back to a snapshot. What was written since is lost; the image's name confirms it.
#[utoipa::path(post, path = "/stores/{store}/images/{image}/snapshots/{snapshot}/restore", tag = "images", params(SnapshotPath), request_body = Confirmation, responses(
    (status = 202, body = TaskStarted, description = "The result is `done`."),
    SignedIn, WithBody,
))]
async fn restore_snapshot(
    State(app): State<App>,
    At(path): At<SnapshotPath>,
    Input(confirmation): Input<Confirmation>,
) -> Answer<(StatusCode, Json<TaskStarted>)> {
    carry::confirmed(&confirmation.confirm, &path.image.0)?;
    let work = Work::new(TaskKind::RestoreSnapshot)
        .about(Some(&path.image.0))
        .uncancellable();
    let appliance = app.appliance.clone();
    let started = app.tasks.start(work, |report| async move {
        let SnapshotPath { store, image, snapshot } = path;
        appliance
            .restore_snapshot(&store.0, &image.0, &snapshot.0, &*report)
            .await?;
        Ok(TaskResult::Done)
    })?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Deletes a snapshot that no disk is configured for. The image's name confirms it.
#[utoipa::path(delete, path = "/stores/{store}/images/{image}/snapshots/{snapshot}", tag = "images", params(SnapshotPath, Confirmation), responses(
    (status = 202, body = TaskStarted, description = "The result is `done`."),
    SignedIn,
))]
async fn delete_snapshot(
    State(app): State<App>,
    At(path): At<SnapshotPath>,
    Asked(confirmation): Asked<Confirmation>,
) -> Answer<(StatusCode, Json<TaskStarted>)> {
    carry::confirmed(&confirmation.confirm, &path.image.0)?;
    let work = Work::new(TaskKind::DeleteSnapshot)
        .about(Some(&path.image.0))
        .uncancellable();
    let appliance = app.appliance.clone();
    let started = app.tasks.start(work, |_| async move {
        let SnapshotPath { store, image, snapshot } = path;
        appliance.delete_snapshot(&store.0, &image.0, &snapshot.0).await?;
        Ok(TaskResult::Done)
    })?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}
