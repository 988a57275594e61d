//! `/events`: live events.

use axum::{body::Body, extract::State, http::header, response::IntoResponse};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Answer, Asked, documented::SignedIn};
use crate::{access::Caller, api::Event, app::App};

pub(super) fn closed() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(events))
}

/// What a stream holds.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// 1 for the lines of the log as well.
    #[serde(default)]
    #[param(minimum = 0, maximum = 1)]
    log: u8,
}

/// A stream of server-sent events (HTML standard, 9.2).
///
/// Each has the name of its kind as `event` and an `Event` in JSON as `data`. The first is `state`, and after a gap there is
/// another. The stream ends when the session does; a client comes back then, and learns that it has to sign in.
#[utoipa::path(get, path = "/events", tag = "events", params(EventsQuery), responses(
    (status = 200, body = Event, content_type = "text/event-stream"),
    SignedIn,
))]
async fn events(State(app): State<App>, caller: Caller, Asked(query): Asked<EventsQuery>) -> Answer<impl IntoResponse> {
    let stream = crate::events::subscribe(&app, &caller, query.log == 1)?;
    let headers = [(header::CONTENT_TYPE, "text/event-stream")];
    Ok((headers, Body::from_stream(stream)))
}
