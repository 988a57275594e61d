//! Each request as what librbd does for it.

use std::sync::Arc;

use block::{Extent, Operation, Payload, Result};

use super::{Connection, Inner};
use crate::librbd::{extents, image::Image, io};

/// Bytes that are zeroed at a time: librbd makes a request of each object in it at once.
const ZERO_AT_ONCE: u64 = 256 << 20;

impl Inner {
    pub(super) async fn read(&self, connection: Arc<Connection>, offset: u64, len: u32) -> Result<Payload> {
        let held = self
            .state
            .begin(&connection.turns, Operation::Read, offset, u64::from(len))
            .await?;
        if len == 0 {
            return Ok(Payload::new());
        }
        let data = io::read(&connection.image, offset, len as usize, held).await;
        data.map(Payload::from)
            .map_err(|errno| self.failed(&connection, "reading", errno))
    }

    pub(super) async fn write(&self, connection: Arc<Connection>, offset: u64, data: Payload) -> Result<()> {
        let held = self
            .state
            .begin(&connection.turns, Operation::Write, offset, data.len() as u64)
            .await?;
        if data.is_empty() {
            return Ok(());
        }
        let written = io::write(&connection.image, offset, data, held).await;
        written
            .map(drop)
            .map_err(|errno| self.failed(&connection, "writing", errno))
    }

    /// Also for discards, which are the same for librbd but where a zero takes its space.
    pub(super) async fn write_zeroes(
        &self,
        connection: Arc<Connection>,
        operation: Operation,
        offset: u64,
        len: u64,
        allocate: bool,
    ) -> Result<()> {
        // Shared by the parts: held until the last one that was begun has ended, also when this is dropped between two.
        let held = Arc::new(self.state.begin(&connection.turns, operation, offset, len).await?);
        let (mut at, end) = (offset, offset + len);
        while at < end {
            let part = (ZERO_AT_ONCE - at % ZERO_AT_ONCE).min(end - at);
            let zeroed = io::write_zeroes(&connection.image, at, part as usize, allocate, held.clone()).await;
            zeroed.map_err(|errno| self.failed(&connection, "zeroing", errno))?;
            at += part;
        }
        Ok(())
    }

    pub(super) async fn flush(&self, connection: Arc<Connection>) -> Result<()> {
        let held = self.state.begin_flush(&connection.turns).await?;
        let flushed = io::flush(&connection.image, held).await;
        flushed
            .map(drop)
            .map_err(|errno| self.failed(&connection, "flushing", errno))
    }

    pub(super) async fn extents(
        self: &Arc<Self>,
        connection: Arc<Connection>,
        offset: u64,
        len: u64,
    ) -> Result<Vec<Extent>> {
        let held = self
            .state
            .begin(&connection.turns, Operation::Extents, offset, len)
            .await?;
        if len == 0 {
            return Ok(Vec::new());
        }
        let end = offset + len.min(self.extents_at_once);
        let ask = move |image: &Image| extents::extents(image, offset, end);
        self.blocking(&connection, "asking for extents", held, ask).await
    }

    pub(super) async fn resize(self: &Arc<Self>, connection: Arc<Connection>, size: u64) -> Result<()> {
        let held = self.state.begin_resize(&connection.turns).await?;
        let sizing = connection.sizing.clone().lock_owned().await;
        let inner = self.clone();
        let resize = move |image: &Image| {
            image.resize(size)?;
            inner.state.monitor.set_size(size);
            drop(sizing);
            Ok(())
        };
        self.blocking(&connection, "resizing", held, resize).await
    }
}
