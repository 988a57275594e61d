//! Whether a folder can be used as a store, and how well.

use std::{
    fs::{self, File},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use block::store::{Finding, OpenOptions, StoreError};

use crate::{image, sys};

/// Less free space than this is worth a word: 256 MiB.
const LITTLE: u64 = 256 << 20;

pub(super) fn folder(folder: &Path, image: Option<&str>) -> Vec<Finding> {
    let place = folder.display();
    let mut findings = Vec::new();
    match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => findings.push(Finding::good("folder", format!("{place} is a folder"))),
        Ok(_) => {
            return vec![Finding::bad(
                "folder",
                format!("{place} is no folder"),
                "configure a folder",
            )];
        }
        Err(error) => {
            let remedy = format!("create it with: mkdir -p {place}");
            return vec![Finding::bad("folder", format!("{place}: {error}"), remedy)];
        }
    }
    match scratch(folder) {
        Ok(file) => {
            findings.push(Finding::good("rights", "files can be created"));
            findings.extend([space(&file), holes(&file), clones(folder, &file)]);
        }
        Err(error) => {
            let remedy = "give the daemon's user the right to write there, or use the images read-only";
            findings.push(Finding::bad(
                "rights",
                format!("no file can be created in {place}: {error}"),
                remedy,
            ));
        }
    }
    if let Some(image) = image {
        findings.push(of_image(folder, image));
    }
    findings
}

/// A file without a name, gone when closed.
fn scratch(folder: &Path) -> std::io::Result<File> {
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .open(folder)
}

fn space(file: &File) -> Finding {
    match sys::free_space(file) {
        Ok((free, all)) => {
            let detail = format!("{} MiB of {} MiB free", free >> 20, all >> 20);
            if free < LITTLE {
                Finding::warning("space", detail, "sparse images grow as they are written to: make room")
            } else {
                Finding::good("space", detail)
            }
        }
        Err(error) => Finding::warning("space", format!("free space is not known: {error}"), "none needed"),
    }
}

fn holes(file: &File) -> Finding {
    match file.set_len(1 << 20).and_then(|()| sys::punch_hole(file, 0, 64 << 10)) {
        Ok(()) => Finding::good("holes", "discarded space is given back"),
        Err(error) => Finding::warning(
            "holes",
            format!("the file system cannot punch holes ({error}): images never shrink, and zeroes are written out"),
            "use ext4, XFS, btrfs or tmpfs",
        ),
    }
}

fn clones(folder: &Path, file: &File) -> Finding {
    match scratch(folder).and_then(|other| sys::clone_file(file, &other)) {
        Ok(()) => Finding::good("snapshots", "take no time and no space (the file system clones files)"),
        Err(_) => Finding::good(
            "snapshots",
            "are copies, which take time and space, of images that are not in use",
        ),
    }
}

fn of_image(folder: &Path, image: &str) -> Finding {
    let check = format!("image {image}");
    let opened =
        super::names::check_image(image).and_then(|()| image::open(&folder.join(image), &OpenOptions::default()));
    match opened {
        Ok(opened) if opened.read_only => Finding::warning(
            check,
            "can only be read",
            "remount the file system for writing if it is to be written",
        ),
        Ok(opened) => Finding::good(check, format!("{} bytes, free to use", opened.size)),
        Err(error @ StoreError::InUse { .. }) => Finding::warning(check, error.to_string(), "none if that is intended"),
        Err(error) => Finding::bad(check, error.to_string(), "see above"),
    }
}
