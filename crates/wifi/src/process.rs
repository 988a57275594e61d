//! Programs that are started and ended here. Their lines go to the log; none of them is given a secret as an argument.

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
};

use crate::wpa::WpaError;

/// How long a program may take to end when it is asked to.
const GOODBYE: Duration = Duration::from_secs(5);

/// A program that runs. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    program: &'static str,
}

impl Process {
    /// Starts a program of the search path.
    pub(crate) fn start(program: &'static str, arguments: &[&str]) -> Result<Self, WpaError> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| WpaError::NotStarted(program, error))?;
        if let Some(lines) = child.stdout.take() {
            tokio::spawn(log(program, lines));
        }
        if let Some(lines) = child.stderr.take() {
            tokio::spawn(log(program, lines));
        }
        Ok(Self { child, program })
    }

    /// Returns when it has ended, with a few words on how.
    pub(crate) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => format!("{} ended ({status})", self.program),
            Err(error) => format!("{}: {error}", self.program),
        }
    }

    /// Writes its number into a file, by which [`end_leftover`] finds it if this daemon dies.
    pub(crate) fn write_number(&self, file: &Path) -> std::io::Result<()> {
        fs::write(file, self.child.id().unwrap_or_default().to_string())
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid {
            // It may have ended already.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if tokio::time::timeout(GOODBYE, self.child.wait()).await.is_err() {
            tracing::warn!("{} does not end; killing it", self.program);
            let _ = self.child.kill().await;
        }
    }
}

async fn log(program: &'static str, stream: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!("{program}: {}", line.trim_end());
    }
}

/// Runs a program to its end.
pub(crate) async fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> std::io::Result<bool> {
    let output = Command::new(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        tracing::debug!("{program} {}: {}", arguments.join(" "), said.trim_end());
    }
    Ok(output.status.success())
}

/// Ends a program that a daemon before this one left: the one in the file of process numbers, if it was called with `folder` as
/// ours are. Waits until it is gone.
pub(crate) async fn end_leftover(file: &Path, folder: &Path) {
    let number = fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok());
    let Some(number) = number.filter(|&number: &i32| number > 1) else {
        return;
    };
    let is_ours = || {
        let called = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&called).contains(&*folder.to_string_lossy())
    };
    let begin = Instant::now();
    while is_ours() {
        let signal = match begin.elapsed() < GOODBYE {
            true => Signal::SIGTERM,
            false => Signal::SIGKILL,
        };
        if kill(Pid::from_raw(number), signal).is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let _ = fs::remove_file(file);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn programs_end_when_asked_and_foreign_ones_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (file, marker) = (folder.path().join("pid"), folder.path().join("marker"));
        fs::write(&marker, "").unwrap();
        let mut process = Process::start("tail", &["-f", &marker.to_string_lossy()]).unwrap();
        let called = format!("/proc/{}/cmdline", process.child.id().unwrap());
        // Who starts a program goes on a moment before it is called anything.
        while fs::read(&called).unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        fs::write(&file, process.child.id().unwrap().to_string()).unwrap();
        end_leftover(&file, Path::new("/nowhere/like/this")).await;
        assert!(process.child.try_wait().unwrap().is_none(), "it was not called so");
        fs::write(&file, process.child.id().unwrap().to_string()).unwrap();
        let leftover = end_leftover(&file, folder.path());
        let (said, ()) = tokio::join!(process.ended(), leftover);
        assert!(said.starts_with("tail ended"), "{said}");
        assert!(!file.exists());
        Process::start("sleep", &["1000"]).unwrap().stop().await;
        assert!(Process::start("no-such-program-of-ours", &[]).is_err());
    }
}
