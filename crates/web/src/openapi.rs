//! The description of the API, made from its code.

use std::sync::LazyLock;

use axum::{Router, http::header, response::IntoResponse, routing::get};
use utoipa::{
    OpenApi,
    openapi::{
        OpenApi as Document, SecurityRequirement,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use crate::{api, app::App, routes};

/// Where all of the API is.
pub(crate) const BASE: &str = "/api/v1";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cloud Stick",
        description = "What the page and the command line ask of the device.\n\nRequests of a session other than GET carry its CSRF token as `x-csrf-token`; those of a script carry a token as `authorization: Bearer …`. Whatever goes wrong is a `Problem` (RFC 9457)."
    ),
    components(schemas(api::Problem, api::Event)),
    tags(
        (name = "access", description = "Who may do what"),
        (name = "device", description = "The device itself"),
        (name = "configuration", description = "Versions and back-ups"),
        (name = "stores", description = "Where the blocks live"),
        (name = "images", description = "Images and their snapshots"),
        (name = "disks", description = "Images that are served"),
        (name = "usb", description = "The stick as the host sees it"),
        (name = "network", description = "How the device is connected"),
        (name = "update", description = "Updates of the whole system"),
        (name = "tasks", description = "What takes longer than a blink"),
        (name = "events", description = "What changes"),
    )
)]
struct Outline;

/// The description of the API (OpenAPI 3.1).
#[must_use]
pub fn document() -> Document {
    let routes = routes::open().merge(routes::closed());
    describe(&mut OpenApiRouter::<App>::with_openapi(Outline::openapi()).nest(BASE, routes))
}

fn describe(router: &mut OpenApiRouter<App>) -> Document {
    let mut document = router.to_openapi();
    let components = document.components.get_or_insert_default();
    let cookie = ApiKeyValue::with_description("session", "`__Host-session` with TLS");
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("token", SecurityScheme::Http(token));
    document.security = Some(vec![
        SecurityRequirement::new("session", Vec::<String>::new()),
        SecurityRequirement::new("token", Vec::<String>::new()),
    ]);
    document
}

/// The description as JSON, indented, with an end of line: what is kept in `openapi.json`.
#[must_use]
pub fn json() -> String {
    // Maps with text keys always can be JSON.
    let mut text = document().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Where the description is served: `/api/v1/openapi.json`. It is the one path that is not in it.
pub(crate) fn route() -> Router<App> {
    // Made once: it takes a while, and never changes.
    static JSON: LazyLock<String> = LazyLock::new(json);
    async fn serve() -> impl IntoResponse {
        ([(header::CONTENT_TYPE, "application/json")], JSON.as_str())
    }
    Router::new().route("/openapi.json", get(serve))
}
