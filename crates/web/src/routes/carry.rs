//! Calls to the device on behalf of a request.

use std::{future::Future, time::Duration};

use super::Failure;
use crate::{
    api::{Problem, ProblemCode},
    app::App,
};

/// How long an answer may take before the page hears that it takes too long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Carries out a change. It goes on when the phone that asked for it goes away, and a server that stops waits for it: half a
/// change would be worse than a change that nobody waited for.
pub(crate) async fn change<T, F>(app: &App, work: impl FnOnce(App) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Problem>> + Send + 'static,
    T: Send + 'static,
{
    let mut task = app.changes.spawn(work(app.clone()));
    match tokio::time::timeout(PATIENCE, &mut task).await {
        Ok(Ok(result)) => result.map_err(Failure::from),
        Ok(Err(_)) => Err(Failure::internal()),
        Err(_) => Err(late("the change takes long; it goes on").into()),
    }
}

/// Looks something up. Nobody needs the answer if the phone goes away.
pub(crate) async fn look<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Failure> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(result) => result.map_err(Failure::from),
        Err(_) => Err(late("the answer takes too long").into()),
    }
}

fn late(detail: &str) -> Problem {
    Problem::new(ProblemCode::Timeout, detail).remedy("look at the state, and try again later")
}

/// Refuses what its owner did not mean.
pub(crate) fn confirmed(typed: &str, name: &str) -> Result<(), Failure> {
    if typed == name {
        return Ok(());
    }
    Err(
        Problem::new(ProblemCode::NotConfirmed, format!("the typed name is not \"{name}\""))
            .remedy("type the name exactly as it is shown")
            .about(name)
            .at("/confirm")
            .into(),
    )
}
