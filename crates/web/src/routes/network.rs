//! `/network`: how the device is connected.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Answer, At, Input, carry,
    documented::{Carried, SignedIn, WithBody},
    names::SsidPath,
};
use crate::{
    api::{Join, Network, TaskKind, TaskResult, TaskStarted},
    app::App,
    tasks::Work,
};

pub(super) fn closed() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(network))
        .routes(routes!(scan_wifi))
        .routes(routes!(join_wifi))
        .routes(routes!(forget_wifi))
}

/// The network as the device sees it.
#[utoipa::path(get, path = "/network", tag = "network", responses((status = 200, body = Network), SignedIn))]
async fn network(State(app): State<App>) -> Json<Network> {
    Json(app.live().network.clone())
}

/// Looks for Wi-Fi networks in reach.
#[utoipa::path(post, path = "/network/wifi/scan", tag = "network", responses(
    (status = 202, body = TaskStarted, description = "The result is `wifi`."),
    SignedIn,
))]
async fn scan_wifi(State(app): State<App>) -> Answer<(StatusCode, Json<TaskStarted>)> {
    let appliance = app.appliance.clone();
    let started = app.tasks.start(Work::new(TaskKind::ScanWifi), |report| async move {
        let networks = appliance.scan(&*report).await?;
        Ok(TaskResult::Wifi { networks })
    })?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Joins a Wi-Fi network and remembers it if that works.
#[utoipa::path(post, path = "/network/wifi/join", tag = "network", request_body = Join, responses(
    (status = 202, body = TaskStarted, description = "The result is `done`."),
    SignedIn, WithBody,
))]
async fn join_wifi(State(app): State<App>, Input(join): Input<Join>) -> Answer<(StatusCode, Json<TaskStarted>)> {
    let work = Work::new(TaskKind::JoinWifi).about(Some(&join.ssid));
    let appliance = app.appliance.clone();
    let started = app.tasks.start(work, |report| async move {
        appliance.join(join, &*report).await?;
        Ok(TaskResult::Done)
    })?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Forgets a remembered network.
#[utoipa::path(delete, path = "/network/wifi/{ssid}", tag = "network", params(SsidPath), responses(
    (status = 204, description = "Forgotten."),
    SignedIn, Carried,
))]
async fn forget_wifi(State(app): State<App>, At(path): At<SsidPath>) -> Answer<StatusCode> {
    carry::change(&app, |app| async move { app.appliance.forget(&path.ssid.0).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
