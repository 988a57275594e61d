//! A device under test, and a phone that controls it.

use std::time::Duration;

use nix::sys::signal::Signal;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::{Port, process::Process};

use crate::support::{Home, PATIENCE};

pub(crate) const PASSWORD: &str = "correct horse";

/// A running device with a page, without USB.
pub(crate) struct Device {
    pub(crate) home: Home,
    port: Port,
    daemon: Option<Process>,
}

impl Device {
    /// A device with this configuration beside its page, unclaimed.
    pub(crate) async fn new(config: &str) -> Self {
        // One provider for the whole process; another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let port = Port::reserve().expect("a port");
        let web = format!(
            "[web]\nhttp = [\"127.0.0.1:{}\"]\nhttps = []\nannounce = false\nconsole = \"@HOME@/console\"\n",
            port.number()
        );
        let home = Home::new(&format!("{config}{web}"));
        std::fs::write(home.join("console"), "").expect("a console");
        let mut device = Self {
            home,
            port,
            daemon: None,
        };
        device.start().await;
        device
    }

    /// The same, claimed, and the owner's phone.
    pub(crate) async fn claimed(config: &str) -> (Self, Phone) {
        let device = Self::new(config).await;
        let phone = device.claim().await;
        (device, phone)
    }

    /// Claims it with the code that the command line shows.
    pub(crate) async fn claim(&self) -> Phone {
        let code = self.home.ok(&["claim-code"]);
        let mut phone = self.phone();
        let claim = json!({"code": code.trim(), "password": PASSWORD});
        phone.enter("/claim", claim).await;
        phone
    }

    pub(crate) fn daemon(&self) -> &Process {
        self.daemon.as_ref().expect("it runs")
    }

    pub(crate) async fn start(&mut self) {
        let daemon = self.home.start(&["run"]);
        self.up(daemon).await;
    }

    /// Starts it under another program.
    pub(crate) async fn start_under(&mut self, program: &std::path::Path, arguments: &[String]) {
        let daemon = Process::builder(program)
            .args(arguments)
            .arg(env!("CARGO_BIN_EXE_gadget-manager"))
            .arg("--config")
            .arg(self.home.config())
            .arg("run")
            .spawn()
            .expect("it starts");
        self.up(daemon).await;
    }

    async fn up(&mut self, daemon: Process) {
        let address = ([127, 0, 0, 1], self.port.number()).into();
        if let Err(problem) = daemon.wait_for_port(address, PATIENCE).await {
            panic!("{problem:#}\n{}", daemon.log());
        }
        self.daemon = Some(daemon);
    }

    /// Ends it cleanly.
    pub(crate) async fn stop(&mut self) -> String {
        let daemon = self.daemon.take().expect("it runs");
        let end = daemon.stop(PATIENCE).await.expect("it ends");
        assert!(end.success(), "{}", daemon.log());
        daemon.log()
    }

    /// Waits until it has died by itself.
    pub(crate) async fn has_died(&mut self) {
        let daemon = self.daemon.take().expect("it runs");
        daemon.wait(PATIENCE).await.expect("it dies");
    }

    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// Has `phone` set up a store in a folder of its own: `card`.
    pub(crate) async fn add_card(&self, phone: &Phone) {
        let settings = folder(&self.home.join("images"));
        phone.put("/stores/card", settings).await.ok();
    }

    /// The same, and an image of `size` bytes in it, served as a disk of this name.
    pub(crate) async fn add_card_with(&self, phone: &Phone, name: &str, size: u64, insert: bool) {
        self.add_card(phone).await;
        let image = json!({"name": name, "size": size});
        phone.result(phone.post("/stores/card/images", image).await).await;
        let disk = json!({"name": name, "store": "card", "image": name, "insert": insert});
        phone.post("/disks", disk).await.ok();
    }

    /// Serves a disk at `nbd.sock`, by a hand that edits the configuration.
    pub(crate) fn serve(&self, disk: &str) {
        let mut text = std::fs::read_to_string(self.home.config()).expect("a configuration");
        let socket = self.home.join("nbd.sock");
        text.push_str(&format!(
            "\n# by hand\n[[nbd]]\nlisten = \"unix:{}\"\ndisks = [\"{disk}\"]\n",
            socket.display()
        ));
        std::fs::write(self.home.config(), text).expect("it can be edited");
        self.daemon().signal(Signal::SIGHUP);
    }

    /// Somebody who is not signed in.
    pub(crate) fn phone(&self) -> Phone {
        Phone {
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(PATIENCE)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .expect("a client"),
            base: format!("http://127.0.0.1:{}", self.port.number()),
            cookie: None,
            csrf: None,
        }
    }
}

/// A phone: a browser, as far as the API can tell.
#[derive(Clone)]
pub(crate) struct Phone {
    pub(crate) client: reqwest::Client,
    pub(crate) base: String,
    pub(crate) cookie: Option<String>,
    csrf: Option<String>,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Asserts that it did well, and gives its content.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.json()
    }

    /// Asserts that it is this problem, and gives it.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!(
            (self.status.as_u16(), problem["code"].as_str().unwrap_or_default()),
            (status, code),
            "{self:?}"
        );
        problem
    }
}

impl Phone {
    /// A request as the page would send it.
    pub(crate) fn request(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::RequestBuilder {
        let mut request = self.client.request(method, format!("{}/api/v1{path}", self.base));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        if let Some(csrf) = &self.csrf {
            request = request.header("x-csrf-token", csrf);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        request
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let answer = self.request(method, path, body).send().await.expect("an answer");
        Answer {
            status: answer.status(),
            text: answer.text().await.expect("a body"),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Claims or signs in, and keeps the session.
    pub(crate) async fn enter(&mut self, path: &str, body: Value) {
        let request = self
            .client
            .post(format!("{}/api/v1{path}", self.base))
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let cookie = answer.headers().get("set-cookie").and_then(|value| value.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{status} {text}");
        self.cookie = Some(cookie.expect("a cookie"));
        let session: Value = serde_json::from_str(&text).expect("a session");
        self.csrf = session["csrf_token"].as_str().map(str::to_owned);
    }

    /// The end of the task that an answer began.
    pub(crate) async fn ended(&self, begun: Answer) -> Value {
        assert_eq!(begun.status, 202, "{begun:?}");
        let path = format!("/tasks/{}", begun.json()["task"]);
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let task = self.get(&path).await.ok();
            if task["state"] != "running" {
                return task;
            }
            assert!(std::time::Instant::now() < end, "{task:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The result of the task that an answer began, which must do well.
    pub(crate) async fn result(&self, begun: Answer) -> Value {
        let task = self.ended(begun).await;
        assert_eq!(task["state"], "succeeded", "{task:#}");
        task["result"].clone()
    }

    /// What the task that an answer began failed by.
    pub(crate) async fn problem(&self, begun: Answer) -> Value {
        let task = self.ended(begun).await;
        assert_eq!(task["state"], "failed", "{task:#}");
        task["problem"].clone()
    }

    /// Waits until the state is as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let state = self.get("/state").await.ok();
            if wanted(&state) {
                return state;
            }
            assert!(std::time::Instant::now() < end, "{what}: {state:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Settings of a store in a folder.
pub(crate) fn folder(folder: &std::path::Path) -> Value {
    json!({"type": "file", "way": "folder", "values": {"folder": folder}})
}
