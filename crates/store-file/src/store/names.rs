//! Names of images and snapshots, and the files they are kept in.

use block::store::{Result, StoreError};
use time::{OffsetDateTime, PrimitiveDateTime, format_description::FormatItem, macros::format_description};

/// Longest name of an image in bytes: with a snapshot's time and label it stays under the 255 of a file name.
const MAX_NAME: usize = 160;
/// Longest label of a snapshot in bytes.
const MAX_LABEL: usize = 60;
/// What a snapshot is called by: UTC, to the millisecond, sorting by age.
const TIME: &[FormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:3]Z");

/// Refuses what cannot be the name of one file in the folder, or would be taken for something else.
pub(super) fn check_image(name: &str) -> Result<()> {
    let wrong = |detail: &str| Err(StoreError::invalid(format!("image name {name:?}"), detail));
    match name {
        "" => wrong("is empty"),
        _ if name.len() > MAX_NAME => wrong("is longer than 160 bytes"),
        _ if name.starts_with('.') => wrong("starts with a dot"),
        _ if name.contains('/') => wrong("contains a slash; an image lies in the folder itself"),
        _ if name.contains('@') => wrong("contains an @, which separates image and snapshot"),
        _ if name.chars().any(char::is_control) => wrong("contains a control character"),
        _ => Ok(()),
    }
}

fn check_label(label: &str) -> Result<()> {
    let wrong = |detail: &str| Err(StoreError::invalid(format!("label {label:?}"), detail));
    match label {
        "" => wrong("is empty"),
        _ if label.len() > MAX_LABEL => wrong("is longer than 60 bytes"),
        _ if label.contains(['/', '@']) => wrong("contains a slash or an @"),
        _ if label.chars().any(char::is_control) => wrong("contains a control character"),
        _ => Ok(()),
    }
}

/// When a snapshot was taken.
pub(super) fn time_of(id: &str) -> Option<OffsetDateTime> {
    PrimitiveDateTime::parse(id, TIME)
        .ok()
        .map(PrimitiveDateTime::assume_utc)
}

/// Which snapshot of which image a file is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SnapshotName {
    pub(super) image: String,
    /// When it was taken, which is what it is called by.
    pub(super) id: String,
    pub(super) label: Option<String>,
}

impl SnapshotName {
    /// For a snapshot of `image` taken now.
    pub(super) fn now(image: &str, label: Option<&str>) -> Result<Self> {
        label.map(check_label).transpose()?;
        let id = OffsetDateTime::now_utc().format(TIME);
        Ok(Self {
            image: image.to_owned(),
            id: id.map_err(|error| StoreError::invalid("the clock", error.to_string()))?,
            label: label.map(str::to_owned),
        })
    }

    /// What a file name says; `None` if it is no snapshot's.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (image, rest) = name.split_once('@')?;
        let (id, label) = match rest.split_once('+') {
            Some((id, label)) => (id, Some(label)),
            None => (rest, None),
        };
        let valid =
            check_image(image).is_ok() && time_of(id).is_some() && label.is_none_or(|label| check_label(label).is_ok());
        valid.then(|| Self {
            image: image.to_owned(),
            id: id.to_owned(),
            label: label.map(str::to_owned),
        })
    }

    pub(super) fn file_name(&self) -> String {
        match &self.label {
            Some(label) => format!("{}@{}+{label}", self.image, self.id),
            None => format!("{}@{}", self.image, self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_files_in_the_folder_are_images() {
        for good in ["films", "films.img", "Filme für Oma.img", "a b", "x+y", "-rf"] {
            assert_eq!(check_image(good), Ok(()), "{good}");
        }
        let long = "x".repeat(161);
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "/etc/passwd",
            ".hidden",
            "a@b",
            "a\0b",
            "a\nb",
            &long,
        ] {
            assert!(check_image(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_snapshot_is_found_again_by_its_file_name() {
        for label in [None, Some("before the update"), Some("a+b")] {
            let name = SnapshotName::now("films.img", label).unwrap();
            assert_eq!(SnapshotName::parse(&name.file_name()), Some(name.clone()));
            assert!(time_of(&name.id).is_some());
        }
        for bad in [Some(""), Some("a/b"), Some("a@b"), Some("a\nb")] {
            assert!(SnapshotName::now("films", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn other_files_with_an_at_sign_are_no_snapshots() {
        for name in [
            "films",
            "films@",
            "films@yesterday",
            "@20260101T000000.000Z",
            "films@20269901T000000.000Z",
        ] {
            assert_eq!(SnapshotName::parse(name), None, "{name}");
        }
    }
}
