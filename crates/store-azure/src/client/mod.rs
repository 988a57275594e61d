//! One client: a connection pool, signatures, limits, retries, and errors in words.

mod answer;
mod limiter;
mod monitor;
mod pace;
mod progress;
mod request;
mod retry;
mod transport;
pub(crate) mod xml;

use std::{sync::Arc, time::Duration};

use block::Payload;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, trace};

pub use answer::clock_skew;
pub(crate) use limiter::Slot;
pub(crate) use monitor::Monitor;
pub(crate) use request::Request;
pub use retry::parse_retry_after;
pub(crate) use retry::{Failure, Retry};
pub(crate) use transport::describe;
pub use transport::{http_client, tls_config};

use crate::{
    credential::Credential,
    endpoint::Endpoint,
    error::{AzureError, Result},
    service::MAX_PUT,
};
use limiter::Limiter;
use pace::Pace;
use progress::Progress;

/// The version of the REST interface that is spoken; page ranges are paged since 2020-10-02.
pub const API_VERSION: &str = "2021-12-02";

/// RFC 1123 dates, as `x-ms-date` wants them.
const HTTP_DATE: &[BorrowedFormatItem<'static>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// How a client behaves.
#[derive(Debug, Clone, Copy)]
pub struct ClientOptions {
    /// Requests in flight at once, at most.
    pub concurrency: usize,
    /// A request, with all its retries, takes no longer.
    pub deadline: Duration,
    /// An attempt is given up when no byte of it moved for so long.
    pub silence: Duration,
}

impl ClientOptions {
    /// Bodies are to be answered long before their silence could be taken for that of a dead line.
    fn pace(&self) -> Arc<Pace> {
        Pace::new(self.concurrency.saturating_mul(MAX_PUT as usize), self.silence / 3)
    }
}

/// What the service said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: http::StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Payload,
}

impl Answer {
    /// A header as text; absent or unreadable is `None`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A header as a number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }
}

/// A client of one account for one disk or for management. Cheap to clone; clones share pool and limits.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    endpoint: Arc<Endpoint>,
    credential: Credential,
    options: ClientOptions,
    limiter: Arc<Limiter>,
    pace: Arc<Pace>,
    monitor: Option<Arc<Monitor>>,
}

impl Client {
    /// A client on top of a connection pool.
    #[must_use]
    pub fn new(http: reqwest::Client, endpoint: Endpoint, credential: Credential, options: ClientOptions) -> Self {
        Self {
            http,
            endpoint: Arc::new(endpoint),
            credential,
            limiter: Limiter::new(options.concurrency),
            pace: options.pace(),
            options,
            monitor: None,
        }
    }

    /// A client with limits of its own on the same pool, which reports to `monitor`.
    pub(crate) fn for_disk(&self, monitor: Arc<Monitor>) -> Self {
        Self {
            limiter: Limiter::new(self.options.concurrency),
            pace: self.options.pace(),
            monitor: Some(monitor),
            ..self.clone()
        }
    }

    /// The account's address.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What requests are authorised with.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// When a request that starts now must be done.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.options.deadline
    }

    /// Sends a request that may be repeated without harm, until it succeeds or the deadline passes.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer> {
        self.send_by(request, self.deadline()).await
    }

    /// As [`send`](Self::send), with a deadline given.
    pub(crate) async fn send_by(&self, request: &Request, deadline: Instant) -> Result<Answer> {
        self.send_in_doubt(request, deadline).await.0
    }

    /// As [`send_by`](Self::send_by), and whether the fate of any attempt but the one that was answered is unknown.
    pub(crate) async fn send_in_doubt(&self, request: &Request, deadline: Instant) -> (Result<Answer>, bool) {
        let mut retry = Retry::new(deadline);
        let mut doubtful = false;
        loop {
            let failure = match self.slot(deadline).await {
                Ok(slot) => match self.attempt(slot, request, deadline).await {
                    Ok(answer) => return (Ok(answer), doubtful),
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            doubtful |= failure.unknown;
            if let Err(error) = retry.after(failure).await {
                return (Err(error), doubtful);
            }
        }
    }

    /// Waits for a place among the requests in flight.
    pub(crate) async fn slot(&self, deadline: Instant) -> Result<Slot, Failure> {
        self.limiter.acquire(deadline, self.endpoint.as_str()).await
    }

    /// As [`slot`](Self::slot), for a request with a body of so many bytes: waits for room on the line as well.
    pub(crate) async fn slot_for(&self, bytes: usize, deadline: Instant) -> Result<Slot, Failure> {
        let room = self.pace.room(bytes, deadline, self.endpoint.as_str()).await?;
        let mut slot = self.slot(deadline).await?;
        slot.room = room;
        Ok(slot)
    }

    /// Longest body that is worth sending over this line, a power of two of bytes.
    pub(crate) fn piece(&self) -> u32 {
        self.pace.piece()
    }

    /// Sends a request once. The place is given back when the answer is complete.
    pub(crate) async fn attempt(&self, slot: Slot, request: &Request, deadline: Instant) -> Result<Answer, Failure> {
        let start = Instant::now();
        let result = self.attempt_unlimited(request, deadline).await;
        if let Some(room) = &slot.room {
            match &result {
                Ok(_) => room.answered(start.elapsed()),
                Err(failure) if failure.silent => room.stuck(),
                Err(_) => {}
            }
        }
        match &result {
            Ok(_) => self.limiter.succeeded(),
            Err(failure) if failure.throttled => self.limiter.throttled(failure.retry_after),
            Err(_) => {}
        }
        drop(slot);
        result
    }

    /// As [`attempt`](Self::attempt), in a task of its own: for answers that arrive in many pieces.
    ///
    /// A front end may run all its requests in one task, where each piece would wait for whatever that task does, and
    /// would wake it. The request ends with the future that waits for it.
    pub(crate) async fn attempt_apart(
        &self,
        slot: Slot,
        request: &Request,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let (client, request) = (self.clone(), request.clone());
        let object = request.object.clone();
        let task = tokio::spawn(async move { client.attempt(slot, &request, deadline).await });
        match AbortOnDropHandle::new(task).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Failure::lost(AzureError::unreachable(
                    &*object,
                    "this program is ending",
                ))),
            },
        }
    }

    /// Sends a request once, past all limits: for leases, which must not wait behind data.
    pub(crate) async fn attempt_unlimited(&self, request: &Request, deadline: Instant) -> Result<Answer, Failure> {
        let give_up = deadline.min(Instant::now() + self.options.silence);
        let (url, headers) = match timeout_at(give_up, self.prepare(request)).await {
            Ok(prepared) => prepared.map_err(Failure::unsent)?,
            Err(_) => {
                return Err(Failure::unsent(AzureError::unreachable(
                    &*request.object,
                    "no token in time",
                )));
            }
        };
        let progress = Progress::new();
        let exchange = self.exchange(request, url, headers, &progress);
        let result = match progress.watch(exchange, self.options.silence, deadline).await {
            Some(result) => result,
            // More requests share the line than it can carry in that time; all of them would fail together for ever.
            None => Err(Failure {
                throttled: true,
                ..Failure::lost(AzureError::unreachable(&*request.object, "no answer in time"))
            }),
        };
        match &result {
            Ok(answer) => trace!(object = %request.object, status = answer.status.as_u16(), "answered"),
            Err(failure) => debug!(object = %request.object, error = %failure.error, "request failed"),
        }
        if let Some(monitor) = &self.monitor {
            match &result {
                Err(failure) if failure.silent => monitor.failed(&failure.error),
                _ => monitor.answered(),
            }
        }
        result
    }

    /// The URL and headers of one attempt, signed as of now.
    async fn prepare(&self, request: &Request) -> Result<(url::Url, HeaderMap)> {
        let mut url = request.url.clone();
        let mut headers = request.headers.clone();
        let date = OffsetDateTime::now_utc().format(HTTP_DATE).unwrap_or_default();
        let date = HeaderValue::try_from(date)
            .map_err(|_| AzureError::invalid("clock", "this device's date cannot be written; set its clock"))?;
        headers.insert(HeaderName::from_static("x-ms-date"), date);
        headers.insert(
            HeaderName::from_static("x-ms-version"),
            HeaderValue::from_static(API_VERSION),
        );
        if request.has_body() {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(request.body.len() as u64));
        }
        self.credential
            .authorize(&request.method, &mut url, &mut headers)
            .await?;
        Ok((url, headers))
    }

    /// How far the service's clock is ahead of ours in seconds, by an unsigned request that any service answers.
    pub async fn skew(&self) -> Result<Option<i64>> {
        let object = self.endpoint.as_str();
        let request = self
            .http
            .get(self.endpoint.url(None, None))
            .timeout(self.options.silence);
        let answer = request
            .send()
            .await
            .map_err(|error| AzureError::unreachable(object, describe(&error)))?;
        Ok(clock_skew(answer.headers()))
    }

    async fn exchange(
        &self,
        request: &Request,
        url: url::Url,
        headers: HeaderMap,
        progress: &Progress,
    ) -> Result<Answer, Failure> {
        let mut message = reqwest::Request::new(request.method.clone(), url);
        let authorization = headers.get(header::AUTHORIZATION).cloned();
        *message.headers_mut() = headers;
        if !request.body.is_empty() {
            *message.body_mut() = Some(progress.body(&request.body));
        }
        let object = &*request.object;
        let mut response = self.http.execute(message).await.map_err(|error| {
            let failure = AzureError::unreachable(object, describe(&error));
            if error.is_connect() {
                Failure::unsent_silent(failure)
            } else {
                Failure::lost(failure)
            }
        })?;
        progress.moved();
        let status = response.status();
        if !status.is_success() {
            return Err(self.refusal(request, response, authorization).await);
        }
        let headers = std::mem::take(response.headers_mut());
        let body = self.body(request, &mut response, &headers, progress).await?;
        Ok(Answer { status, headers, body })
    }

    /// The body of a good answer, in the pieces the socket delivered, with its length checked.
    async fn body(
        &self,
        request: &Request,
        response: &mut reqwest::Response,
        headers: &HeaderMap,
        progress: &Progress,
    ) -> Result<Payload, Failure> {
        let object = &*request.object;
        let announced: Option<u64> = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse().ok());
        if request.method == http::Method::HEAD {
            return Ok(Payload::new());
        }
        let too_long = || Failure::lost(AzureError::protocol(object, "longer than anything that was asked for"));
        if announced.is_some_and(|length| length > request.max_answer) {
            return Err(too_long());
        }
        let mut body = Payload::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    progress.moved();
                    body.push(chunk);
                }
                Ok(None) => break,
                Err(error) => {
                    let what = format!("the answer broke off: {}", describe(&error));
                    return Err(Failure::lost(AzureError::unreachable(object, what)));
                }
            }
            if body.len() as u64 > request.max_answer {
                return Err(too_long());
            }
        }
        if announced.is_some_and(|length| length != body.len() as u64) {
            return Err(Failure::lost(AzureError::unreachable(
                object,
                "the answer was cut short",
            )));
        }
        Ok(body)
    }

    /// Puts an error answer into words, and decides whether the same request may be sent again.
    async fn refusal(
        &self,
        request: &Request,
        response: reqwest::Response,
        authorization: Option<HeaderValue>,
    ) -> Failure {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = bounded_body(response, 64 << 10, &request.object)
            .await
            .unwrap_or_default();
        if let (http::StatusCode::UNAUTHORIZED, Credential::Bearer(tokens)) = (status, &self.credential) {
            tokens.refused(authorization.as_ref());
        }
        answer::failure(&request.object, status, &headers, &body.into_bytes(), &self.credential)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({}, {})", self.endpoint.as_str(), self.credential.kind())
    }
}

/// The body of an answer that is small by its nature; more than `limit` bytes are an error.
pub(crate) async fn bounded_body(mut response: reqwest::Response, limit: usize, object: &str) -> Result<Payload> {
    let mut body = Payload::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| AzureError::unreachable(object, describe(&error)))?
    {
        body.push(chunk);
        if body.len() > limit {
            return Err(AzureError::protocol(object, "the answer is too long"));
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::{Secret, credential::SharedKey};

    #[tokio::test]
    async fn silence_halves_what_is_sent_at_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/abc", listener.local_addr().unwrap());
        let endpoint = Endpoint::new(&address.parse().unwrap(), None, false).unwrap();
        let credential = Credential::SharedKey(Arc::new(SharedKey::new("abc", &Secret::new("YQ==")).unwrap()));
        let options = ClientOptions {
            concurrency: 8,
            deadline: Duration::from_secs(15),
            silence: Duration::from_millis(50),
        };
        let http = http_client(None, Duration::from_secs(5), 1).unwrap();
        let client = Client::new(http, endpoint, credential, options);
        let request = Request::new(Method::HEAD, client.endpoint().url(None, None), "abc".into());
        let slot = client.slot(client.deadline()).await.unwrap();
        let failure = client.attempt(slot, &request, client.deadline()).await.unwrap_err();
        assert!(failure.retry && failure.unknown, "{failure:?}");
        assert_eq!(client.limiter.limit(), 4);
    }
}
