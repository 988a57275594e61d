//! A small blob service for the answers that Azurite never gives, and for requests that arrive late.
//!
//! It keeps one page blob, its lease and sequence number, by the rules of the real service; a script decides per
//! request whether to answer otherwise.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// A Put Page with data.
    pub fn is_write(&self) -> bool {
        self.target.contains("comp=page") && self.header("x-ms-page-write") == "update"
    }

    /// A read of pages.
    pub fn is_read(&self) -> bool {
        self.method == "GET" && !self.target.contains("comp=")
    }

    pub fn is_renewal(&self) -> bool {
        self.header("x-ms-lease-action") == "renew"
    }

    fn range(&self) -> (usize, usize) {
        let (start, last) = self
            .header("x-ms-range")
            .trim_start_matches("bytes=")
            .split_once('-')
            .unwrap_or(("0", "0"));
        (start.parse().unwrap_or(0), last.parse::<usize>().unwrap_or(0) + 1)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Close the connection after this many bytes of the body.
    pub cut: Option<usize>,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            cut: None,
        }
    }

    pub fn error(status: u16, code: &str) -> Self {
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
        Self {
            body: body.into_bytes(),
            ..Self::new(status).with("x-ms-error-code", code)
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What to do with a request.
pub enum Fate {
    /// As the service would.
    Normal,
    /// As the service would, with the answer changed.
    Change(Box<dyn FnOnce(Answer) -> Answer + Send>),
    /// Not carried out; this is the answer.
    Instead(Answer),
    /// Carried out, but the connection is cut before the answer.
    LoseAnswer,
    /// Cut now; carried out when [`Service::release_late`] is called.
    Late,
}

/// The blob.
pub struct Blob {
    pub data: Vec<u8>,
    pub number: u64,
    pub lease: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub etag: u64,
}

type Script = Box<dyn FnMut(&Request) -> Fate + Send>;

/// A running service.
pub struct Service {
    pub port: u16,
    pub blob: Mutex<Blob>,
    pub log: Mutex<Vec<Request>>,
    script: Mutex<Script>,
    late: Mutex<Vec<Request>>,
    /// The answers that late requests got.
    pub late_answers: Mutex<Vec<Answer>>,
    pub seen: Notify,
}

impl Service {
    /// A service with a blob of `size` bytes.
    pub async fn start(size: usize) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let service = Arc::new(Self {
            port: listener.local_addr().expect("an address").port(),
            blob: Mutex::new(Blob {
                data: vec![0; size],
                number: 0,
                lease: None,
                metadata: BTreeMap::new(),
                etag: 1,
            }),
            log: Mutex::new(Vec::new()),
            script: Mutex::new(Box::new(|_| Fate::Normal)),
            late: Mutex::new(Vec::new()),
            late_answers: Mutex::new(Vec::new()),
            seen: Notify::new(),
        });
        let accepting = Arc::downgrade(&service);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Some(service) = accepting.upgrade() else { break };
                tokio::spawn(async move { service.serve(stream).await });
            }
        });
        service
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/devstoreaccount1", self.port)
    }

    /// What happens to the requests from now on.
    pub fn script(&self, script: impl FnMut(&Request) -> Fate + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    pub fn count(&self, wanted: impl Fn(&Request) -> bool) -> usize {
        self.log
            .lock()
            .unwrap()
            .iter()
            .filter(|request| wanted(request))
            .count()
    }

    /// Carries the late requests out now.
    pub fn release_late(&self) {
        for request in std::mem::take(&mut *self.late.lock().unwrap()) {
            let answer = self.carry_out(&request);
            self.late_answers.lock().unwrap().push(answer);
        }
    }

    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(request) = receive(&mut stream).await {
            self.log.lock().unwrap().push(request.clone());
            let fate = (self.script.lock().unwrap())(&request);
            let answer = match fate {
                Fate::Normal => self.carry_out(&request),
                Fate::Change(change) => change(self.carry_out(&request)),
                Fate::Instead(answer) => answer,
                Fate::LoseAnswer => {
                    self.carry_out(&request);
                    self.seen.notify_waiters();
                    return;
                }
                Fate::Late => {
                    self.late.lock().unwrap().push(request);
                    self.seen.notify_waiters();
                    return;
                }
            };
            self.seen.notify_waiters();
            if !send(&mut stream, &request, answer).await {
                return;
            }
        }
    }

    /// The rules of the real service, as far as a disk needs them.
    fn carry_out(&self, request: &Request) -> Answer {
        let mut blob = self.blob.lock().unwrap();
        let lease = request.header("x-ms-lease-id").to_owned();
        if let Some(action) = request.headers.get("x-ms-lease-action") {
            return lease_action(&mut blob, action, request);
        }
        if request.method == "PUT" {
            match &blob.lease {
                Some(held) if lease.is_empty() => {
                    let _ = held;
                    return Answer::error(412, "LeaseIdMissing");
                }
                Some(held) if *held != lease => return Answer::error(412, "LeaseIdMismatchWithBlobOperation"),
                None if !lease.is_empty() => return Answer::error(412, "LeaseNotPresentWithBlobOperation"),
                _ => {}
            }
            let wanted = request.header("if-match");
            if !wanted.is_empty() && wanted != format!("\"{}\"", blob.etag) {
                return Answer::error(412, "ConditionNotMet");
            }
            if let Some(wanted) = request.headers.get("x-ms-if-sequence-number-eq")
                && *wanted != blob.number.to_string()
            {
                return Answer::error(412, "SequenceNumberConditionNotMet");
            }
        }
        match (request.method.as_str(), request.target.as_str()) {
            ("HEAD", _) => {
                let mut answer = Answer::new(200)
                    .with("content-length", &blob.data.len().to_string())
                    .with("x-ms-blob-type", "PageBlob")
                    .with(
                        "x-ms-lease-state",
                        if blob.lease.is_some() { "leased" } else { "available" },
                    )
                    .with("etag", &format!("\"{}\"", blob.etag))
                    .with("x-ms-blob-sequence-number", &blob.number.to_string());
                for (key, value) in &blob.metadata {
                    answer = answer.with(&format!("x-ms-meta-{key}"), value);
                }
                answer
            }
            ("PUT", target) if target.contains("comp=metadata") => {
                blob.metadata = request
                    .headers
                    .iter()
                    .filter_map(|(name, value)| Some((name.strip_prefix("x-ms-meta-")?.to_owned(), value.clone())))
                    .collect();
                blob.etag += 1;
                Answer::new(200)
            }
            ("PUT", target) if target.contains("comp=properties") => {
                if request.header("x-ms-sequence-number-action") == "max" {
                    blob.number = blob
                        .number
                        .max(request.header("x-ms-blob-sequence-number").parse().unwrap());
                } else {
                    let length = request.header("x-ms-blob-content-length").parse().unwrap();
                    blob.data.resize(length, 0);
                }
                blob.etag += 1;
                Answer::new(200).with("x-ms-blob-sequence-number", &blob.number.to_string())
            }
            ("PUT", target) if target.contains("comp=page") => {
                let (start, end) = request.range();
                if request.header("x-ms-page-write") == "clear" {
                    blob.data[start..end].fill(0);
                } else {
                    let expected = request.header("content-md5");
                    if !expected.is_empty() && expected != STANDARD.encode(Md5::digest(&request.body)) {
                        return Answer::error(400, "Md5Mismatch");
                    }
                    blob.data[start..end].copy_from_slice(&request.body);
                }
                blob.etag += 1;
                Answer::new(201)
            }
            ("GET", target) if target.contains("comp=pagelist") => {
                let body = format!(
                    "<PageList><PageRange><Start>0</Start><End>{}</End></PageRange></PageList>",
                    blob.data.len() - 1
                );
                Answer {
                    body: body.into_bytes(),
                    ..Answer::new(200)
                }
            }
            ("GET", _) => {
                let (start, end) = request.range();
                let body = blob.data[start..end].to_vec();
                let mut answer = Answer::new(206).with(
                    "content-range",
                    &format!("bytes {start}-{}/{}", end - 1, blob.data.len()),
                );
                if request.header("x-ms-range-get-content-md5") == "true" {
                    answer = answer.with("content-md5", &STANDARD.encode(Md5::digest(&body)));
                }
                Answer { body, ..answer }
            }
            _ => Answer::error(400, "UnsupportedHttpVerb"),
        }
    }
}

fn lease_action(blob: &mut Blob, action: &str, request: &Request) -> Answer {
    let id = request.header("x-ms-lease-id").to_owned();
    match (action, &blob.lease) {
        ("acquire", held) => {
            let proposed = request.header("x-ms-proposed-lease-id").to_owned();
            if held.as_ref().is_some_and(|held| *held != proposed) {
                return Answer::error(409, "LeaseAlreadyPresent");
            }
            blob.lease = Some(proposed);
            Answer::new(201)
        }
        ("renew", Some(held)) if *held == id => Answer::new(200),
        ("renew", _) => Answer::error(409, "LeaseIdMismatchWithLeaseOperation"),
        ("release", Some(held)) if *held == id => {
            blob.lease = None;
            Answer::new(200)
        }
        ("break", _) => {
            blob.lease = None;
            Answer::new(202)
        }
        _ => Answer::error(409, "LeaseIdMismatchWithLeaseOperation"),
    }
}

async fn receive(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if stream.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|value| value.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    if headers.contains_key("transfer-encoding") {
        panic!("a body without a length: {method} {target}");
    }
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        method,
        target,
        headers,
        body,
    })
}

async fn send(stream: &mut BufReader<TcpStream>, request: &Request, answer: Answer) -> bool {
    let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
    if !answer.headers.iter().any(|(name, _)| name == "date") {
        head += &format!("date: {}\r\n", httpdate::fmt_http_date(SystemTime::now()));
    }
    if !answer.headers.iter().any(|(name, _)| name == "content-length") {
        head += &format!("content-length: {}\r\n", answer.body.len());
    }
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    let mut bytes = head.into_bytes();
    if request.method != "HEAD" {
        bytes.extend_from_slice(&answer.body[..answer.cut.unwrap_or(answer.body.len())]);
    }
    stream.get_mut().write_all(&bytes).await.is_ok() && answer.cut.is_none()
}

/// Waits until `condition` holds; fails loudly if it never does.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(120);
    while !condition() {
        assert!(tokio::time::Instant::now() < patience, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
