//! What a process to start looks like.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, Result};

use super::{Process, log::Log, spawner};

/// Describes a [`Process`]; see [`Process::builder`].
#[derive(Debug)]
pub struct Builder {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    folder: Option<PathBuf>,
    piped_stdin: bool,
}

impl Builder {
    pub(super) fn new(program: &OsStr) -> Self {
        Self {
            program: program.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            folder: None,
            piped_stdin: false,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Removes an environment variable that this process has.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// Sets its working folder.
    #[must_use]
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Gives it a standard input to write to; else that is /dev/null.
    #[must_use]
    pub fn piped_stdin(mut self) -> Self {
        self.piped_stdin = true;
        self
    }

    /// Its name for messages, and the command with its output in pipes.
    pub(super) fn into_command(self) -> (String, Command) {
        let name = Path::new(&self.program)
            .file_name()
            .unwrap_or(&self.program)
            .to_string_lossy()
            .into_owned();
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if self.piped_stdin {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        for (key, value) in &self.env {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        (name, command)
    }

    /// Starts it.
    pub fn spawn(self) -> Result<Process> {
        let program = self.program.to_string_lossy().into_owned();
        let (name, command) = self.into_command();
        let mut child = spawner::spawn(command).with_context(|| format!("cannot start {program}"))?;
        let log = Arc::new(Log::default());
        log.capture(child.stdout.take());
        log.capture(child.stderr.take());
        let stdin = child.stdin.take();
        let running = spawner::supervise(child);
        Ok(Process {
            name,
            running,
            log,
            stdin,
        })
    }
}
