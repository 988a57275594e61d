//! `/stores/{store}/images`: images.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Answer, Asked, At, Input, carry,
    documented::{Carried, SignedIn, WithBody},
    names::{ImagePath, StorePath, is_foreign_name},
};
use crate::{
    api::{Confirmation, Image, NewImage, Problem, ProblemCode, Resize, TaskKind, TaskResult, TaskStarted},
    app::App,
    tasks::Work,
};

pub(super) fn closed() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(images, create_image))
        .routes(routes!(image, delete_image))
        .routes(routes!(resize_image))
}

/// All images of a store, sorted by name.
#[utoipa::path(get, path = "/stores/{store}/images", tag = "images", params(StorePath), responses(
    (status = 200, body = Vec<Image>),
    SignedIn, Carried,
))]
async fn images(State(app): State<App>, At(path): At<StorePath>) -> Answer<Json<Vec<Image>>> {
    carry::look(app.appliance.images(&path.store.0)).await.map(Json)
}

/// What is known of one image.
#[utoipa::path(get, path = "/stores/{store}/images/{image}", tag = "images", params(ImagePath), responses(
    (status = 200, body = Image),
    SignedIn, Carried,
))]
async fn image(State(app): State<App>, At(path): At<ImagePath>) -> Answer<Json<Image>> {
    carry::look(app.appliance.image(&path.store.0, &path.image.0))
        .await
        .map(Json)
}

/// Makes an image and formats it.
#[utoipa::path(post, path = "/stores/{store}/images", tag = "images", params(StorePath), request_body = NewImage, responses(
    (status = 202, body = TaskStarted, description = "The result is `image`."),
    SignedIn, WithBody,
))]
async fn create_image(
    State(app): State<App>,
    At(path): At<StorePath>,
    Input(new): Input<NewImage>,
) -> Answer<(StatusCode, Json<TaskStarted>)> {
    if !is_foreign_name(&new.name) {
        return Err(
            Problem::new(ProblemCode::Invalid, "this cannot be the name of an image")
                .at("/name")
                .into(),
        );
    }
    check_size(new.size)?;
    let work = Work::new(TaskKind::CreateImage).about(Some(&new.name));
    let appliance = app.appliance.clone();
    let started = app.tasks.start(work, |report| async move {
        let image = appliance.create_image(&path.store.0, new, &*report).await?;
        Ok(TaskResult::Image(image))
    })?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Changes the size of an image. Shrinking needs `shrink`, and the image's name typed as `confirm`.
#[utoipa::path(put, path = "/stores/{store}/images/{image}/size", tag = "images", params(ImagePath), request_body = Resize, responses(
    (status = 202, body = TaskStarted, description = "The result is `image`."),
    SignedIn, WithBody,
))]
async fn resize_image(
    State(app): State<App>,
    At(path): At<ImagePath>,
    Input(size): Input<Resize>,
) -> Answer<(StatusCode, Json<TaskStarted>)> {
    check_size(size.size)?;
    if size.shrink {
        carry::confirmed(size.confirm.as_deref().unwrap_or_default(), &path.image.0)?;
    }
    let work = Work::new(TaskKind::ResizeImage)
        .about(Some(&path.image.0))
        .uncancellable();
    let appliance = app.appliance.clone();
    let started = app.tasks.start(work, |report| async move {
        let image = appliance
            .resize_image(&path.store.0, &path.image.0, size, &*report)
            .await?;
        Ok(TaskResult::Image(image))
    })?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Deletes an image that no disk is configured for, with its snapshots. The image's name confirms it.
#[utoipa::path(delete, path = "/stores/{store}/images/{image}", tag = "images", params(ImagePath, Confirmation), responses(
    (status = 202, body = TaskStarted, description = "The result is `done`."),
    SignedIn,
))]
async fn delete_image(
    State(app): State<App>,
    At(path): At<ImagePath>,
    Asked(confirmation): Asked<Confirmation>,
) -> Answer<(StatusCode, Json<TaskStarted>)> {
    carry::confirmed(&confirmation.confirm, &path.image.0)?;
    let work = Work::new(TaskKind::DeleteImage)
        .about(Some(&path.image.0))
        .uncancellable();
    let appliance = app.appliance.clone();
    let started = app.tasks.start(work, |report| async move {
        appliance.delete_image(&path.store.0, &path.image.0, &*report).await?;
        Ok(TaskResult::Done)
    })?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}

fn check_size(size: u64) -> Result<(), Problem> {
    if size > 0 && size.is_multiple_of(512) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::Invalid,
        format!("{size} bytes cannot be the size of an image"),
    )
    .remedy("choose a multiple of 512")
    .at("/size"))
}
