//! Putting a stack together: store, then limits of speed, then the deadline, then statistics.

use std::{num::NonZeroU64, path::Path, sync::Arc, time::Duration};

use block::{
    BlockError, Disk,
    layers::{Deadline, Limit, Limits, Stats, Throttle},
    store::{OpenOptions, StoreError},
};
use store_file::FileDevice;

use super::{ImageLock, stores};
use crate::{
    config::{
        ByteSize, Loaded,
        model::{DiskConfig, LimitConfig},
    },
    daemon::lineage,
};

/// A disk ready to be served, with the handles of its layers.
pub(crate) struct Stack {
    /// The top of it.
    pub disk: Disk,
    /// Store and image, without secrets.
    pub image: String,
    /// How many owners the image had, where the store counts them.
    pub generation: Option<u64>,
    /// All of it, from the store up, for people: "azure://… → throttle → deadline → statistics".
    pub description: String,
    /// What went through it.
    pub statistics: Arc<Stats>,
    throttle: Arc<Throttle>,
    _lock: Option<ImageLock>,
}

impl Stack {
    /// Flushes and gives up ownership.
    pub(crate) async fn close(&self) -> Result<(), BlockError> {
        self.disk.close().await
    }

    /// Changes the limits of speed from now on.
    pub(crate) fn set_limits(&self, limit: &LimitConfig) {
        self.throttle.set_limits(limits(limit));
    }
}

fn limits(limit: &LimitConfig) -> Limits {
    let one = |bytes: Option<ByteSize>, requests: Option<u32>| Limit {
        bytes: bytes.and_then(|size| NonZeroU64::new(size.0)),
        requests: requests.and_then(|count| NonZeroU64::new(u64::from(count))),
        ..Limit::NONE
    };
    Limits {
        read: one(limit.read_bytes, limit.read_requests),
        write: one(limit.write_bytes, limit.write_requests),
    }
}

/// Opens a configured disk.
pub(crate) async fn open(loaded: &Loaded, config: &DiskConfig) -> Result<Stack, StoreError> {
    let options = OpenOptions {
        read_only: config.read_only,
        take_over: config.take_over,
    };
    let bottom = match &config.path {
        Some(path) => Bottom::file(path, &options).await?,
        None => Bottom::image(loaded, config.name.get_ref(), &options).await?,
    };
    Ok(bottom.stack(&config.limit, config.deadline()))
}

/// Opens whatever `text` names: `file:/PATH`, `STORE/IMAGE[@SNAPSHOT]` or a configured disk.
pub(crate) async fn open_image(
    loaded: Option<&Loaded>,
    text: &str,
    options: &OpenOptions,
) -> Result<Stack, StoreError> {
    let bottom = match (text.strip_prefix("file:"), loaded) {
        (Some(path), _) => Bottom::file(Path::new(path), options).await?,
        (None, Some(loaded)) => Bottom::image(loaded, text, options).await?,
        (None, None) => {
            return Err(StoreError::invalid(
                text,
                "this needs a configuration: give it with --config",
            ));
        }
    };
    if let (false, Some(loaded)) = (options.read_only, loaded) {
        // A killed daemon's kernel device may hold something of it, which is out of date from now on.
        lineage::end(&loaded.config.run_dir, &bottom.image);
        let by_path = loaded.config.disks.iter().find(|disk| *disk.name.get_ref() == text);
        if let Some(path) = by_path.and_then(|disk| disk.path.as_ref()) {
            lineage::end(&loaded.config.run_dir, &path.display().to_string());
        }
    }
    Ok(bottom.stack(&LimitConfig::default(), Duration::from_secs(20)))
}

/// What a stack stands on.
struct Bottom {
    disk: Disk,
    image: String,
    lock: Option<ImageLock>,
}

impl Bottom {
    async fn file(path: &Path, options: &OpenOptions) -> Result<Self, StoreError> {
        Ok(Self {
            disk: Arc::new(FileDevice::open(path, options).await?),
            image: path.display().to_string(),
            lock: None,
        })
    }

    async fn image(loaded: &Loaded, text: &str, options: &OpenOptions) -> Result<Self, StoreError> {
        let (store, image) = stores::locate(loaded, text)?;
        let owned = !options.read_only && image.snapshot.is_none();
        let lock = if owned {
            Some(ImageLock::take(&loaded.config, &store, &image.image)?)
        } else {
            None
        };
        Ok(Self {
            disk: store.open(&image, options).await?,
            image: format!("{}/{image}", store.describe()),
            lock,
        })
    }

    fn stack(self, limit: &LimitConfig, deadline: Duration) -> Stack {
        let mut description = self.image.clone();
        if *limit != LimitConfig::default() {
            description.push_str(" → throttle");
        }
        description.push_str(" → deadline → statistics");
        let generation = self.disk.generation();
        let throttle = Arc::new(Throttle::new(self.disk, limits(limit)));
        let deadline = Arc::new(Deadline::new(throttle.clone(), deadline));
        let statistics = Arc::new(Stats::new(deadline));
        Stack {
            disk: statistics.clone(),
            image: self.image,
            generation,
            description,
            statistics,
            throttle,
            _lock: self.lock,
        }
    }
}
