//! Pages: read, write, clear, and which hold data.

use block::Payload;
use http::Method;
use tokio::time::Instant;

use super::{Blob, content_md5, protocol};
use crate::{
    client::{
        Answer, Failure, Request, Retry, Slot,
        xml::{self, PageList},
    },
    error::{AzureError, Result},
};

/// Most bytes that one Put Page may carry. Azurite takes more, Azure does not.
pub const MAX_PUT: u32 = 4 << 20;
/// Most bytes for which the service computes the MD5 of a range.
pub(crate) const MAX_MD5_RANGE: u32 = 4 << 20;
/// Shorter reads arrive in few pieces and are not worth a task of their own, in bytes.
const WORTH_A_TASK: u32 = 128 << 10;
/// Ranges asked for at once; the service sends at most 10,000.
const RANGES_PER_PAGE: &str = "5000";
/// Longest list of ranges: about 70 bytes each, with room.
const MAX_RANGES_ANSWER: u64 = 4 << 20;

/// One Put Page request: at most [`MAX_PUT`] bytes of data, or any length to clear.
#[derive(Debug, Clone)]
pub struct PageWrite {
    /// First byte.
    pub offset: u64,
    /// Length in bytes, not zero.
    pub length: u64,
    /// What to write; `None` clears.
    pub data: Option<Payload>,
}

impl Blob {
    /// Reads `length` bytes (not zero) at `offset`, as the segments that arrived.
    ///
    /// With `md5` (at most `MAX_MD5_RANGE` bytes) the service sends the MD5 of the range, which is checked: a
    /// mismatch is tried once more and then [`Corrupt`](AzureError::Corrupt).
    pub async fn read_pages(&self, offset: u64, length: u32, md5: bool, deadline: Instant) -> Result<Payload> {
        self.read_leased(offset, length, md5, None, deadline).await
    }

    /// As [`read_pages`](Self::read_pages); refused unless `lease` is in force, so that an owner whose blob was taken
    /// over does not go on reading. Source: "Get Blob", `x-ms-lease-id`.
    pub(crate) async fn read_leased(
        &self,
        offset: u64,
        length: u32,
        md5: bool,
        lease: Option<&str>,
        deadline: Instant,
    ) -> Result<Payload> {
        let mut request = self
            .request(Method::GET, &[])
            .range(offset, u64::from(length))?
            .lease(lease)?
            .up_to(u64::from(length));
        if md5 {
            request = request.fixed("x-ms-range-get-content-md5", "true");
        }
        let mut retry = Retry::new(deadline);
        loop {
            let failure = match self.client.slot(deadline).await {
                Ok(slot) => match self.fetch(slot, &request, length, deadline).await {
                    Ok(answer) => match self.check_range(&answer, offset, length, md5).await {
                        Ok(()) => return Ok(answer.body),
                        Err(failure) => failure,
                    },
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            retry.after(failure).await?;
        }
    }

    async fn fetch(&self, slot: Slot, request: &Request, length: u32, deadline: Instant) -> Result<Answer, Failure> {
        if length < WORTH_A_TASK {
            self.client.attempt(slot, request, deadline).await
        } else {
            self.client.attempt_apart(slot, request, deadline).await
        }
    }

    /// Whether an answer is the range that was asked for, whole and sound.
    async fn check_range(&self, answer: &Answer, offset: u64, length: u32, md5: bool) -> Result<(), Failure> {
        let Answer { status, body, .. } = answer;
        let wanted = format!("bytes {offset}-{}/", offset + u64::from(length) - 1);
        let range = answer.header("content-range").unwrap_or_default();
        if *status != http::StatusCode::PARTIAL_CONTENT || !range.starts_with(&wanted) {
            return Err(Failure::lost(AzureError::protocol(
                &*self.label,
                format!(
                    "asked for bytes {offset} to {}, got another range",
                    offset + u64::from(length)
                ),
            )));
        }
        if body.len() != length as usize {
            return Err(Failure::lost(AzureError::unreachable(
                &*self.label,
                "the answer was cut short",
            )));
        }
        match answer.header("content-md5").filter(|_| md5) {
            None if md5 => Err(Failure::lost(AzureError::protocol(
                &*self.label,
                "no MD5 came with the data although one was asked for; a proxy may remove it: set md5_reads_up_to = 0",
            ))),
            Some(expected) if expected != content_md5(body).await => Err(Failure {
                retry: true,
                ..Failure::refused(AzureError::corrupt(
                    &*self.label,
                    format!("{length} bytes at {offset} do not match the MD5 that came with them"),
                ))
            }),
            _ => Ok(()),
        }
    }

    /// The request that writes or clears pages while the sequence number is `number`; `md5` is that of the data.
    pub(crate) fn put_pages(
        &self,
        write: &PageWrite,
        md5: Option<&str>,
        lease: Option<&str>,
        number: u64,
    ) -> Result<Request> {
        let mut request = self
            .request(Method::PUT, &[("comp", "page")])
            .range(write.offset, write.length)?
            .lease(lease)?
            .number("x-ms-if-sequence-number-eq", number);
        match &write.data {
            None => Ok(request.fixed("x-ms-page-write", "clear")),
            Some(data) => {
                if data.len() as u64 != write.length || write.length > u64::from(MAX_PUT) {
                    return Err(AzureError::invalid(
                        &*self.label,
                        "a write that is longer than 4 MiB or than its data",
                    ));
                }
                if let Some(md5) = md5 {
                    request = request.text("content-md5", md5)?;
                }
                request.body = data.clone();
                Ok(request
                    .fixed("x-ms-page-write", "update")
                    .fixed("content-type", "application/octet-stream"))
            }
        }
    }

    /// Writes or clears pages outside of any disk: for footers, by somebody who does one thing at a time.
    pub(crate) async fn write_pages(&self, write: &PageWrite, lease: Option<&str>, number: u64) -> Result<()> {
        let md5 = match &write.data {
            Some(data) => Some(content_md5(data).await),
            None => None,
        };
        let request = self.put_pages(write, md5.as_deref(), lease, number)?;
        self.client.send(&request).await.map(|_| ())
    }

    /// Which of `length` bytes (not zero) at `offset` hold data: one page of the list, from `marker` on.
    pub async fn page_ranges(&self, offset: u64, length: u64, marker: Option<&str>) -> Result<PageList> {
        let mut request = self
            .request(Method::GET, &[("comp", "pagelist"), ("maxresults", RANGES_PER_PAGE)])
            .range(offset, length)?
            .up_to(MAX_RANGES_ANSWER);
        if let Some(marker) = marker {
            request = request.query(&[("marker", marker)]);
        }
        let answer = self.client.send(&request).await?;
        xml::page_list(&answer.body.into_bytes()).map_err(protocol(&self.label))
    }
}
