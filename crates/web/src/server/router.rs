//! What every request passes, from the outside in: a net for panics, headers, the access point, the host, the rate, HTTPS, the door, the
//! operation.

use std::{net::IpAddr, sync::Arc};

use axum::{Router, middleware, response::IntoResponse as _};
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;

use super::{headers, host, portal, rate, redirect};
use crate::{
    access::{self, Clock},
    app::App,
    mdns::Alias,
    openapi, page,
    routes::{self, Failure},
};

/// What is true of all requests.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) app: App,
    /// What else the device is called while somebody else has its name.
    pub(super) alias: Alias,
    pub(super) allowed_hosts: Arc<[String]>,
    /// Our address in a network that we make, while we do.
    pub(super) portal: Option<watch::Receiver<Option<IpAddr>>>,
    pub(super) https_port: Option<u16>,
    pub(super) rates: Arc<rate::Rates>,
    pub(super) clock: Arc<dyn Clock>,
}

/// All of it.
pub(super) fn build(rules: Rules) -> Router {
    let app = rules.app.clone();
    let door = middleware::from_fn_with_state(app.clone(), access::identify);
    let lock = middleware::from_fn_with_state(app.clone(), access::authorise);
    let closed: Router<App> = routes::closed().into();
    let open: Router<App> = routes::open().into();
    let api = open
        .merge(closed.route_layer(lock))
        .merge(openapi::route())
        .method_not_allowed_fallback(routes::no_such_method)
        .fallback(routes::unknown)
        .layer(door);
    Router::new()
        .nest(openapi::BASE, api)
        .fallback(page::serve)
        .with_state(app)
        .layer(middleware::from_fn_with_state(rules.clone(), redirect::to_https))
        .layer(middleware::from_fn_with_state(rules.clone(), rate::limit))
        .layer(middleware::from_fn_with_state(rules.clone(), host::check))
        .layer(middleware::from_fn_with_state(rules.clone(), portal::lead))
        .layer(middleware::from_fn_with_state(rules, headers::secure))
        .layer(CatchPanicLayer::custom(|_| Failure::internal().into_response()))
}
