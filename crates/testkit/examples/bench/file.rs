//! `store-file` against qemu-nbd on the same file.

use std::{fs::File, io::Write, os::unix::fs::FileExt, path::Path};

use anyhow::{Context, Result};

use crate::{
    Settings,
    contender::Server,
    fio::WORKLOADS,
    report::{Promise, Row, Table},
};

const SIZE: u64 = 512 << 20;

pub(crate) async fn measure(settings: &Settings) -> Result<Table> {
    let folder = tempfile::tempdir_in(&settings.folder)
        .with_context(|| format!("cannot write to {}", settings.folder.display()))?;
    let image = folder.path().join("disk.img");
    fill(&image)?;
    let disk = format!("file:{}", image.display());
    let mut rows = Vec::new();
    for workload in WORKLOADS {
        let mut row = Row::new(workload);
        if !row.name().contains(&settings.row) {
            continue;
        }
        for round in 1..=settings.rounds {
            eprintln!("file: {}, round {round} of {}", workload.name(), settings.rounds);
            settle(&image)?;
            let server = Server::ours(&settings.program, &disk, None, folder.path()).await?;
            row.ours.push(server.run(SIZE, workload, settings.duration).await?);
            settle(&image)?;
            let server = Server::qemu_nbd(&image, folder.path()).await?;
            row.theirs.push(server.run(SIZE, workload, settings.duration).await?);
        }
        rows.push(row);
    }
    Ok(Table {
        title: format!("A local file of {} MiB, against qemu-nbd", SIZE >> 20),
        them: "qemu-nbd".to_owned(),
        promise: Promise {
            throughput: 0.8,
            cpu: Some(1.3),
        },
        rows,
    })
}

/// Fully allocated and in the page cache, so that neither server allocates or waits for the disk.
fn fill(image: &Path) -> Result<()> {
    let mut file = File::create(image)?;
    let mut block = vec![0; 1 << 20];
    for (index, byte) in block.iter_mut().enumerate() {
        *byte = (index * 31 + index / 509) as u8;
    }
    for _ in 0..SIZE >> 20 {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    Ok(())
}

/// Writes back what the last run left dirty, and sees that the next finds all pages cached.
fn settle(image: &Path) -> Result<()> {
    let file = File::open(image)?;
    file.sync_all()?;
    let mut block = vec![0; 1 << 20];
    for index in 0..SIZE >> 20 {
        file.read_exact_at(&mut block, index << 20)?;
    }
    Ok(())
}
