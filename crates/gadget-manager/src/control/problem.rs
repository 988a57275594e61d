//! Errors of the rest of the program, as the page shows them.

use block::{BlockError, store::StoreError};
use web::api::{Problem, ProblemCode};

use crate::{
    config::ConfigError,
    daemon::{ApplyError, usb::OrderError},
};

/// A fault of ours, or of the machine.
pub(crate) fn internal(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::Internal, detail).remedy("look at the log; see that the card is not full or read-only")
}

/// Something that is not there.
pub(super) fn not_found(what: &str, name: &str) -> Problem {
    Problem::new(ProblemCode::NotFound, format!("there is no {what} \"{name}\"")).about(name)
}

/// What a store said.
pub(crate) fn of_store(error: &StoreError) -> Problem {
    let some = |problem: Problem, remedy: &str| match remedy {
        "" => problem,
        remedy => problem.remedy(remedy),
    };
    match error {
        StoreError::NotFound { object, remedy } => some(
            Problem::new(ProblemCode::NotFound, format!("{object} does not exist")).about(object),
            remedy,
        ),
        StoreError::AlreadyExists { object } => {
            Problem::new(ProblemCode::AlreadyExists, format!("{object} exists already"))
                .remedy("choose another name, or delete it first")
                .about(object)
        }
        StoreError::InUse { object, owner, remedy } => some(
            Problem::new(ProblemCode::InUse, format!("{object} is in use by {owner}")).about(object),
            remedy,
        ),
        StoreError::Invalid { object, detail } => {
            Problem::new(ProblemCode::Invalid, format!("{object}: {detail}")).about(object)
        }
        StoreError::Unsupported {
            object,
            operation,
            remedy,
        } => some(
            Problem::new(
                ProblemCode::Unsupported,
                format!("{object}: {operation} is not supported"),
            )
            .about(object),
            remedy,
        ),
        StoreError::Block(error) => of_block(error),
    }
}

/// What a disk said.
pub(crate) fn of_block(error: &BlockError) -> Problem {
    let (code, remedy) = match error {
        BlockError::OutOfRange { .. } | BlockError::Misaligned { .. } => (ProblemCode::Invalid, None),
        BlockError::ReadOnly { .. } => (ProblemCode::ReadOnly, Some("allow writing first")),
        BlockError::NoSpace { .. } => (ProblemCode::NoSpace, Some("make room there")),
        BlockError::Denied { .. } => (
            ProblemCode::Denied,
            Some("check the key or signature of the store, and its rights"),
        ),
        BlockError::Unreachable { .. } => (
            ProblemCode::Unreachable,
            Some("check the network and the address of the store; it is tried again by itself"),
        ),
        BlockError::Fenced { .. } => (
            ProblemCode::Fenced,
            Some("take it over once the other device does not need it any more"),
        ),
        BlockError::Corrupt { .. } => (ProblemCode::Corrupt, Some("go back to a snapshot")),
        BlockError::Unsupported { .. } => (ProblemCode::Unsupported, None),
        BlockError::Io { .. } => (ProblemCode::Internal, Some("look at the log")),
    };
    let problem = Problem::new(code, error.to_string()).about(error.disk());
    match remedy {
        Some(remedy) => problem.remedy(remedy),
        None => problem,
    }
}

/// What is wrong with a configuration. It never quotes a secret.
pub(super) fn of_config(error: &ConfigError) -> Problem {
    let details: Vec<&str> = error.problems.iter().map(|problem| problem.message.as_str()).collect();
    let problem = Problem::new(ProblemCode::Invalid, details.join("; "));
    match error.problems.iter().find_map(|problem| problem.remedy.as_ref()) {
        Some(remedy) => problem.remedy(remedy),
        None => problem,
    }
}

/// Why a configuration could not be put in force.
pub(super) fn of_apply(error: &ApplyError) -> Problem {
    let problem = Problem::new(ProblemCode::Conflict, error.to_string());
    match error {
        ApplyError::NeedsRestart(_) => problem.remedy("change it in the file, then restart the daemon"),
        ApplyError::Stopping => problem.remedy("try again when the device is up"),
    }
}

/// Why the stick did not do what was ordered.
pub(super) fn of_order(error: &OrderError) -> Problem {
    use gadget::GadgetError;
    match error {
        OrderError::NoStick => Problem::new(ProblemCode::Conflict, error.to_string())
            .remedy("see what the state of the stick says, and try again"),
        OrderError::Late => Problem::new(ProblemCode::Timeout, error.to_string())
            .remedy("see that its disks' stores answer, and try again"),
        OrderError::Gadget(GadgetError::NoSuchLun { .. }) => Problem::new(ProblemCode::NotFound, error.to_string()),
        OrderError::Gadget(GadgetError::Locked { .. }) => {
            Problem::new(ProblemCode::InUse, "the USB host is using the medium and has locked it")
                .remedy("eject it there first, or force it and risk what the host has not written yet")
        }
        OrderError::Gadget(GadgetError::NotRemovable { .. }) => Problem::new(ProblemCode::Conflict, error.to_string()),
        OrderError::Gadget(error) => Problem::new(ProblemCode::Internal, error.to_string()),
    }
}
