//! What is particular to the kernel's client.

use std::{fs, future::Future, time::Duration, time::Instant};

use anyhow::{Context, Result, bail, ensure};
use block::{
    BlockError, Disk, Health, Payload, WriteFlags,
    store::{OpenOptions, Store, StoreError, Verdict},
};
use store_rbd::ClientKind;
use testkit::disks::{MIB, unique};

use crate::{
    cluster::{Cluster, create, open},
    leftovers::{
        what_a_dead_process_left_is_used_again, what_may_be_out_of_date_is_mapped_anew, what_others_left_is_left_alone,
    },
    tell,
};

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs checks one after the other; whether all went well.
macro_rules! checks {
    ($cluster:ident: $($name:ident)+) => {{
        let mut good = true;
        $(
            let begin = Instant::now();
            let result = match tokio::time::timeout(LIMIT, $name($cluster)).await {
                Ok(result) => result,
                Err(_) => Err(anyhow::anyhow!("did not end within {LIMIT:?}")),
            };
            good &= tell(stringify!($name), begin, &result);
        )+
        good
    }};
}

/// Who has an image, and what remains of those who had.
pub(crate) async fn owners(cluster: &Cluster) -> bool {
    checks! { cluster:
        a_second_owner_is_refused
        another_client_that_keeps_the_lock_is_named
        who_is_taken_over_is_fenced
        taking_over_fences_the_owner
        a_dropped_disk_is_unmapped
        what_a_dead_process_left_is_used_again
        what_may_be_out_of_date_is_mapped_anew
        what_others_left_is_left_alone
    }
}

/// What the kernel's client can do and what it refuses.
pub(crate) async fn abilities(cluster: &Cluster) -> bool {
    checks! { cluster:
        the_key_is_nowhere
        what_the_kernel_cannot_honour_is_refused_by_name
        a_snapshot_is_read_only
        a_resize_elsewhere_is_noticed
        discarded_space_is_given_back
        what_does_not_exist_is_said
        a_wrong_key_is_refused
        another_cluster_is_refused
        doctor_says_what_is_used
    }
}

/// A new image of so many MiB.
pub(crate) async fn image(cluster: &Cluster, what: &str, mib: u64) -> Result<String> {
    let name = unique(what);
    create(&cluster.kernel(), &name, mib * MIB).await?;
    Ok(name)
}

pub(crate) async fn write(disk: &Disk, at: u64, byte: u8) -> Result<(), BlockError> {
    disk.write(at, Payload::from(vec![byte; 8192]), WriteFlags::default())
        .await
}

/// Waits for a condition.
async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    while !condition().await {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The lines with which images are mapped on this machine, and their numbers.
pub(crate) fn mapped() -> Vec<String> {
    let entries = fs::read_dir("/sys/bus/rbd/devices").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::read_to_string(entry.path().join("config_info")).ok())
        .collect()
}

pub(crate) fn refused(result: Result<Disk>) -> Result<StoreError> {
    let error = result.err().context("it was opened")?;
    error.downcast::<StoreError>()
}

async fn the_key_is_nowhere(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "secret", 4).await?;
    let disk = open(&cluster.kernel(), &name, &OpenOptions::default()).await?;
    let lines = mapped();
    ensure!(lines.iter().any(|line| line.contains(&name)), "{lines:?}");
    let key = cluster.fact("key");
    ensure!(!lines.iter().any(|line| line.contains(key) || line.contains("secret=")));
    let keys = fs::read_to_string("/proc/keys").unwrap_or_default();
    ensure!(!keys.contains("cloud-stick"), "the key stays in the kernel: {keys}");
    disk.close().await?;
    ensure!(!mapped().iter().any(|line| line.contains(&name)), "it stays mapped");
    Ok(())
}

async fn a_second_owner_is_refused(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "owned", 4).await?;
    let disk = open(&cluster.kernel(), &name, &OpenOptions::default()).await?;
    let other = cluster.store(ClientKind::Kernel, "attic", |_| {});
    for store in [&other, &cluster.librbd(), &cluster.kernel()] {
        let error = refused(open(store, &name, &OpenOptions::default()).await)?;
        ensure!(matches!(error, StoreError::InUse { .. }), "{error}");
    }
    write(&disk, 0, 1).await?;
    // Reading is for everybody.
    let options = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    let reader = open(&other, &name, &options).await?;
    ensure!(reader.read(0, 512).await?.to_vec() == [1; 512]);
    ensure!(matches!(write(&reader, 0, 2).await, Err(BlockError::ReadOnly { .. })));
    reader.close().await?;
    disk.close().await?;
    let disk = open(&other, &name, &OpenOptions::default()).await?;
    disk.close().await?;
    Ok(())
}

async fn another_client_that_keeps_the_lock_is_named(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "kept", 4).await?;
    let disk = open(&cluster.librbd(), &name, &OpenOptions::default()).await?;
    let error = refused(open(&cluster.kernel(), &name, &OpenOptions::default()).await)?;
    ensure!(
        matches!(&error, StoreError::InUse { owner, .. } if owner.contains("attic")),
        "{error}"
    );
    disk.close().await?;
    open(&cluster.kernel(), &name, &OpenOptions::default())
        .await?
        .close()
        .await?;
    Ok(())
}

async fn who_is_taken_over_is_fenced(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "taken", 4).await?;
    let disk = open(&cluster.kernel(), &name, &OpenOptions::default()).await?;
    let idle_name = image(cluster, "idle", 4).await?;
    let idle = open(&cluster.kernel(), &idle_name, &OpenOptions::default()).await?;
    let bystander_name = image(cluster, "bystander", 4).await?;
    let bystander = open(&cluster.kernel(), &bystander_name, &OpenOptions::default()).await?;
    write(&disk, 0, 1).await?;
    let take = OpenOptions {
        take_over: true,
        ..OpenOptions::default()
    };
    let taker = open(&cluster.librbd(), &name, &take).await?;
    let idle_taker = open(&cluster.librbd(), &idle_name, &take).await?;
    write(&taker, 0, 2).await?;
    let error = write(&disk, 0, 3).await.err().context("a fenced owner wrote")?;
    ensure!(matches!(error, BlockError::Fenced { .. }), "{error}");
    ensure!(matches!(disk.read(0, 512).await, Err(BlockError::Fenced { .. })));
    ensure!(matches!(disk.status().borrow().health, Health::Fenced { .. }));
    ensure!(
        taker.read(0, 512).await?.to_vec() == [2; 512],
        "a fenced owner changed something"
    );
    // One that does nothing learns it as well.
    let status = idle.status();
    until(|| async { matches!(status.borrow().health, Health::Fenced { .. }) }).await;
    // Each disk has a connection of its own.
    write(&bystander, 0, 4).await?;
    bystander.close().await?;
    ensure!(matches!(disk.close().await, Err(BlockError::Fenced { .. })));
    ensure!(matches!(idle.close().await, Err(BlockError::Fenced { .. })));
    taker.close().await?;
    idle_taker.close().await?;
    ensure!(!mapped().iter().any(|line| line.contains(&name)), "it stays mapped");
    Ok(())
}

async fn taking_over_fences_the_owner(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "grabbed", 4).await?;
    let owner = open(&cluster.librbd(), &name, &OpenOptions::default()).await?;
    write(&owner, 0, 1).await?;
    let take = OpenOptions {
        take_over: true,
        ..OpenOptions::default()
    };
    let disk = open(&cluster.kernel(), &name, &take).await?;
    write(&disk, 0, 2).await?;
    // Whether librbd says so at once, or leaves the write waiting until the disk's deadline, is librbd's affair.
    match tokio::time::timeout(Duration::from_secs(20), write(&owner, 0, 3)).await {
        Ok(Ok(())) => bail!("a fenced owner wrote"),
        Ok(Err(error)) => ensure!(matches!(error, BlockError::Fenced { .. }), "{error}"),
        Err(_) => println!("(the fenced owner's write is still waiting)"),
    }
    ensure!(disk.read(0, 512).await?.to_vec() == [2; 512]);
    disk.close().await?;
    Ok(())
}

async fn what_the_kernel_cannot_honour_is_refused_by_name(cluster: &Cluster) -> Result<()> {
    for (features, word) in [
        (vec!["layering", "exclusive-lock", "journaling"], "journaling"),
        (vec!["layering"], "exclusive-lock"),
    ] {
        let features: Vec<String> = features.into_iter().map(str::to_owned).collect();
        let store = cluster.store(ClientKind::Kernel, "kitchen", |config| config.features = Some(features));
        let name = unique("features");
        create(&store, &name, 4 * MIB).await?;
        let error = refused(open(&store, &name, &OpenOptions::default()).await)?;
        ensure!(matches!(error, StoreError::Unsupported { .. }), "{error}");
        ensure!(error.to_string().contains(word), "{error}");
    }
    Ok(())
}

async fn a_snapshot_is_read_only(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "past", 4).await?;
    let store = cluster.store(ClientKind::Kernel, "kitchen", |config| config.lend_lock = true);
    let disk = open(&store, &name, &OpenOptions::default()).await?;
    write(&disk, 0, 1).await?;
    disk.flush().await?;
    store.snapshot(&name, Some("may")).await?;
    write(&disk, 0, 2).await?;
    let snapshot = format!("{name}@may");
    let (past, again) = (
        open(&store, &snapshot, &OpenOptions::default()).await?,
        open(&store, &snapshot, &OpenOptions::default()).await?,
    );
    ensure!(past.properties().read_only && past.generation().is_none());
    past.close().await?;
    ensure!(again.read(0, 512).await?.to_vec() == [1; 512]);
    ensure!(matches!(write(&again, 0, 3).await, Err(BlockError::ReadOnly { .. })));
    again.close().await?;
    ensure!(!mapped().iter().any(|line| line.contains("may")), "it stays mapped");
    let error = refused(open(&store, &format!("{name}@june"), &OpenOptions::default()).await)?;
    ensure!(matches!(error, StoreError::NotFound { .. }), "{error}");
    disk.close().await?;
    Ok(())
}

async fn a_resize_elsewhere_is_noticed(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "grown", 4).await?;
    let options = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    let disk = open(&cluster.kernel(), &name, &options).await?;
    let mut status = disk.status();
    for mib in [12] {
        cluster.librbd().resize(&name, mib * MIB).await?;
        status.wait_for(|status| status.size == mib * MIB).await?;
        ensure!(disk.properties().size == mib * MIB);
        ensure!(disk.read(mib * MIB - 512, 512).await?.is_zero());
        let error = disk
            .read(mib * MIB, 512)
            .await
            .err()
            .context("it was read beyond the end")?;
        ensure!(matches!(error, BlockError::OutOfRange { .. }), "{error}");
    }
    disk.close().await?;
    // The one writer keeps its lock, without which nobody can resize.
    let disk = open(&cluster.kernel(), &name, &OpenOptions::default()).await?;
    let error = cluster
        .librbd()
        .resize(&name, MIB)
        .await
        .err()
        .context("it was resized")?;
    ensure!(matches!(error, StoreError::InUse { .. }), "{error}");
    ensure!(matches!(disk.resize(MIB).await, Err(BlockError::Unsupported { .. })));
    disk.close().await?;
    Ok(())
}

async fn discarded_space_is_given_back(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "thin", 16).await?;
    let store = cluster.kernel();
    let disk = open(&store, &name, &OpenOptions::default()).await?;
    for at in (0..16).map(|mib| mib * MIB) {
        disk.write(at, Payload::from(vec![7; MIB as usize]), WriteFlags::default())
            .await?;
    }
    disk.discard(4 * MIB, 8 * MIB).await?;
    disk.discard(MIB + 512, 512).await?;
    ensure!(disk.read(MIB + 512, 512).await?.is_zero() && !disk.read(MIB + 1024, 512).await?.is_zero());
    disk.close().await?;
    let allocated = store.info(&name.parse()?).await?.allocated;
    ensure!(allocated == Some(8 * MIB), "{allocated:?} bytes are in use");
    Ok(())
}

async fn what_does_not_exist_is_said(cluster: &Cluster) -> Result<()> {
    let error = refused(open(&cluster.kernel(), "nothing", &OpenOptions::default()).await)?;
    ensure!(matches!(error, StoreError::NotFound { .. }), "{error}");
    let elsewhere = cluster.store(ClientKind::Kernel, "kitchen", |config| {
        config.pool = "nowhere".to_owned()
    });
    let error = refused(open(&elsewhere, "nothing", &OpenOptions::default()).await)?;
    ensure!(matches!(error, StoreError::NotFound { .. }), "{error}");
    Ok(())
}

async fn a_wrong_key_is_refused(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "locked", 4).await?;
    let stranger = cluster.store(ClientKind::Kernel, "kitchen", |config| {
        config.user = Some("stranger".to_owned())
    });
    let error = refused(open(&stranger, &name, &OpenOptions::default()).await)?;
    ensure!(matches!(error, StoreError::Block(BlockError::Denied { .. })), "{error}");
    ensure!(!error.to_string().contains(cluster.fact("key")));
    Ok(())
}

async fn another_cluster_is_refused(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "elsewhere", 4).await?;
    let wrong = cluster.store(ClientKind::Kernel, "kitchen", |config| {
        config.fsid = Some("9b3a2f4e-1c5d-4b6a-8f7e-0a1b2c3d4e5f".to_owned());
    });
    for read_only in [false, true] {
        let options = OpenOptions {
            read_only,
            ..OpenOptions::default()
        };
        let error = refused(open(&wrong, &name, &options).await)?;
        ensure!(error.to_string().contains("it is the cluster"), "{error}");
    }
    ensure!(!mapped().iter().any(|line| line.contains(&name)), "it stays mapped");
    Ok(())
}

async fn a_dropped_disk_is_unmapped(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "dropped", 4).await?;
    let disk = open(&cluster.kernel(), &name, &OpenOptions::default()).await?;
    let first = disk.generation();
    let slow = disk.clone();
    // Its future is dropped as well, while the kernel works on it.
    let _ = tokio::time::timeout(Duration::from_millis(1), write(&slow, 0, 1)).await;
    drop((disk, slow));
    until(|| async { !mapped().iter().any(|line| line.contains(&name)) }).await;
    let disk = open(&cluster.kernel(), &name, &OpenOptions::default()).await?;
    ensure!(disk.generation() > first, "{first:?} and {:?}", disk.generation());
    disk.close().await?;
    Ok(())
}

async fn doctor_says_what_is_used(cluster: &Cluster) -> Result<()> {
    let name = image(cluster, "checked", 4).await?;
    for image in [None, Some(name.as_str())] {
        let findings = cluster.kernel().diagnose(image).await;
        let text = format!("{findings:?}");
        ensure!(findings.iter().all(|finding| finding.verdict != Verdict::Bad), "{text}");
        ensure!(text.contains("the kernel's, as the settings say"), "{text}");
    }
    let findings = cluster.kernel().diagnose(Some("nothing")).await;
    ensure!(
        findings.iter().any(|finding| finding.verdict == Verdict::Bad),
        "{findings:?}"
    );
    Ok(())
}
