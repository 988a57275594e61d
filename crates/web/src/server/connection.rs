//! One connection.

use std::{convert::Infallible, future::Future, net::SocketAddr, pin::pin};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, Response, header},
    response::IntoResponse as _,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Limits, host::Arrival, timed::Timed};
use crate::{
    access::Peer,
    api::{Problem, ProblemCode},
    routes::{Failure, Patience},
};

/// The longest head of a request, in bytes.
const HEAD: usize = 16 << 10;

/// Answers requests until either end has had enough, or `stop` is cancelled.
pub(super) async fn serve<T>(
    io: T,
    router: Router,
    peer: Peer,
    arrival: Option<SocketAddr>,
    limits: Limits,
    stop: CancellationToken,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(Arrival(arrival));
        request.extensions_mut().insert(Patience(limits.body));
        router.clone().oneshot(request)
    };
    run(io, service, limits, stop).await;
}

/// Says that there are too many.
pub(super) async fn refuse<T>(io: T, limits: Limits, stop: CancellationToken)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = |_: Request<Incoming>| async {
        let problem = Problem::new(ProblemCode::TooMany, "too many are connected")
            .remedy("close other pages of this device, then try again")
            .retry_after(5);
        let mut response = Failure::with_status(hyper::StatusCode::SERVICE_UNAVAILABLE, problem).into_response();
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        Ok(response)
    };
    run(io, service, limits, stop).await;
}

async fn run<T, S, F>(io: T, service: S, limits: Limits, stop: CancellationToken)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    let io = TokioIo::new(Timed::new(io, limits.write));
    let mut builder = http1::Builder::new();
    // Runs while a connection is idle, too.
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD);
    let mut connection = pin!(builder.serve_connection(io, service_fn(service)));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(limits.stop, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
