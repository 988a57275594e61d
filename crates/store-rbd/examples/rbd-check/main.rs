//! Tries the kernel's client on a real kernel and a real cluster. Needs root, and librbd to make the images.
//!
//! `rbd-check [--operations N] GROUP...`, with what is needed to reach the cluster on the input, as `NAME=VALUE` lines:
//! `monitors`, `user`, `key`, `pool`, `data_pool`. Groups: `owners`, `abilities`, and the conformance suite with images of a kind:
//! `usual`, `data-pool`, `clone`, all cases or, as `clone:zeroes,discard`, some. Each check is a line of the output; the exit code is 0 if all went well.
//! See `ci/scenarios/rbd-kernel-abilities.sh`.

mod behaviour;
mod cluster;
mod conformance;
mod leftovers;

use std::{process::exit, time::Instant};

use anyhow::{Context, Result, bail};

use cluster::Cluster;

/// Prints how a check went, and how long it took; whether it went well.
pub(crate) fn tell(name: &str, begin: Instant, result: &Result<()>) -> bool {
    let seconds = begin.elapsed().as_secs_f64();
    match result {
        Ok(()) => println!("{name}: ok ({seconds:.1} s)"),
        Err(error) => println!("{name}: FAILED ({seconds:.1} s): {error:#}"),
    }
    result.is_ok()
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut operations = 200;
    let mut groups = Vec::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--operations" => {
                let number = words.next().context("--operations wants a number")?;
                operations = number.parse().context("--operations wants a number")?;
            }
            _ => groups.push(word),
        }
    }
    let cluster = Cluster::from_input(&std::io::read_to_string(std::io::stdin())?)?;
    if let [leave, identity, image] = &groups[..]
        && leave == "leave"
    {
        return leftovers::leave(&cluster, identity, image).await;
    }
    let mut good = true;
    for group in &groups {
        let (name, cases) = group.split_once(':').unwrap_or((group, ""));
        good &= match name {
            "owners" => behaviour::owners(&cluster).await,
            "abilities" => behaviour::abilities(&cluster).await,
            kind => match conformance::Kind::by_name(kind) {
                Some(kind) => conformance::run(&cluster, kind, operations, cases).await?,
                None => bail!("there is no group {kind}"),
            },
        };
    }
    // Without waiting for threads that librbd may still have.
    exit(i32::from(!good))
}
