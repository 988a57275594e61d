//! Each request as what librbd does for it.

use std::sync::Arc;

use block::{Extent, Payload, Result};

use super::{Held, Inner};
use crate::librbd::{extents, image::Image, io};

/// Bytes that are zeroed at a time: librbd makes a request of each object in it at once.
const ZERO_AT_ONCE: u64 = 256 << 20;

impl Inner {
    pub(super) async fn read(&self, offset: u64, len: u32, held: Held) -> Result<Payload> {
        if len == 0 {
            return Ok(Payload::new());
        }
        let reading = async {
            let data = io::read(&self.image, offset, len as usize, held).await;
            data.map(Payload::from).map_err(|errno| self.failed("reading", errno))
        };
        self.unless_lost(reading).await
    }

    pub(super) async fn write(&self, offset: u64, data: Payload, held: Held) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let writing = async {
            let written = io::write(&self.image, offset, data, held).await;
            written.map(drop).map_err(|errno| self.failed("writing", errno))
        };
        self.unless_lost(writing).await
    }

    pub(super) async fn write_zeroes(&self, offset: u64, len: u64, allocate: bool, held: Held) -> Result<()> {
        // Shared by the parts: held until the last one that was begun has ended, also when this is dropped between two.
        let held = Arc::new(held);
        let (mut at, end) = (offset, offset + len);
        while at < end {
            let part = (ZERO_AT_ONCE - at % ZERO_AT_ONCE).min(end - at);
            let zeroing = async {
                let zeroed = io::write_zeroes(&self.image, at, part as usize, allocate, held.clone()).await;
                zeroed.map_err(|errno| self.failed("zeroing", errno))
            };
            self.unless_lost(zeroing).await?;
            at += part;
        }
        Ok(())
    }

    pub(super) async fn flush(&self, held: Held) -> Result<()> {
        let flushing = async {
            let flushed = io::flush(&self.image, held).await;
            flushed.map(drop).map_err(|errno| self.failed("flushing", errno))
        };
        self.unless_lost(flushing).await
    }

    pub(super) async fn extents(self: &Arc<Self>, offset: u64, len: u64, held: Held) -> Result<Vec<Extent>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        let end = offset + len.min(self.extents_at_once);
        let ask = move |image: &Image| extents::extents(image, offset, end);
        self.unless_lost(self.blocking("asking for extents", held, ask)).await
    }

    pub(super) async fn resize(self: &Arc<Self>, size: u64, held: Held) -> Result<()> {
        let sizing = self.sizing.clone().lock_owned().await;
        let inner = self.clone();
        let resize = move |image: &Image| {
            image.resize(size)?;
            inner.state.monitor.set_size(size);
            drop(sizing);
            Ok(())
        };
        self.unless_lost(self.blocking("resizing", held, resize)).await
    }
}
