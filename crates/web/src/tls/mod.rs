//! The certificate that the device makes for itself. No authority vouches for it: the setup page shows its fingerprint, and a
//! browser that has accepted it once notices another one.

mod certificate;
mod keeper;

pub(crate) use certificate::Subject;
pub(crate) use keeper::Keeper;

/// There is no certificate, and none could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be written.
    #[error("{}: {source}; the folder must exist and be writable by the daemon", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// The certificate cannot be made of this name and these addresses.
    #[error("no certificate can be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The TLS library does not take what was made.
    #[error("the certificate cannot be used: {0}")]
    Use(#[from] rustls::Error),
}
