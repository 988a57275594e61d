//! The archive: cpio in its "new ASCII" forms, with or without sums (cpio(5); `Documentation/driver-api/early-userspace/buffer-format.rst` of
//! the kernel). Files are read in their order, once.

use std::io::{self, Read};

use crate::{Error, Result};

/// Bytes of a header.
const HEADER: usize = 110;
/// The longest name, in bytes.
const NAME: usize = 255;
/// How headers begin: without and with a sum.
const MAGIC: [&[u8]; 2] = [b"070701", b"070702"];
/// The most bytes that may follow the last header: archives are filled up to whole blocks.
const PADDING: u64 = 64 << 10;
/// The name of the last header.
const END: &str = "TRAILER!!!";
/// Where the size of a file and that of its name are: the seventh and the twelfth of thirteen numbers of eight digits.
const SIZE_AT: usize = 6 + 6 * 8;
const NAME_AT: usize = 6 + 11 * 8;

/// An archive that is read from its beginning to its end.
pub struct Archive<R> {
    source: R,
    /// What is being read, for errors.
    inside: String,
    /// Bytes of the present file that were not read yet, and zeroes after it.
    left: u64,
    padding: usize,
}

impl<R: Read> Archive<R> {
    /// Nothing is read yet.
    pub fn new(source: R) -> Self {
        Self {
            source,
            inside: "its head".to_owned(),
            left: 0,
            padding: 0,
        }
    }

    /// Goes to the next file, which must have this name; its size.
    ///
    /// # Errors
    /// [`Error::NotABundle`] if it has another one, or if this is no archive; [`Error::Truncated`]; [`Error::Source`].
    pub fn enter(&mut self, name: &str) -> Result<u64> {
        let (found, size) = self.next()?;
        if found == name {
            return Ok(size);
        }
        let detail = match found == END {
            true => format!("there is no {name} in it"),
            false => format!("{name} is expected where it has {found:?}"),
        };
        Err(Error::NotABundle { detail })
    }

    /// The next file, which must have this name and be no longer than this, as a whole.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub fn whole(&mut self, name: &str, limit: u64) -> Result<Vec<u8>> {
        let size = self.enter(name)?;
        if size > limit {
            return Err(not_a_bundle(&format!("{name} has {size} bytes")));
        }
        let mut bytes = vec![0; size as usize];
        self.fill(&mut bytes)?;
        self.left = 0;
        Ok(bytes)
    }

    /// The next bytes of the present file; none at its end.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Source`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.fill(&mut buffer[..wanted])?;
        self.left -= wanted as u64;
        Ok(wanted)
    }

    /// Sees that there is no other file, and reads the source to its end: whoever sends it may say behind its last byte that it does
    /// not count.
    ///
    /// # Errors
    /// [`Error::NotABundle`] if there is one, or more than padding; [`Error::Truncated`] if the archive has no end; [`Error::Source`].
    pub fn end(&mut self) -> Result<()> {
        match self.next()? {
            (name, 0) if name == END => {}
            (name, _) => return Err(not_a_bundle(&format!("{name:?} is in it, which does not belong there"))),
        }
        let mut rest = (&mut self.source).take(PADDING + 1);
        match io::copy(&mut rest, &mut io::sink()).map_err(Error::Source)? {
            0..=PADDING => Ok(()),
            _ => Err(not_a_bundle(&format!("more than {PADDING} bytes follow its end"))),
        }
    }

    fn next(&mut self) -> Result<(String, u64)> {
        if self.left > 0 {
            return Err(not_a_bundle(&format!("{} was not read to its end", self.inside)));
        }
        let mut zeroes = [0; 3];
        let padding = std::mem::take(&mut self.padding);
        self.fill(&mut zeroes[..padding])?;
        let mut header = [0; HEADER];
        self.fill(&mut header)?;
        if !MAGIC.contains(&&header[..6]) {
            return Err(not_a_bundle("there is no header of a cpio archive"));
        }
        let size = number(&header[SIZE_AT..SIZE_AT + 8])?;
        let length = number(&header[NAME_AT..NAME_AT + 8])? as usize;
        if !(2..=NAME).contains(&length) {
            return Err(not_a_bundle(&format!("a name in it has {length} bytes")));
        }
        // The name ends with a zero, and is padded together with the header.
        let mut name = vec![0; length + rest(HEADER + length)];
        self.fill(&mut name)?;
        let name = match name[..length].split_last() {
            Some((0, name)) if !name.contains(&0) => String::from_utf8(name.to_vec()).ok(),
            _ => None,
        };
        let name = name.ok_or_else(|| not_a_bundle("a name in it is no text"))?;
        self.left = size;
        self.padding = rest(size as usize);
        self.inside.clone_from(&name);
        Ok((name, size))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.source.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::Truncated {
                inside: self.inside.clone(),
            },
            _ => Error::Source(error),
        })
    }
}

/// How much is missing to a multiple of four.
fn rest(length: usize) -> usize {
    length.wrapping_neg() % 4
}

/// Eight hexadecimal digits.
fn number(digits: &[u8]) -> Result<u64> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let add = |sum: u64, byte: &u8| Some(sum << 4 | u64::from(digit(byte)?));
    let number = digits.iter().try_fold(0, add);
    number.ok_or_else(|| not_a_bundle("a number in a header is none"))
}

fn not_a_bundle(detail: &str) -> Error {
    Error::NotABundle {
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One file as `cpio -o -H newc` writes it.
    fn file(magic: &str, name: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = magic.as_bytes().to_vec();
        for number in [1, 0o100_644, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0] {
            bytes.extend(format!("{number:08X}").into_bytes());
        }
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn archive() -> Vec<u8> {
        let parts = [
            file("070702", "sw-description", b"{}"),
            file("070701", "slot.fat", b"12345"),
            file("070701", END, b""),
        ];
        parts.concat()
    }

    #[test]
    fn files_are_read_in_their_order() {
        let bytes = archive();
        let mut archive = Archive::new(bytes.as_slice());
        assert_eq!(archive.whole("sw-description", 10).unwrap(), b"{}");
        assert_eq!(archive.enter("slot.fat").unwrap(), 5);
        let mut buffer = [0; 4];
        assert_eq!(archive.read(&mut buffer).unwrap(), 4);
        assert_eq!(archive.read(&mut buffer).unwrap(), 1);
        assert_eq!(archive.read(&mut buffer).unwrap(), 0);
        archive.end().unwrap();
    }

    #[test]
    fn an_archive_that_ends_early_is_told_of_wherever_it_is() {
        let bytes = archive();
        for length in 0..bytes.len() {
            let mut archive = Archive::new(&bytes[..length]);
            let read = (|| {
                archive.whole("sw-description", 10)?;
                archive.enter("slot.fat")?;
                archive.read(&mut [0; 5])?;
                archive.end()
            })();
            assert!(matches!(read, Err(Error::Truncated { .. })), "{length}: {read:?}");
        }
    }

    #[test]
    fn what_is_no_archive_or_has_other_files_is_refused() {
        let refused = |bytes: &[u8]| match Archive::new(bytes).whole("sw-description", 10) {
            Err(Error::NotABundle { detail }) => detail,
            other => panic!("{other:?}"),
        };
        assert!(refused(&[b'x'; 200]).contains("no header"));
        assert!(refused(&file("070701", "readme", b"")).contains("readme"));
        assert!(refused(&file("070701", END, b"")).contains("no sw-description"));
        assert!(refused(&file("070701", "sw-description", &[0; 11])).contains("11 bytes"));
        let mut long = file("070701", "sw-description", b"");
        long[NAME_AT..NAME_AT + 8].copy_from_slice(b"FFFFFFFF");
        assert!(refused(&long).contains("4294967295"));
        long[NAME_AT..NAME_AT + 8].copy_from_slice(b"0000000g");
        assert!(refused(&long).contains("none"));
    }
}
