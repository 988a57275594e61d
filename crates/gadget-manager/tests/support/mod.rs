//! The program under test, with a configuration of its own.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use testkit::process::Process;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a configuration, secrets, state and run folders.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new(config: &str) -> Self {
        testkit::hang::guard();
        let home = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        home.configure(config);
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration; `@HOME@` in it becomes this folder.
    pub(crate) fn configure(&self, config: &str) {
        let home = self.path().display().to_string();
        let head = format!("state_dir = \"{home}/state\"\nrun_dir = \"{home}/run\"\n");
        std::fs::write(self.config(), head + &config.replace("@HOME@", &home)).expect("the configuration is written");
    }

    pub(crate) fn secrets(&self, text: &str) {
        let path = self.join("secrets.toml");
        std::fs::write(&path, text).expect("the secrets are written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("their mode is set");
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.join("gadget-manager.toml")
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_gadget-manager"))
            .arg("--config")
            .arg(self.config())
            .args(arguments)
            // As on a machine without certificate authorities.
            .env("SSL_CERT_FILE", "/dev/null")
            .output()
            .expect("gadget-manager starts")
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a command that must succeed, and returns the JSON it printed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).expect("JSON")
    }

    /// Runs a command that must fail with `code`, and returns what it said.
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    /// Starts a command that goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Process {
        Process::builder(env!("CARGO_BIN_EXE_gadget-manager"))
            .arg("--config")
            .arg(self.config())
            .args(arguments)
            .spawn()
            .expect("gadget-manager starts")
    }

    /// The daemon's status, if there is one.
    pub(crate) fn status(&self) -> Option<Value> {
        serde_json::from_str(&std::fs::read_to_string(self.join("run/status.json")).ok()?).ok()
    }

    /// Waits until the daemon's status is as wanted.
    pub(crate) async fn wait_for_status(&self, daemon: &Process, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = daemon.wait_until(PATIENCE, what, || async {
            self.status().is_some_and(|status| wanted(&status))
        });
        if let Err(problem) = found.await {
            panic!(
                "{problem:#}\nstatus: {:#}\nlog:\n{}",
                self.status().unwrap_or_default(),
                daemon.log()
            );
        }
        self.status().expect("it was there")
    }
}

/// Runs a command of qemu-io on the export `films` of the server at `nbd.sock`.
pub(crate) fn qemu_io(home: &Home, command: &str) -> String {
    qemu_io_at(&home.join("nbd.sock"), command)
}

/// The same with a socket.
pub(crate) fn qemu_io_at(socket: &Path, command: &str) -> String {
    let uri = format!("nbd+unix:///films?socket={}", socket.display());
    let output = Command::new(testkit::program::locate("qemu-io"))
        .args(["-f", "raw", "-c", command, &uri])
        .output()
        .expect("qemu-io runs");
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The phase of a disk in a status.
pub(crate) fn phase<'a>(status: &'a Value, disk: &str) -> &'a str {
    let disks = status["disks"].as_array().map(Vec::as_slice).unwrap_or_default();
    disks
        .iter()
        .find(|found| found["name"] == disk)
        .and_then(|found| found["phase"].as_str())
        .unwrap_or("missing")
}
