//! Child processes that can neither outlive their test nor die unnoticed.

mod builder;
mod log;
mod output;
mod spawner;

use std::{
    future::Future,
    io::Write,
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    process::{ChildStdin, ExitStatus},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::Signal;
use tokio::{net::TcpStream, time};

pub use builder::Builder;
use log::Log;
use spawner::Running;

/// How often a condition without a notification of its own is looked at.
const POLL: Duration = Duration::from_millis(20);
/// How long a group that was killed may take to be gone.
const DYING: Duration = Duration::from_secs(30);

/// A child process with its own process group and a captured log.
///
/// When it is dropped, its whole group is killed (SIGKILL) and waited for. When the test process itself dies, the
/// kernel kills the child (`PR_SET_PDEATHSIG`, prctl(2)). Grandchildren that stay in the group die with it.
#[derive(Debug)]
pub struct Process {
    name: String,
    running: Arc<Running>,
    log: Arc<Log>,
    stdin: Option<ChildStdin>,
}

impl Process {
    /// Describes a process to start: `program` by path, or by a name on the PATH.
    pub fn builder(program: impl AsRef<std::ffi::OsStr>) -> Builder {
        Builder::new(program.as_ref())
    }

    /// Its process id, which is that of its group too.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running.pid().cast_unsigned()
    }

    /// What it wrote so far to standard output and error, in the order it came. Very long logs lose their beginning.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.running.status()
    }

    /// Writes to its standard input (see [`Builder::piped_stdin`]). Blocks while the pipe is full.
    pub fn write_stdin(&mut self, data: &[u8]) -> Result<()> {
        let stdin = self
            .stdin
            .as_mut()
            .with_context(|| format!("{} has no standard input", self.name))?;
        stdin
            .write_all(data)
            .and_then(|()| stdin.flush())
            .with_context(|| self.failure("does not read its input"))
    }

    /// Closes its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for a line that `wanted` accepts, written at any time since the start, and returns it.
    ///
    /// Fails at once when the process ends without having written it.
    pub async fn wait_for_line(&self, limit: Duration, mut wanted: impl FnMut(&str) -> bool) -> Result<String> {
        let mut exit = self.running.watch();
        let mut changed = self.log.watch();
        let mut next = 0;
        let search = async {
            loop {
                // Ask before reading: what was written before the end is all in the log once both pipes are closed.
                let ended = exit.borrow_and_update().is_some() && self.log.is_complete();
                changed.borrow_and_update();
                if let Some(line) = self.log.find(&mut next, &mut wanted) {
                    return Ok(line);
                }
                if ended {
                    bail!(self.failure("ended without the line waited for"));
                }
                tokio::select! {
                    _ = changed.changed() => {}
                    _ = exit.changed() => {}
                }
            }
        };
        time::timeout(limit, search).await.unwrap_or_else(|_| {
            Err(anyhow!(
                self.failure(&format!("did not write the line waited for in {limit:?}"))
            ))
        })
    }

    /// Waits until something accepts connections at `address`.
    pub async fn wait_for_port(&self, address: SocketAddr, limit: Duration) -> Result<()> {
        self.wait_until(limit, &format!("listening at {address}"), async || {
            TcpStream::connect(address).await.is_ok()
        })
        .await
    }

    /// Waits until `condition` holds, looking again and again; `what` names it in the error. Fails at once when the
    /// process ends.
    pub async fn wait_until<F>(&self, limit: Duration, what: &str, mut condition: impl FnMut() -> F) -> Result<()>
    where
        F: Future<Output = bool>,
    {
        let poll = async {
            loop {
                if condition().await {
                    return Ok(());
                }
                if self.exit_status().is_some() {
                    bail!(self.failure(&format!("ended before {what}")));
                }
                time::sleep(POLL).await;
            }
        };
        time::timeout(limit, poll)
            .await
            .unwrap_or_else(|_| Err(anyhow!(self.failure(&format!("was not {what} after {limit:?}")))))
    }

    /// Waits for its end.
    pub async fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        let mut exit = self.running.watch();
        let ended = time::timeout(limit, exit.wait_for(Option::is_some)).await;
        match ended {
            Ok(Ok(status)) => (*status).context("a status that was there is gone"),
            Ok(Err(_)) => bail!(self.failure("was lost")),
            Err(_) => bail!(self.failure(&format!("still runs after {limit:?}"))),
        }
    }

    /// Waits for its end and fails unless it exits with 0.
    pub async fn wait_success(&self, limit: Duration) -> Result<()> {
        let status = self.wait(limit).await?;
        if !status.success() {
            bail!(self.failure("failed"));
        }
        Ok(())
    }

    /// Sends a signal to the process alone. Does nothing if it has ended.
    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Stops its whole group where it is (SIGSTOP), until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.running.signal_group(Signal::SIGSTOP);
    }

    /// Lets a paused group go on.
    pub fn resume(&self) {
        self.running.signal_group(Signal::SIGCONT);
    }

    /// Kills its whole group without warning (SIGKILL) and waits until all of it is gone.
    pub async fn kill(&self) -> Result<()> {
        self.running.signal_group(Signal::SIGKILL);
        self.wait(DYING).await?;
        let gone = async {
            while self.running.group_lives() {
                time::sleep(POLL).await;
            }
        };
        let gone = time::timeout(DYING, gone).await;
        gone.map_err(|_| anyhow!(self.failure(&format!("left others of its group behind after {DYING:?}"))))
    }

    /// Asks it to end (SIGTERM) and waits; fails, after killing it, if it does not end in time.
    pub async fn stop(&self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM);
        match self.wait(limit).await {
            Ok(status) => Ok(status),
            Err(error) => {
                self.kill().await?;
                Err(error.context("did not end when asked to (SIGTERM)"))
            }
        }
    }

    /// A message that names the process, says what went wrong and shows the end of its log.
    fn failure(&self, what: &str) -> String {
        let state = match self.exit_status() {
            Some(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!(" (exit code {code})"),
                (None, Some(signal)) => format!(" (killed by signal {signal})"),
                (None, None) => String::new(),
            },
            None => String::new(),
        };
        format!(
            "{} {what}{state}; the end of its log:\n{}",
            self.name,
            self.log.tail(40)
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.running.signal_group(Signal::SIGKILL);
        self.running.wait_blocking(DYING);
    }
}
