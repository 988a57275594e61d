//! The operations of the API, one file per topic. Handlers read a request, call the device, and say what came of it.

mod access;
mod answer;
mod carry;
mod configuration;
mod device;
mod disks;
mod documented;
mod events;
mod images;
mod input;
mod names;
mod network;
mod snapshots;
mod stores;
mod tasks;
mod update;
mod usb;

use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use answer::{Answer, Failure};
pub(crate) use input::{Asked, At, Input, Patience};

use crate::{
    api::{Problem, ProblemCode},
    app::App,
};

/// What anybody may call.
pub(crate) fn open() -> OpenApiRouter<App> {
    access::open()
}

/// What needs a session, a token, or the command line's socket.
pub(crate) fn closed() -> OpenApiRouter<App> {
    access::closed()
        .merge(device::closed())
        .merge(configuration::closed())
        .merge(stores::closed())
        .merge(images::closed())
        .merge(snapshots::closed())
        .merge(disks::closed())
        .merge(usb::closed())
        .merge(network::closed())
        .merge(update::closed())
        .merge(tasks::closed())
        .merge(events::closed())
}

/// The answer to paths under `/api` that lead nowhere.
pub(crate) async fn unknown() -> Failure {
    Failure::not_found("the API has no such path")
}

/// The answer to methods that a path does not have.
pub(crate) async fn no_such_method() -> Failure {
    let problem = Problem::new(ProblemCode::Invalid, "this path has no such method");
    Failure::with_status(StatusCode::METHOD_NOT_ALLOWED, problem)
}
