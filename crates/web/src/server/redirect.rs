//! From HTTP to HTTPS.

use axum::{
    extract::{Extension, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{host::Host, router::Rules};
use crate::access::Peer;

/// Sends everything without TLS there once the device has an owner. Before that, there is nothing to protect but the new
/// password, and a phone that has to accept a strange certificate first would not get anywhere.
pub(super) async fn to_https(
    State(rules): State<Rules>,
    peer: Peer,
    host: Option<Extension<Host>>,
    request: Request,
    next: Next,
) -> Response {
    match (rules.https_port, host) {
        (Some(port), Some(Extension(Host(host)))) if !peer.has_tls() && rules.app.access.is_claimed() => {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            let port = if port == 443 { String::new() } else { format!(":{port}") };
            let location = format!("https://{host}{port}{path}");
            (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response()
        }
        _ => next.run(request).await,
    }
}
