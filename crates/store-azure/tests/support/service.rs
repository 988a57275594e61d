//! A small blob service for the answers that Azurite never gives, and for requests that arrive late.
//!
//! It keeps one page blob, its lease and sequence number, by the rules of the real service; a script decides per
//! request whether to answer otherwise.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use super::rules::Blob;

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

    pub fn range(&self) -> (usize, usize) {
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
    /// Carried out, but answered only when [`Service::release_answers`] is called.
    HoldAnswer,
    /// Never answered; carried out when [`Service::release_late`] is called.
    Silent,
    /// Cut now; carried out when [`Service::release_late`] is called.
    Late,
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
    answers: Notify,
}

impl Service {
    /// A service with a blob of `size` bytes.
    pub async fn start(size: usize) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let service = Arc::new(Self {
            port: listener.local_addr().expect("an address").port(),
            blob: Mutex::new(Blob::new(size)),
            log: Mutex::new(Vec::new()),
            script: Mutex::new(Box::new(|_| Fate::Normal)),
            late: Mutex::new(Vec::new()),
            late_answers: Mutex::new(Vec::new()),
            seen: Notify::new(),
            answers: Notify::new(),
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

    /// Answers that are held back go out now.
    pub fn release_answers(&self) {
        self.answers.notify_waiters();
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
                Fate::HoldAnswer => {
                    let released = self.answers.notified();
                    let answer = self.carry_out(&request);
                    self.seen.notify_waiters();
                    released.await;
                    answer
                }
                Fate::Silent => {
                    self.late.lock().unwrap().push(request);
                    self.seen.notify_waiters();
                    // Until the other side gives the connection up.
                    let _ = stream.read_u8().await;
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

    fn carry_out(&self, request: &Request) -> Answer {
        self.blob.lock().unwrap().carry_out(request)
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
