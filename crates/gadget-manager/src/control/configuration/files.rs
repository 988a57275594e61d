//! The two files of a configuration, changed together or not at all.
//!
//! Settings and secrets belong together: a power cut between the two renames would leave a configuration whose secrets are of
//! another one. So both new texts first go into one file beside them, whose rename is the moment at which the change has
//! happened. Whoever finds that file later finishes what it says.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The two texts.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    /// The settings.
    pub config: String,
    /// The secrets; empty if there are none.
    pub secrets: Zeroizing<String>,
}

/// Where the two files are.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// The settings.
    pub config: PathBuf,
    /// The secrets.
    pub secrets: PathBuf,
}

/// A change that has happened, in the file that says so.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pending {
    secrets_path: PathBuf,
    config: String,
    secrets: Zeroizing<String>,
}

impl Files {
    /// Both texts as they are. Blocks.
    pub(crate) fn read(&self) -> io::Result<Texts> {
        let secrets = match fs::read_to_string(&self.secrets) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Zeroizing::default(),
            Err(error) => return Err(about(&self.secrets, error)),
        };
        let config = fs::read_to_string(&self.config).map_err(|error| about(&self.config, error))?;
        Ok(Texts { config, secrets })
    }

    /// Changes both. After a power cut there are the old ones or the new ones. Blocks.
    pub(crate) fn write(&self, texts: &Texts) -> io::Result<()> {
        let pending = Pending {
            secrets_path: self.secrets.clone(),
            config: texts.config.clone(),
            secrets: texts.secrets.clone(),
        };
        let record = Zeroizing::new(serde_json::to_vec(&pending)?);
        write_aside(&pending_path(&self.config), &record, 0o600)?;
        finish(&self.config, &pending)
    }
}

/// Finishes a change of the configuration at `config` that was cut off. Says whether there was one. Blocks.
pub(crate) fn recover(config: &Path) -> io::Result<bool> {
    let path = pending_path(config);
    let text = match fs::read(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(about(&path, error)),
    };
    // What exactly is wrong may quote a secret. Renamed as a whole, it is whole unless somebody else wrote it.
    let pending: Pending = serde_json::from_slice(&text)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged", path.display())))?;
    finish(config, &pending)?;
    Ok(true)
}

fn pending_path(config: &Path) -> PathBuf {
    let name = config.file_name().unwrap_or_default().to_string_lossy().into_owned();
    config.with_file_name(format!(".{name}.pending"))
}

/// Does what the record says; again and again makes no difference.
fn finish(config: &Path, pending: &Pending) -> io::Result<()> {
    // A link stays a link.
    let target = fs::canonicalize(config).unwrap_or_else(|_| config.to_owned());
    let mode = fs::metadata(&target).map_or(0o644, |metadata| metadata.permissions().mode() & 0o777);
    // A file that the configuration names has to be there, if only an empty one.
    if !pending.secrets.is_empty() || pending.secrets_path.exists() {
        write_aside(&pending.secrets_path, pending.secrets.as_bytes(), 0o600)?;
    }
    write_aside(&target, pending.config.as_bytes(), mode)?;
    let record = pending_path(config);
    fs::remove_file(&record).map_err(|error| about(&record, error))
}

/// Writes a file whole or not at all, and sees that it is on the disk. Blocks.
pub(crate) fn write_aside(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let aside = path.with_file_name(format!(".{name}.new"));
    let write = || {
        // What a power cut left there may have other rights.
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(mode).open(&aside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        match path.parent() {
            Some(folder) => fs::File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|error| about(path, error))
}

fn about(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Files {
        Files {
            config: folder.join("gadget-manager.toml"),
            secrets: folder.join("secrets.toml"),
        }
    }

    fn texts(config: &str, secrets: &str) -> Texts {
        Texts {
            config: config.to_owned(),
            secrets: Zeroizing::new(secrets.to_owned()),
        }
    }

    #[test]
    fn both_files_change_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        files.write(&texts("a = 1\n", "[store.x]\n")).unwrap();
        assert!(files.read().unwrap() == texts("a = 1\n", "[store.x]\n"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&files.secrets), 0o600);
        fs::set_permissions(&files.config, fs::Permissions::from_mode(0o640)).unwrap();
        files.write(&texts("a = 2\n", "")).unwrap();
        assert!(files.read().unwrap() == texts("a = 2\n", ""));
        assert_eq!(mode(&files.config), 0o640, "its mode stays");
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert_eq!(fs::read_to_string(&files.secrets).unwrap(), "");
    }

    #[test]
    fn a_change_that_was_cut_off_is_finished_or_never_happened() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        files.write(&texts("a = 1\n", "one = 1\n")).unwrap();
        let pending = Pending {
            secrets_path: files.secrets.clone(),
            config: "a = 2\n".to_owned(),
            secrets: Zeroizing::new("two = 2\n".to_owned()),
        };
        let record = serde_json::to_vec(&pending).unwrap();
        // Before the rename of the record nothing has happened.
        fs::write(
            folder.path().join("..gadget-manager.toml.pending.new"),
            &record[..record.len() / 2],
        )
        .unwrap();
        assert!(!recover(&files.config).unwrap());
        assert!(files.read().unwrap() == texts("a = 1\n", "one = 1\n"));
        // After it, everything has, whichever of the renames were done.
        for done in 0..=2 {
            files.write(&texts("a = 1\n", "one = 1\n")).unwrap();
            fs::write(pending_path(&files.config), &record).unwrap();
            if done > 0 {
                fs::write(&files.secrets, "two = 2\n").unwrap();
            }
            if done > 1 {
                fs::write(&files.config, "a = 2\n").unwrap();
            }
            assert!(recover(&files.config).unwrap());
            assert!(files.read().unwrap() == texts("a = 2\n", "two = 2\n"), "{done}");
            assert!(!recover(&files.config).unwrap());
        }
    }

    #[test]
    fn a_damaged_record_is_told_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        fs::write(pending_path(&files.config), "planted-secret").unwrap();
        let error = recover(&files.config).unwrap_err().to_string();
        assert!(error.contains("damaged") && !error.contains("planted"), "{error}");
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let real = folder.path().join("real.toml");
        fs::write(&real, "a = 1\n").unwrap();
        std::os::unix::fs::symlink(&real, &files.config).unwrap();
        files.write(&texts("a = 2\n", "")).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "a = 2\n");
        assert!(fs::symlink_metadata(&files.config).unwrap().is_symlink());
    }
}
