//! The one task that changes the configuration: one change after the other, each whole or not at all.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::{mpsc, oneshot, watch};
use web::api::{Applied, Problem, ProblemCode};

use super::{
    draft::Draft,
    files::{Files, Texts},
    history::{History, Version},
    on_a_thread, settle,
};
use crate::{
    config::{self, Loaded, Secrets},
    control::{
        problem::{self, internal, not_found},
        update,
    },
    daemon::{Handle, Stick, View},
};

/// Changes that may wait.
const QUEUE: usize = 8;

/// What is done to a draft.
type Edit = Box<dyn FnOnce(&mut Draft) -> Result<(), Problem> + Send>;

/// What the task can be asked for.
enum Request {
    /// Change something; in a few words, what.
    Change {
        words: String,
        edit: Edit,
        /// Whether it counts only if what is new works.
        trial: bool,
        reply: oneshot::Sender<Result<Applied, Problem>>,
    },
    /// Put an earlier version in force.
    GoBack(u64, oneshot::Sender<Result<Applied, Problem>>),
    /// The versions that are kept.
    List(oneshot::Sender<Vec<Version>>),
    /// Leave nothing.
    Clear(oneshot::Sender<Result<(), Problem>>),
    /// The texts as they are.
    Texts(oneshot::Sender<Result<Texts, Problem>>),
}

/// A way to the task. Clones are the same.
#[derive(Clone)]
pub(crate) struct Keeper {
    requests: mpsc::Sender<Request>,
    version: watch::Receiver<u64>,
}

struct Worker {
    handle: Handle,
    file: PathBuf,
    history: History,
    requests: mpsc::Receiver<Request>,
    version: watch::Sender<u64>,
}

impl Keeper {
    /// Starts the task.
    pub(crate) fn start(handle: Handle) -> Self {
        let loaded = handle.view().loaded.clone();
        let (sender, requests) = mpsc::channel(QUEUE);
        let (version_sender, version) = watch::channel(0);
        let worker = Worker {
            handle,
            file: loaded.file.clone(),
            history: History::new(loaded.config.state_dir.join("versions")),
            requests,
            version: version_sender,
        };
        tokio::spawn(worker.run());
        Self {
            requests: sender,
            version,
        }
    }

    /// The version in force; 0 while none is kept.
    pub(crate) fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// Changes something and puts it in force; if what is new does not work, everything is as before.
    pub(crate) async fn change<F>(&self, words: impl Into<String>, edit: F) -> Result<Applied, Problem>
    where
        F: FnOnce(&mut Draft) -> Result<(), Problem> + Send + 'static,
    {
        self.send_change(words.into(), Box::new(edit), true).await
    }

    /// The same for what has nothing new that could fail.
    pub(crate) async fn change_surely<F>(&self, words: impl Into<String>, edit: F) -> Result<Applied, Problem>
    where
        F: FnOnce(&mut Draft) -> Result<(), Problem> + Send + 'static,
    {
        self.send_change(words.into(), Box::new(edit), false).await
    }

    async fn send_change(&self, words: String, edit: Edit, trial: bool) -> Result<Applied, Problem> {
        self.ask(|reply| Request::Change {
            words,
            edit,
            trial,
            reply,
        })
        .await?
    }

    /// Puts an earlier version in force again, as a new one.
    pub(crate) async fn go_back(&self, version: u64) -> Result<Applied, Problem> {
        self.ask(|reply| Request::GoBack(version, reply)).await?
    }

    /// The versions that are kept, the youngest first.
    pub(super) async fn list(&self) -> Result<Vec<Version>, Problem> {
        self.ask(Request::List).await
    }

    /// Leaves nothing of it, nor of the versions, but what belongs to this installation.
    pub(crate) async fn clear(&self) -> Result<(), Problem> {
        self.ask(Request::Clear).await?
    }

    /// The texts as they are.
    pub(in crate::control) async fn texts(&self) -> Result<Texts, Problem> {
        self.ask(Request::Texts).await?
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        let stopping =
            || Problem::new(ProblemCode::Conflict, "the device is stopping").remedy("try again when it is up");
        self.requests.send(request(reply)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}

impl Worker {
    async fn run(mut self) {
        let mut views = self.handle.views();
        self.note_by_hand("found at the start").await;
        loop {
            tokio::select! {
                request = self.requests.recv() => match request {
                    // Whoever asked may be gone; what was asked for is done all the same.
                    Some(request) => self.obey(request).await,
                    None => return,
                },
                changed = views.changed() => match changed {
                    Ok(()) => self.note_by_hand("changed in the file").await,
                    Err(_) => return,
                },
            }
        }
    }

    async fn obey(&mut self, request: Request) {
        match request {
            Request::Change {
                words,
                edit,
                trial,
                reply,
            } => {
                let _ = reply.send(self.change(&words, edit, trial).await);
            }
            Request::GoBack(version, reply) => {
                let _ = reply.send(self.go_back(version).await);
            }
            Request::List(reply) => {
                let history = self.history.clone();
                let _ = reply.send(blocking(move || Ok(history.list())).await.unwrap_or_default());
            }
            Request::Clear(reply) => {
                let _ = reply.send(self.clear().await);
            }
            Request::Texts(reply) => {
                let files = self.files();
                let _ = reply.send(blocking(move || files.read()).await);
            }
        }
    }

    fn files(&self) -> Files {
        let loaded = self.handle.view().loaded.clone();
        Files {
            config: self.file.clone(),
            secrets: config::secrets_path(&self.file, &loaded.config),
        }
    }

    /// Remembers a configuration that came into force without us.
    async fn note_by_hand(&mut self, words: &'static str) {
        let (history, text) = (self.history.clone(), self.handle.view().loaded.text.clone());
        let noted = blocking(move || match history.last() {
            Some(last) if last.text == *text => Ok(last.version),
            _ => history.add(words, &text),
        });
        match noted.await {
            Ok(version) => self.publish(version),
            Err(problem) => tracing::warn!("the version of the configuration is not kept: {problem}"),
        }
    }

    fn publish(&self, version: u64) {
        self.version.send_if_modified(|current| {
            let is_new = *current != version;
            *current = version;
            is_new
        });
    }

    async fn change(&mut self, words: &str, edit: Edit, trial: bool) -> Result<Applied, Problem> {
        let files = self.files();
        let reader = files.clone();
        let before = blocking(move || reader.read()).await?;
        let mut draft = Draft::parse(&before)?;
        edit(&mut draft)?;
        let after = draft.texts();
        if after == before {
            return Ok(Applied {
                version: *self.version.borrow(),
                replugged: false,
                warnings: Vec::new(),
            });
        }
        let loaded = Arc::new(self.judge(&after)?);
        on_a_thread(update::refuse_on_trial).await?;
        write(&files, &after).await?;
        let old = self.handle.view();
        let outcome = self.put_in_force(&loaded, &old, trial).await;
        let (replugged, warnings) = match outcome {
            Ok(outcome) => outcome,
            Err(why) => {
                tracing::warn!("{words}: does not work, the configuration before is put in force again: {why}");
                write(&files, &before).await?;
                if let Err(error) = self.handle.apply(old.loaded.clone(), Stick::Replug).await {
                    tracing::error!("the configuration before cannot be put in force: {error}");
                }
                return Err(not_applied(why));
            }
        };
        tracing::info!("{words}: in force");
        let version = self.note(words, &loaded).await;
        let mut all = settle::warnings(&loaded);
        all.extend(warnings);
        Ok(Applied {
            version,
            replugged,
            warnings: all,
        })
    }

    /// Judges texts as the daemon would at its start.
    fn judge(&self, texts: &Texts) -> Result<Loaded, Problem> {
        judge(&self.file, texts)
    }

    /// Puts a configuration in force, and on trial sees that it works: first its disks, then the stick, which is not pulled
    /// for disks that do not open.
    async fn put_in_force(
        &self,
        loaded: &Arc<Loaded>,
        old: &View,
        trial: bool,
    ) -> Result<(bool, Vec<String>), Problem> {
        let apply = async |stick| {
            let applied = self.handle.apply(loaded.clone(), stick).await;
            applied.map_err(|error| problem::of_apply(&error))
        };
        if !trial {
            return Ok((apply(Stick::Replug).await?.replugged, Vec::new()));
        }
        let first = apply(Stick::Keep).await?;
        let mut warnings = settle::disks(old, &self.handle.view()).await?;
        let replugged = first.replugged || (first.kept && apply(Stick::Replug).await?.replugged);
        warnings.extend(settle::stick(old, &self.handle.view()).await?);
        Ok((replugged, warnings))
    }

    /// Adds a version. If it cannot be kept, the change is in force all the same.
    async fn note(&self, words: &str, loaded: &Loaded) -> u64 {
        let (history, words, text) = (self.history.clone(), words.to_owned(), loaded.text.clone());
        match blocking(move || history.add(&words, &text)).await {
            Ok(version) => self.publish(version),
            Err(problem) => tracing::warn!("the version of the configuration is not kept: {problem}"),
        }
        *self.version.borrow()
    }

    async fn go_back(&mut self, number: u64) -> Result<Applied, Problem> {
        let history = self.history.clone();
        let found = blocking(move || Ok(history.get(number))).await?;
        let version = found.ok_or_else(|| not_found("version", &number.to_string()))?;
        let words = format!("back to version {number}");
        self.change(&words, Box::new(move |draft| draft.go_back(&version.text)), true)
            .await
    }

    async fn clear(&mut self) -> Result<(), Problem> {
        let files = self.files();
        let reader = files.clone();
        let before = blocking(move || reader.read()).await?;
        // Nothing keeps a broken file from being cleared.
        let mut draft = Draft::parse(&before).or_else(|_| {
            Draft::parse(&Texts {
                config: self.handle.view().loaded.text.to_string(),
                secrets: Default::default(),
            })
        })?;
        draft.clear();
        let after = draft.texts();
        let loaded = Arc::new(self.judge(&after)?);
        write(&files, &after).await?;
        let applied = self.handle.apply(loaded.clone(), Stick::Replug).await;
        applied.map_err(|error| problem::of_apply(&error))?;
        let history = self.history.clone();
        blocking(move || history.clear()).await?;
        self.note("reset to the state of the factory", &loaded).await;
        Ok(())
    }
}

/// Judges texts as the daemon would at its start.
pub(in crate::control) fn judge(file: &std::path::Path, texts: &Texts) -> Result<Loaded, Problem> {
    let secrets = |path: &std::path::Path| {
        Secrets::parse(&texts.secrets).map_err(|problem| config::ConfigError {
            file: path.to_owned(),
            problems: vec![problem],
        })
    };
    config::judge(file, &texts.config, secrets).map_err(|error| problem::of_config(&error))
}

/// What did not work, as the reason for which nothing has changed.
fn not_applied(why: Problem) -> Problem {
    Problem {
        code: ProblemCode::NotApplied,
        detail: format!("nothing has changed, since this does not work: {}", why.detail),
        ..why
    }
}

async fn write(files: &Files, texts: &Texts) -> Result<(), Problem> {
    let (files, texts) = (files.clone(), texts.clone());
    blocking(move || files.write(&texts)).await
}

/// Runs what waits for the disk on a thread for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::StorageFull => {
            Err(Problem::new(ProblemCode::NoSpace, error.to_string()).remedy("make room on the card"))
        }
        Ok(Err(error)) => Err(internal(error.to_string())),
        Err(_) => Err(internal("the device met a fault of its own")),
    }
}
