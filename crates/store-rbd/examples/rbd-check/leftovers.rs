//! What becomes of the mapping of a process that ended without closing its disk.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio, exit},
};

use anyhow::{Context, Result, ensure};
use block::{
    BlockError,
    store::{OpenOptions, StoreError},
};
use store_rbd::ClientKind;

use crate::{
    behaviour::{image, mapped, refused, write},
    cluster::{Cluster, open},
};

/// In a process of its own: opens an image as `identity`, writes, says which generation it is, and ends as it stands.
pub(crate) async fn leave(cluster: &Cluster, identity: &str, image: &str) -> Result<()> {
    let store = cluster.store(ClientKind::Kernel, identity, |_| {});
    let disk = open(&store, image, &OpenOptions::default()).await?;
    write(&disk, 0, 1).await?;
    println!("{}", disk.generation().context("a generation")?);
    exit(0)
}

/// Has another process leave a mapping; its generation.
fn left(cluster: &Cluster, identity: &str, image: &str) -> Result<u64> {
    let mut process = Command::new(std::env::current_exe()?)
        .args(["leave", identity, image])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = process.stdin.take().context("an input")?;
    input.write_all(cluster.to_input().as_bytes())?;
    drop(input);
    let output = process.wait_with_output()?;
    ensure!(output.status.success(), "the other process failed");
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

pub(crate) async fn what_a_dead_process_left_is_used_again(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "left", 4).await?;
    let generation = left(cluster, "kitchen", &name)?;
    let disk = open(&cluster.kernel(), &name, &OpenOptions::default()).await?;
    ensure!(disk.generation() == Some(generation), "it was mapped anew");
    ensure!(disk.read(0, 512).await?.to_vec() == [1; 512]);
    write(&disk, 0, 2).await?;
    disk.close().await?;
    ensure!(!mapped().iter().any(|line| line.contains(&name)), "it stays mapped");
    Ok(())
}

pub(crate) async fn what_may_be_out_of_date_is_mapped_anew(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "stale", 4).await?;
    // Other settings than now.
    let generation = left(cluster, "kitchen", &name)?;
    let patient = cluster.store(ClientKind::Kernel, "kitchen", |config| config.deadline_seconds += 1);
    let disk = open(&patient, &name, &OpenOptions::default()).await?;
    ensure!(
        disk.generation() > Some(generation),
        "a mapping with other settings was used"
    );
    disk.close().await?;
    // Nobody knows when it was last looked after.
    let generation = left(cluster, "kitchen", &name)?;
    fs::remove_dir_all("/run/rbd-check")?;
    let disk = open(&cluster.kernel(), &name, &OpenOptions::default()).await?;
    ensure!(
        disk.generation() > Some(generation),
        "a mapping that nobody looked after was used"
    );
    ensure!(mapped().iter().filter(|line| line.contains(&name)).count() == 1);
    disk.close().await?;
    // It was taken over meanwhile.
    let generation = left(cluster, "kitchen", &name)?;
    let take = OpenOptions {
        take_over: true,
        ..OpenOptions::default()
    };
    let taker = open(&cluster.librbd(), &name, &take).await?;
    let error = refused(open(&cluster.kernel(), &name, &OpenOptions::default()).await)?;
    ensure!(matches!(error, StoreError::InUse { .. }), "{error}");
    write(&taker, 0, 3).await?;
    taker.close().await?;
    let disk = open(&cluster.kernel(), &name, &OpenOptions::default()).await?;
    ensure!(disk.generation() > Some(generation), "a fenced mapping was used");
    ensure!(disk.read(0, 512).await?.to_vec() == [3; 512]);
    disk.close().await?;
    Ok(())
}

pub(crate) async fn what_others_left_is_left_alone(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "theirs", 4).await?;
    left(cluster, "cellar", &name)?;
    let error = refused(open(&cluster.kernel(), &name, &OpenOptions::default()).await)?;
    ensure!(matches!(error, StoreError::InUse { .. }), "{error}");
    ensure!(mapped().iter().any(|line| line.contains(&name)), "it was unmapped");
    // It is used again by whom it belongs to.
    let cellar = cluster.store(ClientKind::Kernel, "cellar", |_| {});
    let disk = open(&cellar, &name, &OpenOptions::default()).await?;
    let closed: Result<(), BlockError> = disk.close().await;
    closed?;
    Ok(())
}
