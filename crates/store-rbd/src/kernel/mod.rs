//! The client in the kernel: an image is mapped to a block device, to which direct I/O is done.
//!
//! From the bottom up: `bus` and `entry` are the kernel's attributes, `sys` its calls; `line` is what it is told and `keys`
//! how it gets the key; `mark` tells our mappings from those of others; `mapping` makes, finds and removes them, one at a time
//! (`turns`); `device` is the disk; this file opens images. See `docs/decisions/0014-kernel-client.md`.

mod bus;
mod device;
mod diagnose;
mod entry;
mod keys;
mod line;
mod mapping;
mod mark;
mod sys;
mod turns;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use block::{
    Disk,
    store::{Finding, ImageInfo, ImageRef, OpenOptions},
};
use tokio::task::spawn_blocking;

use crate::{
    access::Access,
    config::RbdConfig,
    error::{RbdError, Result},
    features::Features,
};

use bus::Bus;
use device::KernelDisk;
use entry::Entry;
use line::{Line, Purpose};
use mapping::{Found, Mapper, Mapping};
use mark::Marks;
use turns::Turn;

/// How long a mapping of ours may be in use by others until that is an error: disks that were just closed let it go.
const LETS_GO: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// Images of a pool, opened through the kernel.
#[derive(Clone)]
pub(crate) struct Kernel {
    config: Arc<RbdConfig>,
    access: Arc<Access>,
    mapper: Mapper,
}

/// What a look at an image tells.
#[derive(Debug)]
struct Facts {
    size: u64,
    features: Features,
    id: Option<String>,
    object_size: Option<u64>,
}

impl Kernel {
    pub(crate) fn new(
        config: Arc<RbdConfig>,
        access: Arc<Access>,
        identity: Option<String>,
        run_dir: Option<PathBuf>,
    ) -> Self {
        let mapper = Mapper {
            bus: Bus::new(),
            marks: Marks::new(identity, run_dir),
            key: access.key.clone(),
        };
        Self { config, access, mapper }
    }

    /// Opens an image as a disk. `make_way` runs, on a thread, before an image is made ours that was not before.
    pub(crate) async fn open(
        &self,
        image: &ImageRef,
        options: &OpenOptions,
        make_way: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<Disk> {
        let (kernel, image) = (self.clone(), image.clone());
        let purpose = match image.snapshot.is_some() || options.read_only {
            true => Purpose::Read,
            false if self.config.lend_lock => Purpose::Share,
            false => Purpose::Own,
        };
        let thread = spawn_blocking(move || {
            let mapping = kernel.mapped(&image, purpose, make_way)?;
            KernelDisk::new(mapping, image.snapshot.is_some(), purpose, kernel.config.concurrency)
        });
        // A disk that nobody waits for any more unmaps itself.
        let disk = thread.await.unwrap_or_else(|error| Err(failed(&error)))?;
        Ok(Arc::new(disk.keep()))
    }

    fn mapped(&self, image: &ImageRef, purpose: Purpose, make_way: impl FnOnce() -> Result<()>) -> Result<Mapping> {
        self.mapper.bus.load()?;
        let line = Line::new(&self.config, &self.access, image, purpose)?;
        let begin = Instant::now();
        let _turn = loop {
            let turn = Turn::take(&line.target());
            match self.mapper.find(&line)? {
                Found::Again(mapping) => return Ok(mapping),
                Found::Nothing => break turn,
                Found::Busy if begin.elapsed() < LETS_GO => {}
                Found::Busy => {
                    return Err(RbdError::InUse {
                        object: line.target(),
                        owner: "a program on this machine".to_owned(),
                        remedy: "stop it; `lsof /dev/rbd*` shows which".to_owned(),
                    });
                }
            }
            drop(turn);
            thread::sleep(PAUSE);
        };
        if purpose.writes() {
            let facts = self.look(image)?;
            facts
                .features
                .check_kernel(&line.target(), self.mapper.bus.supported_features())?;
            make_way()?;
        }
        let mapping = self.mapper.map(&line)?;
        match self.check_cluster(&mapping.entry) {
            Ok(()) => Ok(mapping),
            Err(error) => {
                mapping.unmap_in_turn();
                Err(error)
            }
        }
    }

    /// Looks at an image by mapping it for reading, for a moment, in its [`Turn`].
    fn look(&self, image: &ImageRef) -> Result<Facts> {
        let line = Line::new(&self.config, &self.access, image, Purpose::Look)?;
        let mapping = self.mapper.map(&line)?;
        let entry = &mapping.entry;
        let cluster = self.check_cluster(entry);
        let facts = Facts {
            size: entry.size().unwrap_or_default(),
            features: entry.features().unwrap_or_default(),
            id: entry.image_id(),
            object_size: entry.queue_limit("max_hw_sectors_kb").map(|kib| kib << 10),
        };
        mapping.unmap_in_turn();
        cluster.map(|()| facts)
    }

    /// Whether the image is in the cluster that is meant, as far as the kernel tells.
    fn check_cluster(&self, entry: &Entry) -> Result<()> {
        let found = entry.fsid();
        found.map_or(Ok(()), |found| self.access.check_cluster("fsid", &found))
    }

    /// What can be known of an image without librbd.
    pub(crate) async fn info(&self, image: &ImageRef) -> Result<ImageInfo> {
        let (kernel, name) = (self.clone(), image.clone());
        let thread = spawn_blocking(move || {
            kernel.mapper.bus.load()?;
            let _turn = Turn::take(&Line::new(&kernel.config, &kernel.access, &name, Purpose::Look)?.target());
            kernel.look(&name)
        });
        let facts = thread.await.unwrap_or_else(|error| Err(failed(&error)))?;
        let mut details = BTreeMap::from([("features".to_owned(), facts.features.to_string())]);
        if let Some(size) = facts.object_size {
            details.insert("object size".to_owned(), size.to_string());
        }
        if let Some(id) = facts.id {
            details.insert("id".to_owned(), id);
        }
        Ok(ImageInfo {
            name: image.image.clone(),
            size: facts.size,
            allocated: None,
            format: "raw".to_owned(),
            owner: None,
            modified: None,
            details,
        })
    }

    pub(crate) async fn diagnose(&self, image: Option<&str>) -> Vec<Finding> {
        diagnose::diagnose(self, image).await
    }
}

fn failed(error: &tokio::task::JoinError) -> RbdError {
    RbdError::invalid("the kernel's client", format!("a thread failed: {error}"))
}
