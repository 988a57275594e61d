//! An image in a Ceph cluster: against qemu-nbd on librbd, and against fio on librbd without any NBD.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Result;
use testkit::{Ceph, ceph::Options};

use crate::{
    Settings,
    contender::Server,
    fio::{self, Target, WORKLOADS, Workload},
    processors::Halves,
    report::{Promise, Row, Run, Table},
    sample,
};

const SIZE: u64 = 512 << 20;
const IMAGE: &str = "disk";

pub(crate) async fn measure(settings: &Settings) -> Result<Vec<Table>> {
    let folder = tempfile::tempdir_in(&settings.folder)?;
    // In memory unless wanted otherwise: what is compared are clients, not the disk of this machine.
    let ceph = Ceph::start(Options {
        memory: !settings.bluestore,
        ..Options::default()
    })
    .await?;
    ceph.rbd(["create", "--size", &format!("{}B", SIZE), IMAGE]).await?;
    ceph.rbd([
        "bench",
        "--io-type",
        "write",
        "--io-size",
        "4M",
        "--io-total",
        &SIZE.to_string(),
        IMAGE,
    ])
    .await?;
    // The cluster is other machines in life, which do not take turns with their clients.
    if let Some(halves) = Halves::new()? {
        for daemon in ["mon.a", "osd.0"] {
            halves.service(ceph.daemon(daemon)?)?;
        }
        halves.client(std::process::id())?;
    }
    let config = configure(&ceph, folder.path())?;
    let conf = uncached(&ceph, folder.path())?;
    let bare_target = Target::Rbd {
        conf: &conf,
        user: ceph.user(),
        pool: ceph.pool(),
        image: IMAGE,
    };
    let (mut qemu, mut bare) = (Vec::new(), Vec::new());
    for workload in WORKLOADS {
        let (mut against_qemu, mut against_fio) = (Row::new(workload), Row::new(workload));
        if !against_qemu.name().contains(&settings.row) {
            continue;
        }
        for round in 1..=settings.rounds {
            eprintln!("ceph: {}, round {round} of {}", workload.name(), settings.rounds);
            let disk = format!("ceph/{IMAGE}");
            let server = Server::ours(&settings.program, &disk, Some(&config), folder.path()).await?;
            let ours = server.run(SIZE, workload, settings.duration).await?;
            against_qemu.ours.push(ours);
            against_fio.ours.push(ours);
            let image = format!("rbd:{}/{IMAGE}:conf={}:id={}", ceph.pool(), conf.display(), ceph.user());
            let server = Server::qemu_rbd(&image, folder.path()).await?;
            against_qemu
                .theirs
                .push(server.run(SIZE, workload, settings.duration).await?);
            against_fio.theirs.push(alone(bare_target, workload, settings).await?);
        }
        qemu.push(against_qemu);
        bare.push(against_fio);
    }
    let cluster = if settings.bluestore {
        "on BlueStore"
    } else {
        "in memory"
    };
    let table = |them: &str, promise, rows| Table {
        title: format!("A Ceph image of {} MiB {cluster}, against {them}", SIZE >> 20),
        them: them.to_owned(),
        promise,
        rows,
    };
    let promise = |throughput, cpu| Promise {
        throughput,
        cpu: Some(cpu),
    };
    Ok(vec![
        table("qemu-nbd on librbd", promise(0.95, 1.15), qemu),
        table("fio on librbd", promise(0.95, 1.15), bare),
    ])
}

/// fio on librbd: no server, no NBD. Its CPU time is that of its whole process, in which the load is made too, without what
/// starting and connecting take.
async fn alone(target: Target<'_>, workload: Workload, settings: &Settings) -> Result<Run> {
    let begin = sample::children()?;
    fio::start(target).await?;
    let before = sample::children()?;
    let load = fio::run(target, SIZE, workload, settings.duration).await?;
    let cpu = (sample::children()? - before) - (before - begin);
    Ok(Run {
        bytes: load.bytes,
        throughput: load.bytes as f64 / load.seconds,
        cpu_per_gib: Some(cpu / (load.bytes as f64 / f64::from(1 << 30))),
        service_cpu_per_gib: None,
        peak: None,
    })
}

/// The cluster's ceph.conf, with librbd's cache off as it is for us: a write that is complete is with the cluster.
fn uncached(ceph: &Ceph, folder: &Path) -> Result<PathBuf> {
    let path = folder.join("ceph.conf");
    let conf = fs::read_to_string(ceph.conf())?;
    fs::write(&path, format!("{conf}\n[client]\nrbd_cache = false\n"))?;
    Ok(path)
}

/// A configuration for our server. Its folders are the benchmark's own.
fn configure(ceph: &Ceph, folder: &Path) -> Result<PathBuf> {
    let home = folder.display();
    let path = folder.join("gadget-manager.toml");
    fs::write(
        &path,
        format!(
            "state_dir = \"{home}/state\"\nrun_dir = \"{home}/run\"\n\n\
             [[store]]\nname = \"ceph\"\ntype = \"rbd\"\npool = \"{}\"\nconf_file = \"{}\"\nuser = \"{}\"\n\
             keyring_file = \"{}\"\n",
            ceph.pool(),
            ceph.conf().display(),
            ceph.user(),
            ceph.keyring(ceph.user()).display(),
        ),
    )?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(path)
}
