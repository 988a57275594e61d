//! `/disks`: images that are served.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Answer, Asked, At, Failure, Input, carry,
    documented::{Carried, SignedIn, WithBody},
    names::DiskPath,
};
use crate::{
    api::{Applied, Confirmation, Disk, DiskChange, NewDisk, TakeOver},
    app::App,
};

pub(super) fn closed() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(disks, add_disk))
        .routes(routes!(disk, change_disk, remove_disk))
        .routes(routes!(take_over))
}

/// The configured disks and their state.
#[utoipa::path(get, path = "/disks", tag = "disks", responses((status = 200, body = Vec<Disk>), SignedIn))]
async fn disks(State(app): State<App>) -> Json<Vec<Disk>> {
    Json(app.live().disks.clone())
}

/// Serves another image.
#[utoipa::path(post, path = "/disks", tag = "disks", request_body = NewDisk, responses(
    (status = 200, body = Applied),
    SignedIn, WithBody, Carried,
))]
async fn add_disk(State(app): State<App>, Input(new): Input<NewDisk>) -> Answer<Json<Applied>> {
    carry::change(&app, |app| async move { app.appliance.add_disk(new).await })
        .await
        .map(Json)
}

/// One disk and its state.
#[utoipa::path(get, path = "/disks/{disk}", tag = "disks", params(DiskPath), responses(
    (status = 200, body = Disk),
    SignedIn, Carried,
))]
async fn disk(State(app): State<App>, At(path): At<DiskPath>) -> Answer<Json<Disk>> {
    let live = app.live();
    match live.disks.iter().find(|disk| disk.name == path.disk.0) {
        Some(disk) => Ok(Json(disk.clone())),
        None => Err(Failure::not_found(format!("there is no disk \"{}\"", path.disk.0))),
    }
}

/// Changes how a disk is served. Another image is a swap of the medium.
#[utoipa::path(patch, path = "/disks/{disk}", tag = "disks", params(DiskPath), request_body = DiskChange, responses(
    (status = 200, body = Applied),
    SignedIn, WithBody, Carried,
))]
async fn change_disk(
    State(app): State<App>,
    At(path): At<DiskPath>,
    Input(change): Input<DiskChange>,
) -> Answer<Json<Applied>> {
    carry::change(&app, |app| async move {
        app.appliance.change_disk(&path.disk.0, change).await
    })
    .await
    .map(Json)
}

/// Serves a disk no longer. Its image stays. The disk's name confirms it.
#[utoipa::path(delete, path = "/disks/{disk}", tag = "disks", params(DiskPath, Confirmation), responses(
    (status = 200, body = Applied),
    SignedIn, Carried,
))]
async fn remove_disk(
    State(app): State<App>,
    At(path): At<DiskPath>,
    Asked(confirmation): Asked<Confirmation>,
) -> Answer<Json<Applied>> {
    carry::confirmed(&confirmation.confirm, &path.disk.0)?;
    carry::change(&app, |app| async move { app.appliance.remove_disk(&path.disk.0).await })
        .await
        .map(Json)
}

/// Takes the image of a disk from its present owner, who cannot write a byte from then on. The disk's name confirms it.
#[utoipa::path(post, path = "/disks/{disk}/take-over", tag = "disks", params(DiskPath), request_body = TakeOver, responses(
    (status = 204, description = "Taken over."),
    SignedIn, WithBody, Carried,
))]
async fn take_over(
    State(app): State<App>,
    At(path): At<DiskPath>,
    Input(take_over): Input<TakeOver>,
) -> Answer<StatusCode> {
    carry::confirmed(&take_over.confirm, &path.disk.0)?;
    carry::change(&app, |app| async move { app.appliance.take_over(&path.disk.0).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
