//! Checks from the monitors up to the rights of the user, changing nothing that matters.

use std::sync::Arc;

use block::store::Finding;
use serde_json::json;

use super::{
    Librbd,
    cluster::{Cluster, Pool, Purpose, versions},
    image::Image,
    locks::bare,
    ownership,
    threads::spawn,
};
use crate::error::{RbdError, Result};

pub(super) async fn diagnose(client: &Librbd, image: Option<&str>) -> Vec<Finding> {
    let (client, image) = (client.clone(), image.map(str::to_owned));
    let thread = spawn(move || {
        let mut findings = Vec::new();
        // A failure is the last finding.
        if let Err(finding) = look(&client, image.as_deref(), &mut findings) {
            findings.push(finding);
        }
        Ok(findings)
    });
    let findings = thread.await;
    findings.unwrap_or_else(|error| vec![Finding::bad("librbd", error.to_string(), "report this")])
}

fn look(client: &Librbd, image: Option<&str>, findings: &mut Vec<Finding>) -> Result<(), Finding> {
    let (rados, rbd) = versions();
    findings.push(Finding::good("libraries", format!("librbd {rbd}, librados {rados}")));
    let cluster = connection(client, findings)?;
    monitors(&cluster, findings);
    let pool = pool(client, &cluster, findings)?;
    findings.push(right("list images", pool.images().map(drop)));
    if let Some(image) = image {
        image_findings(&pool, image, findings)?;
    }
    Ok(())
}

fn connection(client: &Librbd, findings: &mut Vec<Finding>) -> Result<Arc<Cluster>, Finding> {
    let user = &client.access.user;
    let connected = Cluster::connect(&client.access, Purpose::Manage(client.config.deadline()));
    let cluster = connected.map_err(|error| match &error {
        RbdError::Denied { .. } => Finding::bad("key", error.to_string(), "correct user and key"),
        RbdError::Invalid { .. } => Finding::bad("cluster", error.to_string(), "correct the settings"),
        _ => Finding::bad(
            "monitors",
            error.to_string(),
            "check addresses, ports (3300 and 6789) and the network between here and there",
        ),
    })?;
    findings.push(Finding::good("monitors", format!("{} answers", cluster.name())));
    findings.push(Finding::good("key", format!("accepted for client.{user}")));
    match cluster.fsid() {
        Ok(fsid) if client.access.fsid.is_some() => {
            findings.push(Finding::good("fsid", format!("{fsid}, as expected")))
        }
        Ok(fsid) => findings.push(Finding::good(
            "fsid",
            format!("{fsid}; set fsid to it to be sure of the cluster"),
        )),
        Err(error) => findings.push(Finding::warning("fsid", error.to_string(), "look at the message")),
    }
    if let Ok(addresses) = cluster.addresses() {
        findings.push(Finding::good(
            "address",
            format!("the cluster sees this client at {}", bare(&addresses)),
        ));
    }
    Ok(cluster)
}

/// What the monitors think of the cluster, as far as the user may ask.
fn monitors(cluster: &Cluster, findings: &mut Vec<Finding>) {
    let answer = cluster.ask_monitors(&json!({ "prefix": "health", "format": "json" }));
    let health = answer
        .ok()
        .and_then(|answer| serde_json::from_slice::<serde_json::Value>(&answer).ok());
    let Some(health) = health else {
        findings.push(Finding::warning(
            "health",
            "the user may not ask for it",
            "nothing has to be done; `profile rbd` as the capability of mon allows it",
        ));
        return;
    };
    let status = health["status"].as_str().unwrap_or("unknown");
    let checks: Vec<String> = health["checks"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, check)| format!("{name}: {}", check["summary"]["message"].as_str().unwrap_or_default()))
        .collect();
    let text = match checks.is_empty() {
        true => status.to_owned(),
        false => format!("{status} ({})", checks.join("; ")),
    };
    findings.push(match status {
        "HEALTH_OK" => Finding::good("health", text),
        "HEALTH_WARN" => Finding::warning("health", text, "look at `ceph status`"),
        _ => Finding::bad("health", text, "look at `ceph status`"),
    });
}

fn pool(client: &Librbd, cluster: &Arc<Cluster>, findings: &mut Vec<Finding>) -> Result<Arc<Pool>, Finding> {
    let found = cluster.pool(&client.config.pool, client.config.namespace.as_deref());
    let pool = found.map_err(|error| Finding::bad("pool", error.to_string(), "create it, or correct its name"))?;
    findings.push(Finding::good(
        "pool",
        format!("{} is number {}", pool.name(), pool.id()),
    ));
    if let Some(data) = &client.config.data_pool {
        let known = cluster.pools().is_ok_and(|pools| pools.contains(data));
        findings.push(match known {
            true => Finding::good("data pool", format!("{data} exists")),
            false => Finding::bad(
                "data pool",
                format!("{data} does not exist"),
                "create it, or correct its name",
            ),
        });
    }
    Ok(Arc::new(pool))
}

fn image_findings(pool: &Arc<Pool>, name: &str, findings: &mut Vec<Finding>) -> Result<(), Finding> {
    let as_finding = |error: RbdError| Finding::bad("image", error.to_string(), "check its name, or create it");
    let image = Image::open(pool, name, None, false).map_err(as_finding)?;
    let (size, features) = (image.size().map_err(as_finding)?, image.features().map_err(as_finding)?);
    findings.push(Finding::good(
        "image",
        format!("{} of {size} bytes, with {features}", image.name()),
    ));
    if let Err(error) = features.check_librbd(image.name()) {
        findings.push(Finding::bad("features", error.to_string(), "see the message"));
    }
    findings.push(match ownership::describe(&image) {
        Ok(None) => Finding::good("owner", "nobody"),
        Ok(Some(owner)) => Finding::warning(
            "owner",
            format!("owned by {owner}"),
            "close it there before opening it here, or take it over",
        ),
        Err(error) => Finding::warning("owner", error.to_string(), "look at the message"),
    });
    // Opening for writing registers a watch, which needs the right to write, and changes nothing.
    findings.push(right("write the image", Image::open(pool, name, None, true).map(drop)));
    Ok(())
}

fn right(what: &str, result: Result<()>) -> Finding {
    let check = format!("right to {what}");
    match result {
        Ok(()) => Finding::good(check, "granted"),
        Err(RbdError::Denied { detail, .. }) => Finding::bad(
            check,
            detail,
            "ceph auth caps client.NAME mon 'profile rbd' osd 'profile rbd pool=POOL'",
        ),
        Err(error) => Finding::warning(check, error.to_string(), "look at the message"),
    }
}
