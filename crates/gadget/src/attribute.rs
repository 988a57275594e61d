//! Reading and writing one attribute of configfs or sysfs.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use crate::GadgetError;

/// Reads an attribute without its trailing newline.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
    text.truncate(text.trim_end_matches(['\n', '\0']).len());
    Ok(text)
}

/// Reads an attribute, with an error that names it.
pub(crate) fn get(path: &Path) -> Result<String, GadgetError> {
    read(path).map_err(|source| GadgetError::attribute("read", path, source))
}

/// Writes a value in one `write(2)`, as the kernel wants it, without creating anything.
///
/// A newline is appended: an empty value would otherwise be no write at all, and "no file" is an empty line.
pub(crate) fn write(path: &Path, value: &[u8]) -> io::Result<()> {
    let mut line = Vec::with_capacity(value.len() + 1);
    line.extend_from_slice(value);
    line.push(b'\n');
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    match file.write(&line)? {
        n if n == line.len() => Ok(()),
        n => Err(io::Error::new(
            io::ErrorKind::WriteZero,
            format!("the kernel took {n} of {} bytes", line.len()),
        )),
    }
}

/// Writes a switch.
pub(crate) fn set_flag(path: &Path, on: bool) -> Result<(), GadgetError> {
    write(path, if on { b"1" } else { b"0" }).map_err(|source| GadgetError::attribute("write", path, source))
}

/// Reads a switch.
pub(crate) fn get_flag(path: &Path) -> Result<bool, GadgetError> {
    Ok(get(path)?.trim() == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_back_without_newline() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        write(&path, b"/dev/ublkb0").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"/dev/ublkb0\n");
        assert_eq!(read(&path).unwrap(), "/dev/ublkb0");
    }

    #[test]
    fn nothing_is_a_line_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "/dev/sda").unwrap();
        write(&path, b"").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"\n");
    }

    #[test]
    fn an_attribute_that_is_not_there_is_not_created() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("forced_eject");
        assert_eq!(write(&path, b"1").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!path.exists());
        let error = set_flag(&path, true).unwrap_err().to_string();
        assert!(error.contains("forced_eject"), "{error}");
    }
}
