//! A system in a folder, keys, and bundles.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::AtomicBool,
};

use tempfile::TempDir;
use update::{
    Error,
    boot::{Slot, State},
    bundle::Description,
    install::{Options, install},
    system::System,
};

/// Bytes of a slot here.
pub(crate) const SLOT: usize = 2 << 20;
/// Bytes of the image in a bundle here: no multiple of anything.
pub(crate) const IMAGE: usize = (1 << 20) + 4321;

/// A board that runs version 0.2.0 of the channel `development` from slot A.
pub(crate) struct Board {
    folder: TempDir,
}

impl Board {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let board = Self { folder };
        for name in ["keys", "kept"] {
            fs::create_dir(board.path(name)).unwrap();
        }
        fs::write(board.path("card"), vec![0; 1 << 20]).unwrap();
        fs::write(board.path("slot-a"), vec![b'a'; SLOT]).unwrap();
        fs::write(board.path("slot-b"), vec![b'b'; SLOT]).unwrap();
        fs::write(board.path("board"), "orangepi-pc\n").unwrap();
        board.runs(Slot::A, "0.2.0");
        make_key(&board.path("development.key"), &board.path("keys/development.pem"));
        board
    }

    /// As after a start from this slot.
    pub(crate) fn runs(&self, slot: Slot, version: &str) {
        fs::write(self.path("running"), format!("{}\n", slot.letter())).unwrap();
        fs::write(
            self.path("release"),
            format!("version={version}\nchannel=development\n"),
        )
        .unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn system(&self) -> System {
        System::open(self.folder.path()).unwrap().unwrap()
    }

    pub(crate) fn state(&self) -> Option<State> {
        State::read(&self.path("card")).unwrap()
    }

    /// A bundle of version 0.3.0, unless the words say otherwise; its bytes.
    pub(crate) fn bundle(&self, words: &[&str]) -> Vec<u8> {
        let image = self.path("image");
        fs::write(&image, content()).unwrap();
        let out = self.path("bundle.swu");
        let mut all = vec![("--version", "0.3.0"), ("--channel", "development")];
        all.retain(|(name, _)| !words.contains(name));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/build-update");
        let mut command = Command::new(script);
        command.arg("--slot").arg(&image).arg("--out").arg(&out);
        if !words.contains(&"--key") {
            command.arg("--key").arg(self.path("development.key"));
        }
        for (name, value) in all {
            command.args([name, value]);
        }
        run(command.args(words));
        fs::read(out).unwrap()
    }

    pub(crate) fn install(&self, bundle: &[u8]) -> Result<Description, Error> {
        self.install_with(bundle, Options::default())
    }

    pub(crate) fn install_with(&self, bundle: &[u8], options: Options) -> Result<Description, Error> {
        install(&self.system(), bundle, options, |_, _| (), &AtomicBool::new(false))
    }
}

/// What the image in bundles holds.
pub(crate) fn content() -> Vec<u8> {
    (0..IMAGE).map(|index| (index * 7 + index / 251) as u8).collect()
}

/// A key of 2048 bits, which is made fast, and its public half.
pub(crate) fn make_key(private: &Path, public: &Path) {
    run(Command::new("openssl")
        .args(["genrsa", "-out"])
        .arg(private)
        .arg("2048"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/build-update");
    run(Command::new(script)
        .arg("--key")
        .arg(private)
        .arg("--public-key")
        .arg(public));
}

fn run(command: &mut Command) {
    let output = command.output();
    let output = output
        .unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/install-dependencies installs what is needed"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
