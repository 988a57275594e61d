//! Whether a configuration that was put in force works.
//!
//! Whatever is new is given a while. A configuration fails if one of its new disks or servers meets something that only
//! another configuration can mend, or if the stick worked before and does not any more. A store that does not answer is no
//! such thing: networks come and go, and the daemon tries again by itself.

use std::{sync::Arc, time::Duration};

use block::{BlockError, store::StoreError};
use tokio::{sync::watch, time::Instant};
use web::api::Problem;

use crate::{
    config::Loaded,
    control::problem,
    daemon::{View, disk},
};

/// How long what is new has to work; then it is said that it does not yet.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a stick has to be made anew.
const STICK: Duration = Duration::from_secs(8);
/// How often the stick and the servers are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until the disks and servers that are new in `after` work. Gives warnings, or what the configuration fails by.
pub(super) async fn disks(before: &View, after: &View) -> Result<Vec<String>, Problem> {
    let end = Instant::now() + PATIENCE;
    let mut warnings = Vec::new();
    for (name, state) in &after.disks {
        let is_new = before.disk(name).is_none_or(|known| !known.same_channel(state));
        if is_new {
            warnings.extend(disk_settled(name, state.clone(), end).await?);
        }
    }
    warnings.extend(servers_settled(before, after, end).await);
    Ok(warnings)
}

/// Waits for one disk.
async fn disk_settled(
    name: &str,
    mut state: watch::Receiver<disk::State>,
    end: Instant,
) -> Result<Option<String>, Problem> {
    let settled = state.wait_for(|state| {
        let fails = state.failure.as_ref().is_some_and(|failure| !may_pass(failure));
        state.stack.is_some() || fails
    });
    let outcome = tokio::time::timeout_at(end, settled).await;
    match outcome.map(|settled| settled.map(|state| state.failure.clone())) {
        Ok(Ok(Some(failure))) => Err(problem::of_store(&failure).about(name)),
        // It is open, or closed by yet another change.
        Ok(Ok(None) | Err(_)) => Ok(None),
        Err(_) => {
            let failure = state.borrow().failure.as_ref().map(ToString::to_string);
            let why = failure.unwrap_or_else(|| "its store has not answered yet".to_owned());
            Ok(Some(format!("disk \"{name}\" is not open yet: {why}")))
        }
    }
}

/// Whether it may work later without anybody doing anything.
fn may_pass(failure: &StoreError) -> bool {
    matches!(
        failure,
        StoreError::Block(BlockError::Unreachable { .. }) | StoreError::InUse { .. }
    )
}

/// New servers whose disks are open listen soon, unless somebody else has their address. That may pass, too.
async fn servers_settled(before: &View, after: &View, end: Instant) -> Vec<String> {
    let mut warnings = Vec::new();
    for server in &after.servers {
        let known = before.servers.iter().any(|known| known.config == server.config);
        let open = |name: &str| after.disk(name).is_some_and(|state| state.borrow().stack.is_some());
        if known || !server.config.disks.iter().all(|disk| open(disk.get_ref())) {
            continue;
        }
        while server.address().is_none() && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
        if server.address().is_none() {
            warnings.push(format!(
                "the NBD server at {} does not listen yet; see the log",
                server.config.listen.get_ref()
            ));
        }
    }
    warnings
}

/// A stick that worked has to work again. Gives a warning, or what the configuration fails by.
pub(super) async fn stick(before: &View, after: &View) -> Result<Option<String>, Problem> {
    let Some(usb) = &after.usb else { return Ok(None) };
    let worked = before
        .usb
        .as_ref()
        .map(|usb| usb.report())
        .is_some_and(|report| report.error.is_none() && report.state.is_some());
    let end = Instant::now() + STICK;
    loop {
        let report = usb.report();
        match &report.error {
            None if report.state.is_some() => return Ok(None),
            Some(error) if !worked => return Ok(Some(error.clone())),
            _ if Instant::now() < end => tokio::time::sleep(LOOK).await,
            Some(error) => return Err(problem::internal(error.clone())),
            None => return Ok(Some("the stick is not ready yet".to_owned())),
        }
    }
}

/// What a configuration is judged by when it is put in force: nothing but itself.
pub(super) fn warnings(loaded: &Arc<Loaded>) -> Vec<String> {
    let all = loaded.warnings.iter();
    all.map(|warning| match &warning.remedy {
        Some(remedy) => format!("{}; {remedy}", warning.message),
        None => warning.message.clone(),
    })
    .collect()
}
