//! Checks of the kernel's client, changing nothing that matters.

use block::store::{Finding, ImageRef};
use tokio::task::spawn_blocking;

use super::{
    Kernel, failed,
    line::{Line, Purpose, key_of},
    mark::is_of_our_kind,
    turns::Turn,
};
use crate::error::RbdError;

/// A name that no image has: the answer that it does not exist says that all else is well.
const NO_IMAGE: &str = "cloud-stick.no-such-image";

pub(super) async fn diagnose(kernel: &Kernel, image: Option<&str>) -> Vec<Finding> {
    let (kernel, image) = (kernel.clone(), image.map(str::to_owned));
    let thread = spawn_blocking(move || {
        let mut findings = Vec::new();
        // A failure is the last finding.
        if let Err(finding) = look(&kernel, image.as_deref(), &mut findings) {
            findings.push(finding);
        }
        findings
    });
    let findings = thread.await;
    findings.unwrap_or_else(|error| vec![Finding::bad("kernel", failed(&error).to_string(), "report this")])
}

fn look(kernel: &Kernel, image: Option<&str>, findings: &mut Vec<Finding>) -> Result<(), Finding> {
    let bus = &kernel.mapper.bus;
    bus.load()
        .map_err(|error| Finding::bad("kernel", error.to_string(), "run: modprobe rbd"))?;
    findings.push(Finding::good(
        "kernel",
        match bus.supported_features() {
            Some(features) => format!("its rbd client can use {features}"),
            None => "has an rbd client".to_owned(),
        },
    ));
    for entry in bus.entries() {
        let line = entry.line().unwrap_or_default();
        if let (Some(target), true) = (entry.target(), key_of(&line).is_some_and(is_of_our_kind)) {
            let detail = format!("{} is {target}, mapped by a program like this", entry.node().display());
            findings.push(Finding::good("mapping", detail));
        }
    }
    let reference = ImageRef::live(image.unwrap_or(NO_IMAGE));
    let bad = |error: RbdError| match &error {
        RbdError::Denied { .. } => Finding::bad("key", error.to_string(), "correct user, key and capabilities"),
        RbdError::Unreachable { .. } => Finding::bad(
            "monitors",
            error.to_string(),
            "check addresses, ports (3300 and 6789) and the network between here and there",
        ),
        RbdError::Invalid { .. } => Finding::bad("settings", error.to_string(), "correct them"),
        _ => Finding::bad("image", error.to_string(), "check its name, or create it"),
    };
    let line = Line::new(&kernel.config, &kernel.access, &reference, Purpose::Look).map_err(bad)?;
    let looked = {
        let _turn = Turn::take(&line.target());
        kernel.look(&reference)
    };
    match (looked, image) {
        (Ok(facts), _) => {
            let features = facts.features;
            let detail = format!("{} of {} bytes, with {features}", line.target(), facts.size);
            findings.push(Finding::good("image", detail));
            if let Err(error) = features.check_kernel(&line.target(), bus.supported_features()) {
                findings.push(Finding::bad("features", error.to_string(), "see the message"));
            }
            Ok(())
        }
        (Err(RbdError::NotFound { .. }), None) => {
            let detail = format!("a monitor answers and accepts client.{}", kernel.access.user);
            findings.push(Finding::good("key", detail));
            Ok(())
        }
        (Err(error), _) => Err(bad(error)),
    }
}
