//! A small HTTP client that can also be rude.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use super::contract;

/// How long anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

#[derive(Clone)]
enum Target {
    Tcp(SocketAddr),
    Tls(SocketAddr, Vec<u8>),
    Unix(PathBuf),
}

/// Somebody who asks. Each request has a connection of its own.
#[derive(Clone)]
pub(crate) struct Client {
    target: Target,
    from: Option<IpAddr>,
    pub(crate) host: String,
    pub(crate) cookie: Option<String>,
    pub(crate) csrf: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, self.text())
    }
}

impl Client {
    fn new(target: Target, host: String) -> Self {
        Self {
            target,
            from: None,
            host,
            cookie: None,
            csrf: None,
            headers: Vec::new(),
        }
    }

    pub(crate) fn tcp(address: SocketAddr) -> Self {
        Self::new(Target::Tcp(address), address.to_string())
    }

    pub(crate) fn tls(address: SocketAddr, certificate: Vec<u8>) -> Self {
        Self::new(Target::Tls(address, certificate), address.to_string())
    }

    pub(crate) fn unix(path: PathBuf) -> Self {
        Self::new(Target::Unix(path), "localhost".to_owned())
    }

    /// The same from another address.
    pub(crate) fn from(mut self, address: IpAddr) -> Self {
        self.from = Some(address);
        self
    }

    /// The same with another header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Keeps the session that an answer brings.
    pub(crate) fn remember(&mut self, answer: &Answer) {
        let cookie = answer
            .all("set-cookie")
            .into_iter()
            .find(|cookie| !cookie.contains("Max-Age=0"));
        if let Some(cookie) = cookie {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        if let Some(csrf) = answer.json()["csrf_token"].as_str() {
            self.csrf = Some(csrf.to_owned());
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(body.to_string())).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, Some(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None).await
    }

    /// Asks, below `/api/v1` unless the path begins with two slashes.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<String>) -> Answer {
        let target = target(path);
        let exchange = async {
            let mut wire = self.connect().await;
            let head = self.head(method, &target, body.as_deref(), "connection: close\r\n");
            // The server may have answered and gone before all of it is written.
            let _ = wire.write_all(head.as_bytes()).await;
            let mut bytes = Vec::new();
            let _ = wire.read_to_end(&mut bytes).await;
            Answer::parse(&bytes).unwrap_or_else(|| panic!("{method} {target}: {:?}", String::from_utf8_lossy(&bytes)))
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await;
        let answer = answer.unwrap_or_else(|_| panic!("{method} {target}: no answer"));
        contract::check(method, &target, &answer);
        answer
    }

    /// Begins a stream of events, if that is allowed.
    pub(crate) async fn events(&self, query: &str) -> Result<Stream, Answer> {
        let target = format!("/api/v1/events{query}");
        let mut wire = self.connect().await;
        let head = self.head("GET", &target, None, "");
        let _ = wire.write_all(head.as_bytes()).await;
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(end) = find(&bytes, b"\r\n\r\n") {
                break String::from_utf8_lossy(&bytes[..end]).into_owned();
            }
            let read = tokio::time::timeout(PATIENCE, wire.read_buf(&mut bytes)).await;
            assert!(
                read.expect("no answer").unwrap_or(0) > 0,
                "the connection ended: {bytes:?}"
            );
        };
        if !head.starts_with("HTTP/1.1 200") {
            let length = find_header(&head, "content-length").and_then(|length| length.parse().ok());
            let whole = head.len() + 4 + length.unwrap_or(0);
            while bytes.len() < whole && wire.read_buf(&mut bytes).await.unwrap_or(0) > 0 {}
            let answer = Answer::parse(&bytes).unwrap();
            contract::check("GET", &target, &answer);
            return Err(answer);
        }
        assert_eq!(find_header(&head, "content-type"), Some("text/event-stream"));
        let rest = bytes.split_off(head.len() + 4);
        Ok(Stream {
            wire,
            raw: rest,
            text: Vec::new(),
        })
    }

    /// A connection of its own, to say whatever on.
    pub(crate) async fn connect(&self) -> Box<dyn Wire> {
        match &self.target {
            Target::Tcp(address) => Box::new(self.tcp_stream(*address).await),
            Target::Unix(path) => Box::new(UnixStream::connect(path).await.unwrap()),
            Target::Tls(address, certificate) => {
                let stream = self.tcp_stream(*address).await;
                let mut roots = rustls::RootCertStore::empty();
                roots.add(CertificateDer::from(certificate.clone())).unwrap();
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let config = rustls::ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .unwrap()
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                let name = ServerName::from(address.ip());
                Box::new(
                    TlsConnector::from(Arc::new(config))
                        .connect(name, stream)
                        .await
                        .unwrap(),
                )
            }
        }
    }

    async fn tcp_stream(&self, address: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(from) = self.from {
            socket.bind(SocketAddr::new(from, 0)).unwrap();
        }
        tokio::time::timeout(PATIENCE, socket.connect(address))
            .await
            .expect("nobody accepts")
            .unwrap()
    }

    pub(crate) fn head(&self, method: &str, target: &str, body: Option<&str>, more: &str) -> String {
        let mut text = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n{more}", self.host);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(cookie) = &self.cookie {
            text.push_str(&format!("cookie: {cookie}\r\n"));
        }
        if let Some(csrf) = self.csrf.as_ref().filter(|_| method != "GET") {
            text.push_str(&format!("x-csrf-token: {csrf}\r\n"));
        }
        if let Some(body) = body {
            if !self.headers.iter().any(|(name, _)| name == "content-type") {
                text.push_str("content-type: application/json\r\n");
            }
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body.unwrap_or_default());
        text
    }
}

fn target(path: &str) -> String {
    match path.strip_prefix('/') {
        Some(whole) if whole.starts_with('/') => whole.to_owned(),
        _ => format!("/api/v1{path}"),
    }
}

impl Answer {
    /// Reads an answer that ended with its connection.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = find(bytes, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Self {
            status,
            headers,
            body: bytes[end + 4..].to_vec(),
        };
        if answer.header("transfer-encoding") == Some("chunked") {
            let mut rest = std::mem::take(&mut answer.body);
            unchunk(&mut rest, &mut answer.body);
        }
        Some(answer)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let of = self.headers.iter().filter(|(found, _)| found == name);
        of.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The code of its problem.
    pub(crate) fn code(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// Asserts that it is this problem.
    pub(crate) fn is(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{self:?}");
    }
}

/// A stream of events.
pub(crate) struct Stream {
    wire: Box<dyn Wire>,
    raw: Vec<u8>,
    text: Vec<u8>,
}

impl Stream {
    /// The next event; nothing once the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            unchunk(&mut self.raw, &mut self.text);
            if let Some(end) = find(&self.text, b"\n\n") {
                let frame: Vec<u8> = self.text.drain(..end + 2).collect();
                let frame = String::from_utf8(frame).unwrap();
                let Some(data) = frame.lines().find_map(|line| line.strip_prefix("data: ")) else {
                    continue;
                };
                let event: Value = serde_json::from_str(data).unwrap();
                let name = frame.lines().find_map(|line| line.strip_prefix("event: "));
                assert_eq!(event["event"].as_str(), name);
                contract::check_event(&event);
                return Some(event);
            }
            let read = tokio::time::timeout(PATIENCE, self.wire.read_buf(&mut self.raw)).await;
            if read.expect("no event").unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next event of this kind, whatever comes before it.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await.expect("the stream ended");
            if event["event"] == kind {
                return event["data"].clone();
            }
        }
    }

    /// Waits for the end.
    pub(crate) async fn end(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// Moves the content of whole chunks (RFC 9112, 7.1) over.
fn unchunk(raw: &mut Vec<u8>, text: &mut Vec<u8>) {
    while let Some(line) = find(raw, b"\r\n") {
        let length = std::str::from_utf8(&raw[..line])
            .ok()
            .and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let length = length.expect("a length of a chunk");
        if length == 0 || raw.len() < line + 2 + length + 2 {
            return;
        }
        text.extend_from_slice(&raw[line + 2..line + 2 + length]);
        raw.drain(..line + 2 + length + 2);
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn find_header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n")
        .filter_map(|line| line.split_once(": "))
        .find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
}
