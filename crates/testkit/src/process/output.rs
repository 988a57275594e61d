//! Running a program to its end.

use std::{
    io::{self, Read},
    process::Output,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::Signal;
use tokio::{task, time};

use super::{
    builder::Builder,
    spawner::{self, Running},
};

/// Kills what was not waited for to the end: the caller gave up.
struct Guard(Arc<Running>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.signal_group(Signal::SIGKILL);
    }
}

impl Builder {
    /// Runs it to its end; its standard output and error as they are. Like a [`Process`](super::Process) it cannot
    /// outlive the test, and it is killed when it takes longer than `limit` or nobody waits any more. Any exit status will do.
    pub async fn output(self, limit: Duration) -> Result<Output> {
        let (name, command) = self.into_command();
        let mut child = spawner::spawn(command).with_context(|| format!("cannot start {name}"))?;
        drop(child.stdin.take());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let guard = Guard(spawner::supervise(child));
        let (stdout, stderr) = (
            task::spawn_blocking(|| read_all(stdout)),
            task::spawn_blocking(|| read_all(stderr)),
        );
        let mut exit = guard.0.watch();
        let finish = async {
            let status = *exit.wait_for(Option::is_some).await.context("nobody waits for it")?;
            Ok(Output {
                status: status.context("a status that was there is gone")?,
                stdout: stdout.await??,
                stderr: stderr.await??,
            })
        };
        time::timeout(limit, finish)
            .await
            .unwrap_or_else(|_| Err(anyhow!("{name} did not end in {limit:?}")))
    }
}

fn read_all(stream: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut data)?;
    }
    Ok(data)
}
