//! `doctor`: prints what an examination of everything found.

use std::io::IsTerminal;

use block::store::Verdict;
use serde_json::json;

use crate::{
    config::{ConfigError, Loaded},
    doctor::{self, Chapter},
    exit::{Code, Failure},
};

/// Examines everything and prints what was found.
///
/// # Errors
///
/// [`Code::Findings`] if anything does not work.
pub(super) async fn doctor(loaded: Result<Loaded, ConfigError>, json: bool) -> Result<(), Failure> {
    let chapters = doctor::examine(loaded.as_ref(), &|_, _| {}).await;
    let bad = chapters
        .iter()
        .flat_map(|chapter| &chapter.findings)
        .any(|finding| finding.verdict == Verdict::Bad);
    if json {
        let chapters: Vec<_> = chapters
            .iter()
            .map(|chapter| json!({ "chapter": chapter.heading, "findings": chapter.findings }))
            .collect();
        println!("{:#}", json!({ "healthy": !bad, "chapters": chapters }));
    } else {
        print(&chapters);
    }
    if bad {
        Err(Failure::Reported(Code::Findings))
    } else {
        Ok(())
    }
}

fn print(chapters: &[Chapter]) {
    let color = std::io::stdout().is_terminal();
    let mark = |verdict| match (verdict, color) {
        (Verdict::Good, true) => "\x1b[32mok\x1b[0m     ",
        (Verdict::Warning, true) => "\x1b[33mlook at\x1b[0m",
        (Verdict::Bad, true) => "\x1b[31mBROKEN\x1b[0m ",
        (Verdict::Good, false) => "ok     ",
        (Verdict::Warning, false) => "look at",
        (Verdict::Bad, false) => "BROKEN ",
    };
    for chapter in chapters {
        println!("{}", chapter.heading);
        for finding in &chapter.findings {
            println!("  {} {}: {}", mark(finding.verdict), finding.check, finding.detail);
            if let Some(remedy) = &finding.remedy {
                println!("          → {remedy}");
            }
        }
    }
}
