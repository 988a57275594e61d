//! `/tasks`: whatever takes longer than a blink.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Answer, At, Failure,
    documented::{Carried, SignedIn},
    names::TaskPath,
};
use crate::{api::Task, app::App};

pub(super) fn closed() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(tasks))
        .routes(routes!(task, dismiss_task))
        .routes(routes!(cancel_task))
}

/// Running and ended tasks, the youngest first.
#[utoipa::path(get, path = "/tasks", tag = "tasks", responses((status = 200, body = Vec<Task>), SignedIn))]
async fn tasks(State(app): State<App>) -> Json<Vec<Task>> {
    Json(app.tasks.list())
}

/// One task.
#[utoipa::path(get, path = "/tasks/{task}", tag = "tasks", params(TaskPath), responses(
    (status = 200, body = Task),
    SignedIn, Carried,
))]
async fn task(State(app): State<App>, At(path): At<TaskPath>) -> Answer<Json<Task>> {
    match app.tasks.get(path.task) {
        Some(task) => Ok(Json(task)),
        None => Err(Failure::not_found(format!("there is no task {}", path.task))),
    }
}

/// Cancels a running task that can be cancelled. It has ended when its state says so.
#[utoipa::path(post, path = "/tasks/{task}/cancel", tag = "tasks", params(TaskPath), responses(
    (status = 202, description = "It was told."),
    SignedIn, Carried,
))]
async fn cancel_task(State(app): State<App>, At(path): At<TaskPath>) -> Answer<StatusCode> {
    app.tasks.cancel(path.task)?;
    Ok(StatusCode::ACCEPTED)
}

/// Dismisses an ended task.
#[utoipa::path(delete, path = "/tasks/{task}", tag = "tasks", params(TaskPath), responses(
    (status = 204, description = "Forgotten."),
    SignedIn, Carried,
))]
async fn dismiss_task(State(app): State<App>, At(path): At<TaskPath>) -> Answer<StatusCode> {
    app.tasks.dismiss(path.task)?;
    Ok(StatusCode::NO_CONTENT)
}
