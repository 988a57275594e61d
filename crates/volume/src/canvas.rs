//! The sectors of an image that are not zero, before they are written.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

/// Unit of writes, in bytes: what most stores take without reading first.
const BLOCK: usize = 4096;

/// The longest single write, in bytes.
const LONGEST: usize = 1 << 20;

/// A sparse image; what was never put on it is zero.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    blocks: BTreeMap<u64, Box<[u8]>>,
}

impl Canvas {
    /// Puts `data` at a byte offset, over what is there.
    pub(crate) fn put(&mut self, mut offset: u64, mut data: &[u8]) {
        while !data.is_empty() {
            let start = (offset % BLOCK as u64) as usize;
            let (part, rest) = data.split_at(data.len().min(BLOCK - start));
            let block = self
                .blocks
                .entry(offset / BLOCK as u64)
                .or_insert_with(|| vec![0; BLOCK].into());
            block[start..start + part.len()].copy_from_slice(part);
            offset += part.len() as u64;
            data = rest;
        }
    }

    /// The writes that make a disk of `size` zero bytes this image, ascending, neighbours joined.
    pub(crate) fn into_writes(self, size: u64) -> Vec<(u64, Bytes)> {
        let mut writes: Vec<(u64, BytesMut)> = Vec::new();
        for (index, block) in self.blocks {
            let offset = index * BLOCK as u64;
            // The size is a multiple of the sector and not always of the block.
            let length = size.saturating_sub(offset).min(BLOCK as u64) as usize;
            match writes.last_mut() {
                Some((start, data)) if *start + data.len() as u64 == offset && data.len() < LONGEST => {
                    data.extend_from_slice(&block[..length]);
                }
                _ => writes.push((offset, BytesMut::from(&block[..length]))),
            }
        }
        writes.retain(|(_, data)| !data.is_empty());
        writes
            .into_iter()
            .map(|(offset, data)| (offset, data.freeze()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_whole_blocks_and_neighbours_one_write() {
        let mut canvas = Canvas::default();
        canvas.put(4090, &[1; 12]);
        canvas.put(1 << 20, &[2]);
        let writes = canvas.into_writes(2 << 20);
        assert_eq!(
            writes.iter().map(|(at, data)| (*at, data.len())).collect::<Vec<_>>(),
            [(0, 8192), (1 << 20, 4096)]
        );
        assert_eq!(writes[0].1.iter().filter(|&&byte| byte == 1).count(), 12);
    }

    #[test]
    fn nothing_is_written_beyond_the_end() {
        let mut canvas = Canvas::default();
        canvas.put(8192, &[1; 512]);
        let writes = canvas.into_writes(8192 + 512);
        assert_eq!((writes[0].0, writes[0].1.len()), (8192, 512));
    }
}
