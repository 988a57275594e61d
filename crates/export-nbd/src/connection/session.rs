//! What is done for each request.

use std::sync::Arc;

use block::{BlockError, Disk, Extent, Payload, WriteFlags, ZeroFlags};

use super::{
    budget::Cost,
    reader::Admitted,
    replies::{self, Extents, Reply},
};
use crate::{
    error::nbd_error,
    export::{BlockSizes, Export},
    handshake::Agreement,
    protocol::{Command, Request, cmd_flag, errno},
};

/// Longest range asked of the disk at once for a block status, in bytes: bounds what its answer may take.
const EXTENTS_STEP: u64 = 1 << 30;

/// What a block status request is charged, in bytes: an extent for each page of a step.
const EXTENTS_WEIGHT: u32 = (EXTENTS_STEP / 4096) as u32 * size_of::<Extent>() as u32;

/// Length of one read of a read-ahead, in bytes.
const CACHE_STEP: u64 = 1 << 20;

/// An agreed export and how to answer.
pub(crate) struct Session {
    disk: Disk,
    read_only: bool,
    size: u64,
    sizes: BlockSizes,
    structured: bool,
    allocation: bool,
    cache_reads: bool,
}

/// Why a request is not carried out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    code: u32,
    text: &'static str,
}

/// A request that is over.
pub(crate) struct Done {
    pub(super) reply: Reply,
    pub(super) cost: Cost,
    /// The reply holds the bytes that were charged, until it has been sent.
    pub(super) keeps_bytes: bool,
}

impl Session {
    pub(crate) fn new(export: &Export, agreement: Agreement, memory: u32, cache_reads: bool) -> Self {
        Self {
            disk: Arc::clone(&export.disk),
            read_only: export.is_read_only(),
            size: agreement.size,
            sizes: BlockSizes::new(&export.disk.properties(), memory),
            structured: agreement.structured,
            allocation: agreement.allocation,
            cache_reads,
        }
    }

    /// Whether a request may be carried out at all; the errors are those that the protocol recommends.
    pub(super) fn check(&self, request: &Request) -> Result<(), Refusal> {
        let refuse = |code, text| Err(Refusal { code, text });
        let Request { command, length, .. } = *request;
        if matches!(command, Command::Unknown(_)) {
            return refuse(errno::EINVAL, "unknown command");
        }
        let df_unknown = !self.structured && request.has(cmd_flag::DF);
        if request.flags & !command.allowed_flags() != 0 || df_unknown {
            return refuse(errno::EINVAL, "a flag that this command does not have");
        }
        if command == Command::Flush {
            return Ok(());
        }
        if command.modifies() && self.read_only {
            return refuse(errno::EPERM, "the export is read-only");
        }
        let block = u64::from(self.sizes.minimum);
        if !request.offset.is_multiple_of(block) || !u64::from(length).is_multiple_of(block) {
            return refuse(
                errno::EINVAL,
                "offset and length must be multiples of the minimum block size",
            );
        }
        if matches!(command, Command::Read | Command::Write) && length > self.sizes.maximum {
            return refuse(errno::EINVAL, "the request is longer than the maximum payload size");
        }
        if request
            .offset
            .checked_add(u64::from(length))
            .is_none_or(|end| end > self.size)
        {
            let code = match command {
                Command::Write | Command::WriteZeroes => errno::ENOSPC,
                _ => errno::EINVAL,
            };
            return refuse(code, "the request goes beyond the end of the export");
        }
        if command == Command::BlockStatus && !(self.allocation && self.structured && length > 0) {
            return refuse(
                errno::EINVAL,
                "no metadata context was negotiated, or the length is zero",
            );
        }
        Ok(())
    }

    /// The memory a request is charged, in bytes.
    pub(super) fn weight(&self, request: &Request) -> u32 {
        match request.command {
            Command::Read | Command::Write => request.length,
            Command::BlockStatus => EXTENTS_WEIGHT,
            Command::Cache if self.cache_reads => CACHE_STEP as u32,
            _ => 0,
        }
    }

    /// The answer to a request that is not carried out.
    pub(super) fn refuse(&self, admitted: Admitted, refusal: &Refusal) -> Done {
        Done {
            reply: replies::failure(admitted.request.cookie, self.structured, refusal.code, refusal.text),
            cost: admitted.cost,
            keeps_bytes: false,
        }
    }

    /// Carries a checked request out.
    pub(super) async fn execute(&self, admitted: Admitted, payload: Payload) -> Done {
        let Admitted { request, cost } = admitted;
        let reply = match self.perform(&request, payload).await {
            Ok(reply) => reply,
            Err(error) => {
                let code = nbd_error(&error, &request);
                replies::failure(request.cookie, self.structured, code, &error.to_string())
            }
        };
        Done {
            reply,
            cost,
            keeps_bytes: request.command == Command::Read,
        }
    }

    async fn perform(&self, request: &Request, payload: Payload) -> Result<Reply, BlockError> {
        let Request { offset, length, .. } = *request;
        let (long, fua) = (u64::from(length), request.has(cmd_flag::FUA));
        match request.command {
            Command::Read => {
                let data = self.disk.read(offset, length).await?;
                return Ok(replies::data(request, self.structured, data));
            }
            Command::BlockStatus => return self.block_status(request).await,
            Command::Write => self.disk.write(offset, payload, WriteFlags { fua }).await?,
            Command::WriteZeroes => {
                let flags = ZeroFlags {
                    fua,
                    no_hole: request.has(cmd_flag::NO_HOLE),
                    fast_only: request.has(cmd_flag::FAST_ZERO),
                };
                self.disk.write_zeroes(offset, long, flags).await?;
            }
            Command::Trim => {
                self.disk.discard(offset, long).await?;
                if fua {
                    self.disk.flush().await?;
                }
            }
            Command::Flush => self.disk.flush().await?,
            Command::Cache if self.cache_reads => self.read_ahead(offset, long).await?,
            // A hint that is not taken; the others never come here.
            Command::Cache | Command::Disconnect | Command::Unknown(_) => {}
        }
        Ok(replies::success(request.cookie))
    }

    /// Reads and forgets, so that a cache further down has it.
    async fn read_ahead(&self, offset: u64, length: u64) -> Result<(), BlockError> {
        let end = offset + length;
        let mut at = offset;
        while at < end {
            let part = CACHE_STEP.min(end - at);
            self.disk.read(at, part as u32).await?;
            at += part;
        }
        Ok(())
    }

    async fn block_status(&self, request: &Request) -> Result<Reply, BlockError> {
        let mut extents = Extents::new(request);
        let mut at = request.offset;
        let end = at + u64::from(request.length);
        'all: while at < end {
            let found = self.disk.extents(at, EXTENTS_STEP.min(end - at)).await?;
            let before = at;
            for extent in &found {
                if !extents.push(extent) {
                    break 'all;
                }
                at = extent.end();
            }
            if at == before {
                return Err(BlockError::io(self.disk.name(), "the disk tells no extents"));
            }
        }
        Ok(extents.into_reply(request.cookie))
    }
}
