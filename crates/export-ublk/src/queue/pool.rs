//! Buffers for what hosts write, used again instead of being allocated for every request.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Idle buffers beyond this many bytes go back to the system.
const KEEP: usize = 4 << 20;

/// The smallest buffer; sizes are powers of two from here on.
const SMALLEST: usize = 4 << 10;

/// Buffers by size. A buffer comes back when the last holder of its bytes drops them, in whatever thread.
#[derive(Clone, Default)]
pub(super) struct Pool {
    idle: Arc<Mutex<Idle>>,
}

#[derive(Default)]
struct Idle {
    bytes: usize,
    buffers: Vec<Box<[u8]>>,
}

/// A buffer on loan.
pub(super) struct Buffer {
    data: Box<[u8]>,
    len: usize,
    idle: Arc<Mutex<Idle>>,
}

impl Pool {
    /// A buffer of `len` bytes of unknown but initialised content.
    pub(super) fn get(&self, len: usize) -> Buffer {
        let size = len.max(SMALLEST).next_power_of_two();
        let found = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let at = idle.buffers.iter().rposition(|buffer| buffer.len() == size);
            at.map(|at| {
                idle.bytes -= size;
                idle.buffers.swap_remove(at)
            })
        };
        Buffer {
            data: found.unwrap_or_else(|| vec![0; size].into_boxed_slice()),
            len,
            idle: self.idle.clone(),
        }
    }
}

impl Buffer {
    /// The buffer as bytes that can be shared; nothing is copied.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.data[..self.len]
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.data[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.bytes + data.len() <= KEEP {
            idle.bytes += data.len();
            idle.buffers.push(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(pool: &Pool) -> (usize, usize) {
        let idle = pool.idle.lock().unwrap();
        (idle.bytes, idle.buffers.len())
    }

    #[test]
    fn a_buffer_comes_back_when_its_last_holder_lets_go() {
        let pool = Pool::default();
        let mut buffer = pool.get(5000);
        assert_eq!(buffer.as_mut().len(), 5000);
        let bytes = buffer.freeze();
        let part = bytes.slice(100..200);
        drop(bytes);
        assert_eq!(idle(&pool), (0, 0));
        drop(part);
        assert_eq!(idle(&pool), (8192, 1));
        drop(pool.get(8192));
        assert_eq!(idle(&pool), (8192, 1));
    }

    #[test]
    fn idle_memory_is_bounded() {
        let pool = Pool::default();
        let loans: Vec<_> = (0..16).map(|_| pool.get(1 << 20)).collect();
        drop(loans);
        assert_eq!(idle(&pool), (KEEP, 4));
    }
}
