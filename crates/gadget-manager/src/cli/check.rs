//! `check`: is the configuration usable?

use std::path::Path;

use serde_json::json;

use crate::{
    config::{self, Loaded, Problem},
    exit::{Code, Failure},
};

/// Judges the configuration at `file` and prints the verdict.
pub(super) fn check(file: &Path, json: bool) -> Result<(), Failure> {
    let result = config::load(file);
    if json {
        let (file, errors, warnings) = match &result {
            Ok(loaded) => (&loaded.file, &[][..], &loaded.warnings[..]),
            Err(error) => (&error.file, &error.problems[..], &[][..]),
        };
        let report = json!({ "file": file, "usable": errors.is_empty(), "errors": errors, "warnings": warnings });
        println!("{report:#}");
        // The report has said everything already.
        return result.map(|_| ()).map_err(|_| Failure::Reported(Code::Config));
    }
    let Loaded {
        file, config, warnings, ..
    } = result?;
    for Problem { line, message, remedy } in &warnings {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        let remedy = remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
        println!("{}{line}: warning: {message}{remedy}", file.display());
    }
    let luns = config.gadget.as_ref().map_or(0, |gadget| gadget.luns.len());
    println!(
        "{}: usable: {} stores, {} disks, {} NBD servers, {luns} LUNs",
        file.display(),
        config.stores.len(),
        config.disks.len(),
        config.nbd.len(),
    );
    Ok(())
}
