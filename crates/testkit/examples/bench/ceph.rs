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
    report::{Promise, Row, Run, Table},
};

const SIZE: u64 = 512 << 20;
const IMAGE: &str = "disk";

pub(crate) async fn measure(settings: &Settings) -> Result<Vec<Table>> {
    let folder = tempfile::tempdir_in(&settings.folder)?;
    // In memory: what is compared are clients, not the disk of this machine.
    let ceph = Ceph::start(Options {
        memory: true,
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
    let config = configure(&ceph, folder.path())?;
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
            let image = format!(
                "rbd:{}/{IMAGE}:conf={}:id={}",
                ceph.pool(),
                ceph.conf().display(),
                ceph.user()
            );
            let server = Server::qemu_rbd(&image, folder.path()).await?;
            against_qemu
                .theirs
                .push(server.run(SIZE, workload, settings.duration).await?);
            against_fio.theirs.push(alone(&ceph, workload, settings).await?);
        }
        qemu.push(against_qemu);
        bare.push(against_fio);
    }
    let table = |them: &str, promise, rows| Table {
        title: format!("A Ceph image of {} MiB, against {them}", SIZE >> 20),
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

/// fio on librbd: no server, no NBD; its CPU is that of the load too.
async fn alone(ceph: &Ceph, workload: Workload, settings: &Settings) -> Result<Run> {
    let conf = ceph.conf();
    let target = Target::Rbd {
        conf: &conf,
        user: ceph.user(),
        pool: ceph.pool(),
        image: IMAGE,
    };
    let load = fio::run(target, SIZE, workload, settings.duration).await?;
    Ok(Run {
        bytes: load.bytes,
        throughput: load.bytes as f64 / load.seconds,
        cpu_per_gib: Some(load.cpu / (load.bytes as f64 / f64::from(1 << 30))),
        service_cpu_per_gib: None,
        peak: None,
    })
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
