//! A file as it arrives, for who reads it in one go.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use web::{api::Problem, appliance::Arriving};

/// Reads what comes through a channel. Blocks: only for threads that may.
pub(super) struct Arrival {
    from: Arriving,
    part: Bytes,
    problem: Option<Problem>,
}

impl Arrival {
    pub(super) fn new(from: Arriving) -> Self {
        Self {
            from,
            part: Bytes::new(),
            problem: None,
        }
    }

    /// Why no more came, if somebody said so.
    pub(super) fn problem(&mut self) -> Option<Problem> {
        self.problem.take()
    }
}

impl Read for Arrival {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.from.blocking_recv() {
                Some(Ok(part)) => self.part = part,
                Some(Err(problem)) => {
                    let error = io::Error::other(problem.detail.clone());
                    self.problem = Some(problem);
                    return Err(error);
                }
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.part.len());
        self.part.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
