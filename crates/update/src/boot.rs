//! What U-Boot reads and counts: which slot starts, and which is tried how many more times.
//!
//! It is kept in two sectors of the card before its first partition (`image/layout.sh`), each with the same content in the form
//! that U-Boot's `env import -c` and `env export -c` have (`cmd/nvedit.c`): a CRC-32 (little endian), then words `NAME=VALUE`, each
//! ended by a zero, and another zero after the last. U-Boot takes the first sector whose sum is right (`image/uboot-environment`), and so
//! does the first process, which has the other slot tried if its own has lost a part of its system (`image/initramfs/init`). A sector is written whole or not at all, and never both at once: a pulled plug leaves the old words or the new ones.

use std::{
    fmt,
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::Path,
};

use crate::{Error, Result};

/// Bytes of a sector.
const SECTOR: usize = 512;
/// Where the two are, in sectors of the card.
const COPIES: [u64; 2] = [2032, 2040];
/// How often a slot is tried.
pub const TRIES: u8 = 3;

/// A slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// Its letter, as U-Boot has it.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
        }
    }

    /// Of a letter.
    #[must_use]
    pub fn of(letter: &str) -> Option<Self> {
        match letter {
            "a" => Some(Self::A),
            "b" => Some(Self::B),
            _ => None,
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.letter().to_ascii_uppercase().fmt(f)
    }
}

/// A slot that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Which.
    pub slot: Slot,
    /// How many more times; U-Boot counts down before it starts the slot.
    pub tries: u8,
}

/// What U-Boot is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The slot that has proven itself.
    pub slot: Slot,
    /// The one that is tried before it.
    pub trial: Option<Trial>,
}

impl State {
    /// The state of a card; `None` on one that was never updated, or whose sectors are both unreadable.
    ///
    /// # Errors
    /// [`Error::Card`].
    pub fn read(card: &Path) -> Result<Option<Self>> {
        let file = File::open(card).map_err(Error::card(card))?;
        let mut sector = [0; SECTOR];
        for copy in COPIES {
            let at = copy * SECTOR as u64;
            // One that cannot be read is as good as one whose sum is wrong: there is another.
            if file.read_exact_at(&mut sector, at).is_ok()
                && let Some(state) = Self::decode(&sector)
            {
                return Ok(Some(state));
            }
        }
        Ok(None)
    }

    /// Puts it on a card: one sector after the other, each on the card before the next is begun.
    ///
    /// # Errors
    /// [`Error::Card`]. The first sector may have it then, and counts.
    pub fn write(self, card: &Path) -> Result<()> {
        let file = OpenOptions::new().write(true).open(card).map_err(Error::card(card))?;
        let sector = self.encode();
        for copy in COPIES {
            file.write_all_at(&sector, copy * SECTOR as u64)
                .and_then(|()| file.sync_all())
                .map_err(Error::card(card))?;
        }
        Ok(())
    }

    fn encode(self) -> [u8; SECTOR] {
        let mut text = format!("slot={}\0", self.slot.letter());
        if let Some(trial) = self.trial {
            text += &format!("trial={}\0tries={}\0", trial.slot.letter(), trial.tries);
        }
        let mut sector = [0; SECTOR];
        sector[4..4 + text.len()].copy_from_slice(text.as_bytes());
        let sum = crc32fast::hash(&sector[4..]);
        sector[..4].copy_from_slice(&sum.to_le_bytes());
        sector
    }

    fn decode(sector: &[u8; SECTOR]) -> Option<Self> {
        let (sum, text) = sector.split_first_chunk()?;
        if crc32fast::hash(text) != u32::from_le_bytes(*sum) {
            return None;
        }
        let words = text.split(|&byte| byte == 0).take_while(|word| !word.is_empty());
        let words: Vec<(&str, &str)> = words
            .filter_map(|word| std::str::from_utf8(word).ok()?.split_once('='))
            .collect();
        let word = |name: &str| words.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let trial = word("trial").and_then(Slot::of).map(|slot| Trial {
            slot,
            // U-Boot leaves the word away when there is nothing to count.
            tries: word("tries").and_then(|tries| tries.parse().ok()).unwrap_or(0),
        });
        Some(Self {
            slot: word("slot").and_then(Slot::of)?,
            trial,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 3] = [
        State {
            slot: Slot::A,
            trial: None,
        },
        State {
            slot: Slot::B,
            trial: None,
        },
        State {
            slot: Slot::A,
            trial: Some(Trial {
                slot: Slot::B,
                tries: 3,
            }),
        },
    ];

    fn card() -> tempfile::NamedTempFile {
        let card = tempfile::NamedTempFile::new().unwrap();
        card.as_file().set_len(1 << 20).unwrap();
        card
    }

    #[test]
    fn a_state_is_what_was_written() {
        let card = card();
        assert_eq!(State::read(card.path()).unwrap(), None);
        for state in STATES {
            state.write(card.path()).unwrap();
            assert_eq!(State::read(card.path()).unwrap(), Some(state));
        }
    }

    /// What `env export -c -s 0x200` of U-Boot 2025.01 made of such words.
    #[test]
    fn it_is_in_the_form_of_u_boot() {
        let sector = STATES[2].encode();
        assert_eq!(&sector[4..29], b"slot=a\0trial=b\0tries=3\0\0\0");
        assert_eq!(sector[..4], crc32fast::hash(&sector[4..]).to_le_bytes());
    }

    #[test]
    fn one_torn_sector_loses_nothing() {
        let card = card();
        STATES[2].write(card.path()).unwrap();
        for (torn, copy) in COPIES.into_iter().enumerate() {
            let file = OpenOptions::new().write(true).open(card.path()).unwrap();
            file.write_all_at(b"torn", copy * 512 + 20).unwrap();
            let expected = (torn == 0).then_some(STATES[2]);
            assert_eq!(State::read(card.path()).unwrap(), expected, "sector {copy}");
        }
    }

    #[test]
    fn the_sectors_are_those_of_the_layout() {
        let layout = include_str!("../../../image/layout.sh");
        let line = format!("BOOT_STATE_1={} BOOT_STATE_2={}", COPIES[0], COPIES[1]);
        assert!(
            layout.lines().any(|known| known == line),
            "image/layout.sh has no line {line}"
        );
        let init = include_str!("../../../image/initramfs/init");
        let line = format!("BOOT_STATES='{} {}'", COPIES[0], COPIES[1]);
        assert!(
            init.lines().any(|known| known == line),
            "image/initramfs/init has no line {line}"
        );
    }
}
