//! The conformance suite, through the kernel's client.

use std::time::Instant;

use anyhow::{Result, anyhow};
use block::{
    Disk, Payload,
    conformance::{Case, Options, Target},
    store::{OpenOptions, Store},
};
use store_rbd::{ClientKind, RbdConfig};
use testkit::disks::unique;

use crate::{
    cluster::{Cluster, create, open},
    tell,
};

/// How the images are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As the cluster makes them: features by default, objects of 4 MiB.
    Usual,
    /// Objects of 1 MiB, data in another pool.
    DataPool,
    /// Clones of a protected snapshot, objects of 1 MiB.
    Clone,
}

impl Kind {
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        match name {
            "usual" => Some(Self::Usual),
            "data-pool" => Some(Self::DataPool),
            "clone" => Some(Self::Clone),
            _ => None,
        }
    }

    fn change(self, cluster: &Cluster, config: &mut RbdConfig) {
        if self != Self::Usual {
            config.object_size = Some(1 << 20);
        }
        if self == Self::DataPool {
            config.data_pool = Some(cluster.fact("data_pool").to_owned());
        }
    }
}

/// Runs the cases of these names (all, if there are none) with images of one kind; whether all went well.
pub(crate) async fn run(cluster: &Cluster, kind: Kind, operations: usize, cases: &str) -> Result<bool> {
    let named = |name| Case::by_name(name).ok_or_else(|| anyhow!("there is no case {name}"));
    let cases = match cases {
        "" => Case::ALL.to_vec(),
        names => names.split(',').map(named).collect::<Result<_>>()?,
    };
    let options = Options {
        operations,
        ..Options::default()
    };
    let (again, readers) = (cluster.clone(), cluster.clone());
    let options = options
        .with_reopen(move |disk| reopened(again.clone(), disk, OpenOptions::default()))
        .with_read_only(move |disk| {
            let options = OpenOptions {
                read_only: true,
                ..OpenOptions::default()
            };
            reopened(readers.clone(), disk, options)
        });
    let opening = cluster.clone();
    let target = Target::new(
        move |size| {
            let cluster = opening.clone();
            async move { fresh(&cluster, kind, size).await.expect("a new image, open") }
        },
        options,
    );
    let mut good = true;
    for case in cases {
        let begin = Instant::now();
        let result = target.check(case).await.map_err(|failure| anyhow!("{failure}"));
        good &= tell(&format!("{kind:?} {}", case.name()), begin, &result);
    }
    Ok(good)
}

async fn fresh(cluster: &Cluster, kind: Kind, size: u64) -> Result<Disk> {
    let store = cluster.store(ClientKind::Kernel, "kitchen", |config| kind.change(cluster, config));
    let image = unique("disk");
    if kind != Kind::Clone {
        create(&store, &image, size).await?;
        return open(&store, &image, &OpenOptions::default()).await;
    }
    // The parent holds zeroes that take space, in most objects, but not beyond the first half.
    let parent = unique("parent");
    create(&store, &parent, size).await?;
    let disk = open(&store, &parent, &OpenOptions::default()).await?;
    let half = size / 2 / 4096 * 4096;
    for at in (0..half).step_by(1 << 20) {
        let zeroes = Payload::zeroes((half - at).min(1 << 20) as usize);
        disk.write(at, zeroes, Default::default()).await?;
    }
    disk.close().await?;
    store.snapshot(&parent, Some("base")).await?;
    store.protect(&parent, "base").await?;
    store.clone_image(&parent, "base", &image).await?;
    open(&store, &image, &OpenOptions::default()).await
}

/// The image behind a disk, which is let go first: as after a power failure if it is still open.
async fn reopened(cluster: Cluster, disk: Disk, options: OpenOptions) -> Disk {
    let name = disk.name().to_owned();
    drop(disk);
    let (_, image) = name.split_once('/').expect("pool/image");
    open(&cluster.kernel(), image, &options).await.expect("the same disk")
}
