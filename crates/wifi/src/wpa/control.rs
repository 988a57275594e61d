//! The control socket: one datagram is a command, one its answer. Messages come over an end of their own, so that no answer is
//! taken for one. Each command has its own end, too: an answer that comes too late finds nobody, where the next command would
//! take it for its own.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{net::UnixDatagram, sync::mpsc, task::JoinHandle};

use super::Message;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer: `CTRL_IFACE_MAX_LEN` is 8192 (`wpa_supplicant/ctrl_iface_unix.c`).
const LONGEST: usize = 8 << 10;
/// Messages that may wait.
const QUEUE: usize = 64;

/// `wpa_supplicant` cannot be told, or refuses.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WpaError {
    /// It does not run, or does not answer.
    #[error("wpa_supplicant does not answer: {0}")]
    Silent(#[from] io::Error),
    /// It will not do that. Only the command's name is told: what follows may be a secret.
    #[error("wpa_supplicant refuses {0}")]
    Refused(String),
    /// The program cannot be started.
    #[error("{0} cannot be started: {1}; is it installed?")]
    NotStarted(&'static str, io::Error),
}

/// One end of a conversation. Its file goes with it.
struct End {
    socket: UnixDatagram,
    file: PathBuf,
}

impl End {
    fn open(file: PathBuf, other: &Path) -> io::Result<Self> {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let end = Self {
            socket: UnixDatagram::bind(&file)?,
            file,
        };
        end.socket.connect(other)?;
        Ok(end)
    }

    async fn ask(&self, command: &str) -> io::Result<String> {
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let mut answer = vec![0; LONGEST];
        self.socket.send(command.as_bytes()).await?;
        let received = tokio::time::timeout(PATIENCE, self.socket.recv(&mut answer)).await;
        let length = received.map_err(|_| late())??;
        answer.truncate(length);
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // In a folder that goes at the next start of the machine.
        let _ = fs::remove_file(&self.file);
    }
}

/// A conversation with `wpa_supplicant` about one interface.
pub(super) struct Control {
    socket: PathBuf,
    folder: PathBuf,
    /// Commands so far: their ends are called by it.
    commands: AtomicU64,
    listener: JoinHandle<()>,
}

impl Control {
    /// Opens it; `folder` is for its own ends. Messages come out of the receiver, which ends when `wpa_supplicant` does.
    pub(super) async fn open(socket: &Path, folder: &Path) -> Result<(Self, mpsc::Receiver<Message>), WpaError> {
        let messages = End::open(folder.join("messages"), socket)?;
        expect_ok("ATTACH", &messages.ask("ATTACH").await?)?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let listener = tokio::spawn(listen(messages, sender));
        let control = Self {
            socket: socket.to_owned(),
            folder: folder.to_owned(),
            commands: AtomicU64::new(0),
            listener,
        };
        Ok((control, receiver))
    }

    /// Asks for something.
    pub(super) async fn ask(&self, command: &str) -> Result<String, WpaError> {
        let answer = self.answer(command).await?;
        if answer.starts_with("FAIL") || answer.starts_with("UNKNOWN COMMAND") {
            return Err(WpaError::Refused(name_of(command)));
        }
        Ok(answer)
    }

    /// Has something done.
    pub(super) async fn tell(&self, command: &str) -> Result<(), WpaError> {
        expect_ok(command, &self.answer(command).await?)
    }

    async fn answer(&self, command: &str) -> io::Result<String> {
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        let end = End::open(self.folder.join(format!("command-{number}")), &self.socket)?;
        end.ask(command).await
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

fn expect_ok(command: &str, answer: &str) -> Result<(), WpaError> {
    match answer.trim_end() {
        "OK" => Ok(()),
        _ => Err(WpaError::Refused(name_of(command))),
    }
}

/// A command without the values in it.
fn name_of(command: &str) -> String {
    let words = match command.split_once(' ').map_or(command, |(name, _)| name) {
        "SET_NETWORK" => 3,
        _ => 1,
    };
    command.split(' ').take(words).collect::<Vec<_>>().join(" ")
}

async fn listen(end: End, sender: mpsc::Sender<Message>) {
    let mut buffer = vec![0; LONGEST];
    while let Ok(length) = end.socket.recv(&mut buffer).await {
        let text = String::from_utf8_lossy(&buffer[..length]);
        tracing::trace!(message = &*text);
        let Some(message) = Message::parse(text.trim_end()) else {
            continue;
        };
        if sender.send(message).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The other end, as `wpa_supplicant` behaves: it answers each sender, and sends messages to who attached.
    async fn supplicant(path: PathBuf) {
        let socket = UnixDatagram::bind(path).unwrap();
        let mut buffer = [0; 512];
        loop {
            let (length, sender) = socket.recv_from(&mut buffer).await.unwrap();
            let sender = sender.as_pathname().unwrap().to_owned();
            let answer = match std::str::from_utf8(&buffer[..length]).unwrap() {
                "ATTACH" => "OK\n",
                "PING" => "PONG\n",
                _ => "FAIL\n",
            };
            socket.send_to(answer.as_bytes(), &sender).await.unwrap();
            if answer == "OK\n" {
                socket.send_to(b"<3>CTRL-EVENT-SCAN-STARTED ", &sender).await.unwrap();
                socket.send_to(b"<3>CTRL-EVENT-SCAN-RESULTS ", &sender).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn answers_and_messages_keep_apart_and_errors_hide_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wlan0");
        let other = tokio::spawn(supplicant(path.clone()));
        while !path.exists() {
            tokio::task::yield_now().await;
        }
        let (control, mut messages) = Control::open(&path, folder.path()).await.unwrap();
        assert_eq!(control.ask("PING").await.unwrap(), "PONG\n");
        assert_eq!(messages.recv().await, Some(Message::ScanResults));
        let error = control.tell("SET_NETWORK 0 psk \"planted secret\"").await.unwrap_err();
        assert_eq!(error.to_string(), "wpa_supplicant refuses SET_NETWORK 0 psk");
        drop(control);
        assert_eq!(messages.recv().await, None);
        other.abort();
    }

    /// Answers to `STATUS` only when the next command is there, and to that right after.
    async fn slow_supplicant(path: PathBuf) {
        let socket = UnixDatagram::bind(path).unwrap();
        let mut buffer = [0; 512];
        let mut late = None;
        loop {
            let (length, sender) = socket.recv_from(&mut buffer).await.unwrap();
            let sender = sender.as_pathname().unwrap().to_owned();
            let answer = match std::str::from_utf8(&buffer[..length]).unwrap() {
                "ATTACH" => "OK\n",
                "PING" => "PONG\n",
                _ => {
                    late = Some(sender);
                    continue;
                }
            };
            if let Some(late) = late.take() {
                // Who asked may be gone.
                let _ = socket.send_to(b"wpa_state=SCANNING\n", &late).await;
            }
            socket.send_to(answer.as_bytes(), &sender).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_is_not_taken_for_that_of_the_next_command() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wlan0");
        let other = tokio::spawn(slow_supplicant(path.clone()));
        while !path.exists() {
            tokio::task::yield_now().await;
        }
        let (control, _messages) = Control::open(&path, folder.path()).await.unwrap();
        let error = control.ask("STATUS").await.unwrap_err();
        assert!(matches!(error, WpaError::Silent(_)), "{error}");
        for _ in 0..2 {
            assert_eq!(control.ask("PING").await.unwrap(), "PONG\n");
        }
        drop(control);
        let left = || fs::read_dir(folder.path()).unwrap().flatten();
        assert!(left().all(|entry| !entry.file_name().to_string_lossy().starts_with("command")));
        other.abort();
    }
}
