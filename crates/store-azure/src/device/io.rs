//! Reads, writes and clears of an open disk.

use std::ops::Range;

use block::{BlockError, Payload, RangeGuard, Result};
use futures::future::try_join_all;
use smallvec::SmallVec;
use tokio::time::{Instant, timeout_at};

use super::{
    Inner, Mode,
    epoch::{Epoch, Raise},
    ownership::Ownership,
};
use crate::{
    client::{Failure, Retry},
    error::AzureError,
    service::{Blob, PageWrite, content_md5},
};

/// A hole shorter than this inside a read is fetched along: a request costs more than its bytes.
const WORTH_SKIPPING: u64 = 64 << 10;
/// Unit in which zeroes inside a write are looked for, in bytes of the disk.
const ZERO_UNIT: u64 = 64 << 10;
/// A run of zeroes inside a write that is worth a request of its own.
const WORTH_CLEARING: u64 = 256 << 10;
/// Longest clear in one request: more would take the service longer than a request may.
const MAX_CLEAR: u64 = 1 << 30;

/// How often a write that our own raise refused is sent again at once, before it pauses like any other.
const AT_ONCE: u32 = 4;

/// Raises the sequence number of a leased blob.
pub(super) struct Raiser<'a> {
    pub(super) blob: &'a Blob,
    pub(super) lease: &'a str,
    pub(super) deadline: Instant,
}

#[async_trait::async_trait]
impl Raise for Raiser<'_> {
    async fn raise(&self, to: u64) -> crate::error::Result<u64> {
        self.blob
            .raise_sequence_number(to, Some(self.lease), self.deadline)
            .await
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Inner {
    pub(super) async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        let deadline = self.blob.client().deadline();
        if len == 0 {
            return Ok(Payload::new());
        }
        let (payload, asked) = self.read_range(offset, len, deadline).await?;
        // The disk may have become smaller meanwhile, and what was read be the footer of its image.
        self.within(&(offset..offset + u64::from(len)))?;
        // A write that was given up meanwhile may not take effect after this read, which did not see it.
        if let (Mode::Owner { ownership, epoch }, true) = (&self.mode, asked) {
            self.settle(ownership, epoch, deadline).await?;
        }
        Ok(payload)
    }

    /// What the range holds, and whether the service was asked for it.
    async fn read_range(&self, offset: u64, len: u32, deadline: Instant) -> Result<(Payload, bool)> {
        let end = offset + u64::from(len);
        let hole = self.exclusive() && self.map().is_hole(offset, end);
        if let Mode::Owner { ownership, epoch } = &self.mode {
            ownership.check(deadline).await?;
            // What a lost write left in doubt must be settled before anybody sees it. No write was ever sent to a hole.
            if !hole {
                self.settle(ownership, epoch, deadline).await?;
            }
        }
        if hole {
            return Ok((Payload::zeroes(len as usize), false));
        }
        let runs = if self.exclusive() {
            self.map().runs(offset, end, WORTH_SKIPPING, usize::MAX)
        } else {
            vec![(offset, end, true)]
        };
        let mut parts: SmallVec<[(Range<u64>, bool); 8]> = SmallVec::new();
        for (start, end, data) in runs {
            if data {
                parts.extend(pieces(start..end, u64::from(self.io.request_size)).map(|piece| (piece, true)));
            } else {
                parts.push((start..end, false));
            }
        }
        if let [(piece, true)] = &parts[..] {
            return Ok((self.read_piece(piece.clone(), deadline).await?, true));
        }
        let all = parts.into_iter().map(|(piece, data)| async move {
            if data {
                self.read_piece(piece, deadline).await
            } else {
                Ok(Payload::zeroes((piece.end - piece.start) as usize))
            }
        });
        let mut whole = Payload::new();
        for part in try_join_all(all).await? {
            whole.append(part);
        }
        Ok((whole, true))
    }

    /// Makes sure that no write of unknown fate is left.
    async fn settle(&self, ownership: &Ownership, epoch: &Epoch, deadline: Instant) -> Result<()> {
        let raiser = self.raiser(ownership, deadline);
        let mut retry = Retry::new(deadline);
        loop {
            let Err(error) = epoch.settle(&raiser).await else {
                return Ok(());
            };
            let failure = self.refused(error);
            retry.after(failure).await.map_err(|error| self.failed(error))?;
            ownership.check(deadline).await?;
        }
    }

    async fn read_piece(&self, piece: Range<u64>, deadline: Instant) -> Result<Payload> {
        let length = (piece.end - piece.start) as u32;
        let md5 = length <= self.io.md5_reads_up_to;
        let Mode::Owner { ownership, .. } = &self.mode else {
            let result = self.blob.read_pages(piece.start, length, md5, deadline).await;
            return result.map_err(|error| self.failed_at(error, &piece));
        };
        let mut retry = Retry::new(deadline);
        loop {
            let lease = Some(ownership.lease());
            match self.blob.read_leased(piece.start, length, md5, lease, deadline).await {
                Ok(payload) => return Ok(payload),
                // What may be sent again was, except where the lease must be renewed first.
                Err(error) => retry
                    .after(self.refused(error))
                    .await
                    .map_err(|error| self.failed_at(error, &piece))?,
            }
            ownership.check(deadline).await?;
        }
    }

    pub(super) async fn write(&self, offset: u64, data: Payload) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let deadline = self.blob.client().deadline();
        let range = offset..offset + data.len() as u64;
        // On a slow line shorter ones, so that each is done in time.
        let request_size = self.io.request_size.min(self.blob.client().piece());
        let writes = split_write(offset, data, request_size);
        let _guard = self.lock(range, deadline).await?;
        self.put_all(writes, deadline).await
    }

    pub(super) async fn clear(&self, offset: u64, len: u64) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        let deadline = self.blob.client().deadline();
        let _guard = self.lock(offset..offset + len, deadline).await?;
        let writes = pieces(offset..offset + len, MAX_CLEAR)
            .map(|piece| PageWrite {
                offset: piece.start,
                length: piece.end - piece.start,
                data: None,
            })
            .collect();
        self.put_all(writes, deadline).await
    }

    /// Waits for earlier requests on the range. No two writes of the same sectors are ever under way: the later one
    /// could be acknowledged and then be overwritten by another attempt at the earlier one.
    async fn lock(&self, range: Range<u64>, deadline: Instant) -> Result<RangeGuard> {
        let late = |_| BlockError::unreachable(&self.name, "earlier requests on the same range are still waiting");
        let lock = self.ranges.exclusive(range.clone());
        let guard = timeout_at(deadline, lock).await.map_err(late)?;
        // One of them may have made the disk smaller.
        self.within(&range)?;
        Ok(guard)
    }

    fn within(&self, range: &Range<u64>) -> Result<()> {
        if range.end <= self.monitor.size() {
            return Ok(());
        }
        Err(self.out_of_range(range))
    }

    fn out_of_range(&self, range: &Range<u64>) -> BlockError {
        BlockError::out_of_range(&self.name, range.start, range.end - range.start, self.monitor.size())
    }

    async fn put_all(&self, mut writes: SmallVec<[PageWrite; 8]>, deadline: Instant) -> Result<()> {
        let Mode::Owner { ownership, .. } = &self.mode else {
            return Err(BlockError::read_only(&self.name));
        };
        // Also for what needs no request: the disk must not pretend to write when it is not ours.
        ownership.check(deadline).await?;
        {
            let mut map = self.map();
            writes.retain(|write| write.data.is_some() || !map.is_hole(write.offset, write.offset + write.length));
            for write in writes.iter().filter(|write| write.data.is_some()) {
                map.mark_data(write.offset, write.offset + write.length);
            }
        }
        match &writes[..] {
            [] => Ok(()),
            [one] => self.put(one, deadline).await,
            _ => try_join_all(writes.iter().map(|write| self.put(write, deadline)))
                .await
                .map(|_| ()),
        }
    }

    /// Writes or clears one piece, however often it takes, so that it takes effect at most once and never late.
    async fn put(&self, write: &PageWrite, deadline: Instant) -> Result<()> {
        let Mode::Owner { ownership, epoch } = &self.mode else {
            return Err(BlockError::read_only(&self.name));
        };
        // Once for all attempts, and before a place among the requests in flight is taken.
        let md5 = match &write.data {
            Some(data) if self.io.md5_writes => {
                let late = |_| BlockError::unreachable(&self.name, "this device is too busy to sum up what is written");
                Some(timeout_at(deadline, content_md5(data)).await.map_err(late)?)
            }
            _ => None,
        };
        let mut retry = Retry::new(deadline);
        let mut refused = 0;
        loop {
            ownership.check(deadline).await?;
            match self.put_once(write, md5.as_deref(), ownership, epoch, deadline).await {
                Ok(()) => break,
                // The service is well; the next ticket brings the number that it wants.
                Err(failure) if matches!(failure.error, AzureError::SequenceNumber { .. }) && refused < AT_ONCE => {
                    refused += 1;
                }
                Err(failure) => retry
                    .after(failure)
                    .await
                    .map_err(|error| self.failed_at(error, &(write.offset..write.offset + write.length)))?,
            }
        }
        if write.data.is_none() {
            self.map().mark_hole(write.offset, write.offset + write.length);
        }
        Ok(())
    }

    async fn put_once(
        &self,
        write: &PageWrite,
        md5: Option<&str>,
        ownership: &Ownership,
        epoch: &Epoch,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let client = self.blob.client();
        let body = write.data.as_ref().map_or(0, Payload::len);
        let slot = client.slot_for(body, deadline).await?;
        let raiser = self.raiser(ownership, deadline);
        let ticket = epoch.ticket(&raiser).await.map_err(|error| self.refused(error))?;
        let number = ticket.number();
        let request = self.blob.put_pages(write, md5, Some(ownership.lease()), number);
        let request = request.map_err(Failure::refused)?;
        match client.attempt(slot, &request, deadline).await {
            Ok(_) => {
                ticket.settle();
                Ok(())
            }
            // The ticket goes unsettled: the next one comes with a raised number.
            Err(failure) if failure.unknown => Err(failure),
            Err(failure) => {
                ticket.settle();
                match failure.error {
                    AzureError::SequenceNumber { .. } => {
                        epoch.refused(number);
                        Err(Failure { retry: true, ..failure })
                    }
                    AzureError::LeaseExpired { .. } => Err(self.refused(failure.error)),
                    _ => Err(failure),
                }
            }
        }
    }

    fn raiser<'a>(&'a self, ownership: &'a Ownership, deadline: Instant) -> Raiser<'a> {
        Raiser {
            blob: &self.blob,
            lease: ownership.lease(),
            deadline,
        }
    }

    /// A refusal, and whether the same request may be sent again: a lease that ran out may be renewed first.
    fn refused(&self, error: AzureError) -> Failure {
        let doubtful = matches!(error, AzureError::LeaseExpired { .. });
        if let (Mode::Owner { ownership, .. }, true) = (&self.mode, doubtful) {
            ownership.doubt();
        }
        Failure {
            retry: doubtful,
            ..Failure::refused(error)
        }
    }

    /// As [`failed`](Self::failed); where the service knows no such range, the blob was made smaller by somebody.
    fn failed_at(&self, error: AzureError, range: &Range<u64>) -> BlockError {
        match &error {
            AzureError::Conflict { code, .. } if matches!(code.as_str(), "InvalidRange" | "InvalidPageRange") => {
                self.out_of_range(range)
            }
            _ => self.failed(error),
        }
    }

    /// Puts an error into the block device's terms; a lost lease fences the disk at once.
    pub(super) fn failed(&self, error: AzureError) -> BlockError {
        if let Mode::Owner { ownership, .. } = &self.mode {
            match &error {
                AzureError::LeaseLost { .. } | AzureError::Leased { .. } => ownership.lose(&error, &self.monitor),
                AzureError::LeaseExpired { .. } => ownership.doubt(),
                _ => {}
            }
        }
        error.into_block(&self.name)
    }
}

/// The range in pieces that end at multiples of `size`.
fn pieces(range: Range<u64>, size: u64) -> impl Iterator<Item = Range<u64>> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let start = at;
        at = range.end.min((start / size + 1) * size);
        (start < range.end).then_some(start..at)
    })
}

/// A write as requests: cut at multiples of `request_size`, long runs of zeroes as clears.
fn split_write(offset: u64, mut data: Payload, request_size: u32) -> SmallVec<[PageWrite; 8]> {
    let mut writes = SmallVec::new();
    for piece in pieces(offset..offset + data.len() as u64, u64::from(request_size)) {
        let mut rest = data.split_to((piece.end - piece.start) as usize);
        let mut push = |start: u64, payload: Payload, zero: bool| {
            writes.push(PageWrite {
                offset: start,
                length: payload.len() as u64,
                data: (!zero).then_some(payload),
            });
        };
        let mut at = piece.start;
        for (length, zero) in zero_runs(piece.start, &rest) {
            push(at, rest.split_to(length as usize), zero);
            at += length;
        }
    }
    writes
}

/// Lengths of runs of data and of zeroes worth clearing.
fn zero_runs(offset: u64, data: &Payload) -> SmallVec<[(u64, bool); 4]> {
    let end = offset + data.len() as u64;
    let mut runs: SmallVec<[(u64, bool); 4]> = SmallVec::new();
    for unit in pieces(offset..end, ZERO_UNIT) {
        let (from, to) = ((unit.start - offset) as usize, (unit.end - offset) as usize);
        let zero = if from == 0 && to == data.len() {
            data.is_zero()
        } else {
            data.slice(from, to).is_zero()
        };
        match runs.last_mut() {
            Some((length, last)) if *last == zero => *length += (to - from) as u64,
            _ => runs.push(((to - from) as u64, zero)),
        }
    }
    if runs.len() == 1 {
        return runs;
    }
    let mut merged: SmallVec<[(u64, bool); 4]> = SmallVec::new();
    for (length, zero) in runs {
        let zero = zero && length >= WORTH_CLEARING;
        match merged.last_mut() {
            Some((sum, last)) if *last == zero => *sum += length,
            _ => merged.push((length, zero)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(offset: u64, data: Vec<u8>) -> Vec<(u64, u64, bool)> {
        let whole = data.clone();
        let writes = split_write(offset, data.into(), 4 << 20);
        for write in &writes {
            let at = (write.offset - offset) as usize;
            let part = &whole[at..at + write.length as usize];
            match &write.data {
                Some(data) => assert_eq!(data.to_vec(), part),
                None => assert!(part.iter().all(|byte| *byte == 0)),
            }
        }
        writes
            .iter()
            .map(|write| (write.offset, write.length, write.data.is_some()))
            .collect()
    }

    #[test]
    fn writes_are_cut_at_borders_of_the_service() {
        assert_eq!(shape(512, vec![1; 1024]), [(512, 1024, true)]);
        assert_eq!(
            shape((4 << 20) - 512, vec![1; (4 << 20) + 1024]),
            [
                ((4 << 20) - 512, 512, true),
                (4 << 20, 4 << 20, true),
                (8 << 20, 512, true)
            ]
        );
    }

    #[test]
    fn zeroes_become_clears_where_it_pays() {
        assert_eq!(shape(512, vec![0; 512]), [(512, 512, false)]);
        let mut data = vec![0; 1 << 20];
        data[0] = 1;
        assert_eq!(
            shape(0, data.clone()),
            [(0, 64 << 10, true), (64 << 10, 960 << 10, false)]
        );
        data[(512 << 10) + 5] = 1;
        data[(900 << 10) + 5] = 1;
        assert_eq!(
            shape(0, data),
            [
                (0, 64 << 10, true),
                (64 << 10, 448 << 10, false),
                (512 << 10, 64 << 10, true),
                (576 << 10, 320 << 10, false),
                (896 << 10, 128 << 10, true)
            ]
        );
        let mut short = vec![1; 256 << 10];
        short[64 << 10..128 << 10].fill(0);
        assert_eq!(shape(0, short), [(0, 256 << 10, true)]);
    }
}
