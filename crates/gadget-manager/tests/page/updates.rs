//! Updates, on a machine whose slots are files: by the page and by the command line, refused in words and installed. What is refused, and
//! why, has its tests in `crates/update`; what a board does with it, in `ci/image`.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::phone::{Answer, Device, PASSWORD, Phone};

/// A device that runs version 0.2.0 from slot A, and its owner's phone.
struct Board {
    device: Device,
    phone: Phone,
}

impl Board {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With this configuration beside its page.
    async fn with(config: &str) -> Self {
        let device = Device::new(config).await;
        let phone = device.claim().await;
        phone
            .post("/update/fetch", json!({"url": "https://example.org/x"}))
            .await
            .is(422, "unsupported");
        assert!(phone.get("/device").await.ok()["updates"].is_null());
        let folder = device.home.join("system");
        for name in ["keys", "kept"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        fs::write(folder.join("card"), vec![0; 1 << 20]).unwrap();
        fs::write(folder.join("slot-a"), vec![b'a'; 1 << 20]).unwrap();
        fs::write(folder.join("slot-b"), vec![b'b'; 1 << 20]).unwrap();
        fs::write(folder.join("board"), "orangepi-pc\n").unwrap();
        let restart = folder.join("restart");
        fs::write(
            &restart,
            format!("#!/bin/sh\necho yes >'{}'\n", folder.join("restarted").display()),
        )
        .unwrap();
        fs::set_permissions(&restart, PermissionsExt::from_mode(0o755)).unwrap();
        let key = folder.join("own.key");
        ok(Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048"));
        ok(build_update()
            .arg("--key")
            .arg(&key)
            .arg("--public-key")
            .arg(folder.join("keys/development.pem")));
        let mut board = Self { device, phone };
        board.runs('a', "0.2.0");
        board.device.stop().await;
        let words = [board.variable()];
        board.device.start_under(Path::new("/usr/bin/env"), &words).await;
        board
    }

    fn path(&self, name: &str) -> PathBuf {
        self.device.home.join("system").join(name)
    }

    fn variable(&self) -> String {
        format!("CLOUD_STICK_UPDATE={}", self.device.home.join("system").display())
    }

    fn runs(&self, slot: char, version: &str) {
        fs::write(self.path("running"), format!("{slot}\n")).unwrap();
        fs::write(
            self.path("release"),
            format!("version={version}\nchannel=development\n"),
        )
        .unwrap();
    }

    fn bundle(&self, version: &str) -> PathBuf {
        fs::write(self.path("image"), vec![b'n'; 300_000]).unwrap();
        let out = self.path("bundle.swu");
        let mut command = build_update();
        command
            .args(["--version", version, "--channel", "development", "--slot"])
            .arg(self.path("image"));
        ok(command.arg("--key").arg(self.path("own.key")).arg("--out").arg(&out));
        out
    }

    /// `gadget-manager update WORDS`.
    fn command(&self, words: &[&str]) -> Output {
        let (name, value) = self
            .variable()
            .split_once('=')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gadget-manager"));
        command
            .arg("--config")
            .arg(self.device.home.config())
            .arg("update")
            .args(words);
        command.env(name, value).output().unwrap()
    }

    async fn upload(&self, file: &Path) -> Value {
        let request = self.phone.request(Method::POST, "/update/install", None);
        let request = request
            .header("content-type", "application/octet-stream")
            .body(fs::read(file).unwrap());
        let answer = request.send().await.unwrap();
        let answer = Answer {
            status: answer.status(),
            text: answer.text().await.unwrap(),
        };
        self.phone.ended(answer).await
    }

    /// Waits until the page sees this of its system: what it sees may be five seconds old.
    async fn until(&self, what: &str, seen: impl Fn(&Value) -> bool) {
        let end = std::time::Instant::now() + crate::support::PATIENCE;
        loop {
            let updates = self.phone.get("/device").await.ok()["updates"].clone();
            if seen(&updates) {
                return;
            }
            assert!(std::time::Instant::now() < end, "{what}: {updates}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}

fn build_update() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/build-update"))
}

fn ok(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_goes_from_the_page_to_its_confirmation() {
    // A radio that is not there.
    let mut board = Board::with("[wifi]\ninterface = \"none\"\naccess_point = false\n").await;
    let updates = board.phone.get("/device").await.ok()["updates"].clone();
    assert_eq!(
        updates,
        json!({"version": "0.2.0", "channel": "development", "slot": "a", "accepts": ["development"]})
    );
    board.phone.post("/update/restart", json!({})).await.is(409, "conflict");
    let fetch = board
        .phone
        .post("/update/fetch", json!({"url": "http://example.org/x"}))
        .await;
    let plain = board.phone.ended(fetch).await;
    assert_eq!(plain["problem"]["field"], "/url", "{plain}");

    let older = board.upload(&board.bundle("0.1.0")).await;
    assert_eq!(
        (&older["state"], &older["problem"]["code"]),
        (&json!("failed"), &json!("older_version")),
        "{older}"
    );
    let installed = board.upload(&board.bundle("0.3.0")).await;
    assert_eq!(
        (&installed["state"], &installed["kind"]),
        (&json!("succeeded"), &json!("install_update")),
        "{installed}"
    );
    board
        .until("it is ready", |updates| updates["last"]["phase"] == "ready")
        .await;
    assert!(
        fs::read(board.path("slot-b")).unwrap()[..300_000]
            .iter()
            .all(|&byte| byte == b'n')
    );
    board.phone.post("/update/restart", json!({})).await.ok();
    assert_eq!(fs::read_to_string(board.path("restarted")).unwrap(), "yes\n");

    // As after the restart.
    board.runs('b', "0.3.0");
    board.until("it runs", |updates| updates["slot"] == "b").await;
    assert!(said(&board.command(&["status"])).contains("version 0.3.0, channel development, slot b"));
    let renamed = board.phone.put("/device/name", json!({"name": "films"})).await;
    assert!(renamed.text.contains("0.3.0 is being tried"), "{}", renamed.text);
    renamed.is(409, "conflict");
    // Before anything is asked of the radio, which would leave the network that it is in.
    let join = board.phone.post("/network/wifi/join", json!({"ssid": "home"})).await;
    let refused = board.phone.problem(join).await;
    assert_eq!(refused["code"], "conflict", "{refused}");
    let confirmed = board.command(&["confirm"]);
    assert!(
        confirmed.status.success() && said(&confirmed).contains("0.3.0 was installed, and works"),
        "{confirmed:?}"
    );
    assert!(said(&board.command(&["confirm"])).contains("confirmed before"));
    board.phone.put("/device/name", json!({"name": "films"})).await.ok();
    board.device.stop().await;
    let mute = board.command(&["confirm"]);
    assert!(
        !mute.status.success() && said(&mute).contains("nobody answers"),
        "{mute:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_installs_and_says_why_not() {
    let board = Board::new().await;
    let bundle = board.bundle("0.1.0");
    let file = bundle.to_str().unwrap();
    let refused = board.command(&["install", file]);
    assert!(
        !refused.status.success() && said(&refused).contains("which is older than 0.2.0"),
        "{refused:?}"
    );
    let whole = fs::read(&bundle).unwrap();
    fs::write(&bundle, &whole[..whole.len() / 2]).unwrap();
    let refused = board.command(&["install", "--allow-older", file]);
    assert!(
        !refused.status.success() && said(&refused).contains("truncated"),
        "{refused:?}"
    );
    fs::write(&bundle, &whole).unwrap();
    let installed = board.command(&["install", "--allow-older", file]);
    assert!(installed.status.success(), "{installed:?}");

    board.runs('b', "0.1.0");
    let rejected = board.command(&["reject", "--reason", "I do not like it"]);
    assert!(said(&rejected).contains("the system before"), "{rejected:?}");
    board.runs('a', "0.2.0");
    let told = said(&board.command(&["settle"]));
    assert!(
        told.contains("0.1.0 did not work") && told.contains("I do not like it"),
        "{told}"
    );
    assert_eq!(said(&board.command(&["settle"])), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_shown_out_during_an_upload_installs_nothing() {
    let board = Board::new().await;
    let bundle = fs::read(board.bundle("0.3.0")).unwrap();
    let (begin, rest) = bundle.split_at(bundle.len() - 100);
    let (sender, parts) = tokio::sync::mpsc::channel::<Vec<u8>>(2);
    let parts = futures::stream::unfold(parts, async |mut parts| {
        parts.recv().await.map(|part| (Ok::<_, std::io::Error>(part), parts))
    });
    let request = board.phone.request(Method::POST, "/update/install", None);
    let request = request
        .header("content-type", "application/octet-stream")
        .body(reqwest::Body::wrap_stream(parts));
    let upload = tokio::spawn(request.send());
    sender.send(begin.to_vec()).await.unwrap();
    let mut owner = board.device.phone();
    owner.enter("/session", json!({"password": PASSWORD})).await;
    let written = || fs::read(board.path("slot-b")).unwrap()[299_999] == b'n';
    let end = std::time::Instant::now() + crate::support::PATIENCE;
    while !written() {
        assert!(std::time::Instant::now() < end, "the image does not arrive");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    owner.delete("/sessions").await.ok();
    sender.send(rest.to_vec()).await.unwrap();
    drop(sender);
    let answer = upload.await.unwrap().unwrap();
    let begun = Answer {
        status: answer.status(),
        text: answer.text().await.unwrap(),
    };
    let problem = owner.problem(begun).await;
    assert_eq!(problem["code"], "sign_in_needed", "{problem}");
    assert!(owner.get("/device").await.ok()["updates"]["last"].is_null());
    assert!(
        fs::read(board.path("slot-b")).unwrap()[..4096]
            .iter()
            .all(|&byte| byte == 0)
    );
}

/// A unit that cannot be empty has to have its medium before there is a stick.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_not_the_updates_fault() {
    let away = "[[store]]\nname = \"card\"\ntype = \"file\"\nfolder = \"@HOME@/away\"\n\
        [[disk]]\nname = \"films\"\nstore = \"card\"\nimage = \"films\"\n\
        [gadget]\n[[gadget.lun]]\ndisk = \"films\"\nremovable = false\n";
    let board = Board::with(away).await;
    let state = |state: &Value| state["disks"][0]["problem"].is_object();
    let state = board.phone.until("the store is known to be away", state).await;
    assert!(
        state["usb"]["controller"].is_null() && state["usb"]["problem"].is_null(),
        "{state:#}"
    );
    // The time in which it is waited for is over, unless this machine has just been started.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(170);
    loop {
        let confirmed = said(&board.command(&["confirm"]));
        if confirmed.contains("confirmed before") {
            return;
        }
        assert!(
            confirmed.contains("not served yet") && std::time::Instant::now() < end,
            "{confirmed}"
        );
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    }
}
