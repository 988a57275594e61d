//! What the target `verity` is to do (`Documentation/admin-guide/device-mapper/verity.rst`).

/// Size of a block of data and of sums, in bytes.
const BLOCK: u64 = 4096;
/// Size of a sector of device-mapper, in bytes.
const SECTOR: u64 = 512;
/// Digits of a SHA-256 sum.
const DIGITS: usize = 64;

/// A table's line, without its beginning.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    device: String,
    blocks: u64,
    digest: String,
}

impl Target {
    /// Checks what the command line says; whether the device suits it, the kernel knows.
    pub(crate) fn new(device: &str, blocks: &str, digest: &str) -> Result<Self, String> {
        // Words of the table are separated by spaces, and a backslash would be an escape there.
        if device.is_empty() || device.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(format!("'{}' is not a device's path", device.escape_debug()));
        }
        let blocks = match blocks.parse() {
            // The kernel wants the sectors of both areas to fit into its own numbers; no card comes near.
            Ok(blocks @ 1..=0xffff_ffff) => blocks,
            _ => return Err(format!("'{}' is not a number of blocks", blocks.escape_debug())),
        };
        if digest.len() != DIGITS || !digest.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(format!(
                "'{}' is not a SHA-256 sum: {DIGITS} hexadecimal digits",
                digest.escape_debug()
            ));
        }
        Ok(Self {
            device: device.to_owned(),
            blocks,
            digest: digest.to_owned(),
        })
    }

    /// Length of the new device.
    pub(crate) fn sectors(&self) -> u64 {
        self.blocks * (BLOCK / SECTOR)
    }

    /// Version 1 of the format; data, then sums on the same device; no salt (`-`). A block is checked when it is read the
    /// first time (`check_at_most_once`): what a card loses, it has lost by then, and a slow processor reads its programs again
    /// and again.
    pub(crate) fn parameters(&self) -> String {
        let Self { device, blocks, digest } = self;
        format!("1 {device} {device} {BLOCK} {BLOCK} {blocks} {blocks} sha256 {digest} - 1 check_at_most_once")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn the_kernel_gets_what_its_documentation_says() {
        let target = Target::new("/dev/loop0", "5", SUM).unwrap();
        assert_eq!(target.sectors(), 40);
        assert_eq!(
            target.parameters(),
            format!("1 /dev/loop0 /dev/loop0 4096 4096 5 5 sha256 {SUM} - 1 check_at_most_once")
        );
    }

    #[test]
    fn words_that_make_no_sense_are_refused() {
        for (device, blocks, digest) in [
            ("", "5", SUM),
            ("/dev/a b", "5", SUM),
            ("/dev/a\\", "5", SUM),
            ("/dev/a\n", "5", SUM),
            ("/dev/loop0", "0", SUM),
            ("/dev/loop0", "-1", SUM),
            ("/dev/loop0", "99999999999", SUM),
            ("/dev/loop0", "five", SUM),
            ("/dev/loop0", "5", ""),
            ("/dev/loop0", "5", &SUM[1..]),
            ("/dev/loop0", "5", &SUM.replace('a', "g")),
        ] {
            assert!(
                Target::new(device, blocks, digest).is_err(),
                "{device:?} {blocks:?} {digest:?}"
            );
        }
    }
}
