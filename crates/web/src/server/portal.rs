//! The way from anywhere to the page, in a network that the device makes itself (a captive portal).
//!
//! There, all names lead to the device. Phones ask for a page of their maker's (`/generate_204`, `/hotspot-detect.html`,
//! `/connecttest.txt`, …) to see whether there is a way out; whatever is not as expected, they show to their owner. So who asks
//! for any other name is sent to the device's address, and gets nothing else: no page, no API, under no name but ours ([`host`](super::host)).

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{Extension, Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    host::{Arrival, is_named, named},
    router::Rules,
};
use crate::{access::Peer, openapi};

/// Sends who asks for something else to the page.
pub(super) async fn lead(
    State(rules): State<Rules>,
    Extension(arrival): Extension<Arrival>,
    peer: Peer,
    request: Request,
    next: Next,
) -> Response {
    let address = rules.portal.as_ref().and_then(|portal| *portal.borrow());
    // The API has no part in this: it answers under our own names only.
    let looks =
        matches!(*request.method(), Method::GET | Method::HEAD) && !request.uri().path().starts_with(openapi::BASE);
    let Some((address, port)) = address.zip(arrival.0).and_then(|(address, at)| here(address, at)) else {
        return next.run(request).await;
    };
    let host = named(request.headers(), request.uri());
    let is_foreign = host.is_some_and(|host| !is_named(&rules, &host, Some(address)));
    if peer.is_local() || peer.has_tls() || !looks || !is_foreign {
        return next.run(request).await;
    }
    let port = if port == 80 { String::new() } else { format!(":{port}") };
    let place = match address {
        IpAddr::V4(v4) => format!("http://{v4}{port}/"),
        IpAddr::V6(v6) => format!("http://[{v6}]{port}/"),
    };
    // It holds only as long as the phone is here.
    let headers = [
        (header::LOCATION, place),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (StatusCode::FOUND, headers).into_response()
}

/// The address and the port, if a connection was made to that address.
fn here(address: IpAddr, arrival: SocketAddr) -> Option<(IpAddr, u16)> {
    (arrival.ip().to_canonical() == address).then_some((address, arrival.port()))
}
