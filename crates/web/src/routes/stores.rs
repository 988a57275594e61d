//! `/store-types`, `/store-probes`, `/store-places`, `/stores`: where the blocks live.

use axum::{Json, extract::State, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Answer, Asked, At, Failure, Input, carry,
    documented::{Carried, SignedIn, WithBody},
    input::SETTINGS,
    names::{StorePath, is_foreign_name},
};
use crate::{
    api::{
        Applied, Confirmation, NewPlace, Place, ProbeRequest, Problem, ProblemCode, Store, StoreSettings, StoreType,
        TaskKind, TaskResult, TaskStarted,
    },
    app::App,
    tasks::Work,
};

pub(super) fn closed() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(store_types))
        .routes(routes!(probe_store))
        .routes(routes!(make_place))
        .routes(routes!(stores))
        .routes(routes!(store, set_store, forget_store))
}

/// The kinds of stores that there are, with the forms to fill in.
#[utoipa::path(get, path = "/store-types", tag = "stores", responses((status = 200, body = Vec<StoreType>), SignedIn))]
async fn store_types(State(app): State<App>) -> Json<Vec<StoreType>> {
    Json(app.appliance.types())
}

/// Tests settings without keeping them, and lists what is there. The findings are the task's result.
#[utoipa::path(post, path = "/store-probes", tag = "stores", request_body = ProbeRequest, responses(
    (status = 202, body = TaskStarted, description = "The result is `probe`."),
    SignedIn, WithBody,
))]
async fn probe_store(
    State(app): State<App>,
    Input(request): Input<ProbeRequest, SETTINGS>,
) -> Answer<(StatusCode, Json<TaskStarted>)> {
    let work = Work::new(TaskKind::ProbeStore).about(request.store.as_deref());
    let appliance = app.appliance.clone();
    let started = app.tasks.start(work, |report| async move {
        let probe = appliance.probe(request, &*report).await?;
        Ok(TaskResult::Probe(probe))
    })?;
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Makes a container, pool or folder, before its store is configured.
#[utoipa::path(post, path = "/store-places", tag = "stores", request_body = NewPlace, responses(
    (status = 201, body = Place),
    SignedIn, WithBody, Carried,
))]
async fn make_place(
    State(app): State<App>,
    Input(place): Input<NewPlace, SETTINGS>,
) -> Answer<(StatusCode, Json<Place>)> {
    if !is_foreign_name(&place.name) && !place.name.starts_with('/') {
        return Err(Problem::new(ProblemCode::Invalid, "this cannot be a name")
            .at("/name")
            .into());
    }
    let made = carry::change(&app, |app| async move { app.appliance.make_place(place).await }).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// The configured stores, without their secrets.
#[utoipa::path(get, path = "/stores", tag = "stores", responses((status = 200, body = Vec<Store>), SignedIn))]
async fn stores(State(app): State<App>) -> Json<Vec<Store>> {
    Json(app.live().stores.clone())
}

/// One configured store, without its secrets.
#[utoipa::path(get, path = "/stores/{store}", tag = "stores", params(StorePath), responses(
    (status = 200, body = Store),
    SignedIn, Carried,
))]
async fn store(State(app): State<App>, At(path): At<StorePath>) -> Answer<Json<Store>> {
    let live = app.live();
    let found = live.stores.iter().find(|store| store.name == path.store.0);
    match found {
        Some(store) => Ok(Json(store.clone())),
        None => Err(Failure::not_found(format!("there is no store \"{}\"", path.store.0))),
    }
}

/// Keeps the settings of a store, new or not, and puts them in force. Secret fields that are left out keep their secrets,
/// unless the way changed.
#[utoipa::path(put, path = "/stores/{store}", tag = "stores", params(StorePath), request_body = StoreSettings, responses(
    (status = 200, body = Applied),
    SignedIn, WithBody, Carried,
))]
async fn set_store(
    State(app): State<App>,
    At(path): At<StorePath>,
    Input(settings): Input<StoreSettings, SETTINGS>,
) -> Answer<Json<Applied>> {
    carry::change(&app, |app| async move {
        app.appliance.set_store(&path.store.0, settings).await
    })
    .await
    .map(Json)
}

/// Forgets a store that no disk lives in, with its secrets. What is in it stays. The store's name confirms it.
#[utoipa::path(delete, path = "/stores/{store}", tag = "stores", params(StorePath, Confirmation), responses(
    (status = 200, body = Applied),
    SignedIn, Carried,
))]
async fn forget_store(
    State(app): State<App>,
    At(path): At<StorePath>,
    Asked(confirmation): Asked<Confirmation>,
) -> Answer<Json<Applied>> {
    carry::confirmed(&confirmation.confirm, &path.store.0)?;
    carry::change(
        &app,
        |app| async move { app.appliance.forget_store(&path.store.0).await },
    )
    .await
    .map(Json)
}
