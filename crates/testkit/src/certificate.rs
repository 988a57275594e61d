//! A certificate for 127.0.0.1, with the authority that signed it, made for one test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::program;

/// Paths of a server's certificate and key and of the authority to trust, all PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Certificate for `localhost` and `127.0.0.1`.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authority that a client must trust. Distinct from the certificate: rustls refuses an authority as a server.
    pub authority: PathBuf,
}

const CONFIGURATION: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = Cloud Stick test
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1
extendedKeyUsage = serverAuth
";

impl Certificate {
    /// Makes one in `folder` with openssl(1), valid for two days.
    pub fn generate(folder: &Path) -> Result<Self> {
        let path = |name: &str| folder.join(name);
        fs::write(path("openssl.cnf"), CONFIGURATION)
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        let request = |section: &str, name: &str| {
            let mut command = Command::new(program::locate("openssl"));
            command
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                    "-nodes",
                ])
                .args(["-days", "2", "-config", "openssl.cnf", "-extensions", section])
                .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")])
                .current_dir(folder);
            command
        };
        run(request("authority", "authority").args(["-subj", "/CN=Cloud Stick test authority"]))?;
        run(request("server", "server").args(["-CA", "authority.pem", "-CAkey", "authority.key"]))?;
        Ok(Self {
            certificate: path("server.pem"),
            key: path("server.key"),
            authority: path("authority.pem"),
        })
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().context("cannot run openssl")?;
    if !output.status.success() {
        bail!("openssl failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_signed_by_its_authority() {
        let folder = tempfile::tempdir().unwrap();
        let made = Certificate::generate(folder.path()).unwrap();
        run(Command::new("openssl")
            .args(["verify", "-verify_ip", "127.0.0.1", "-purpose", "sslserver", "-CAfile"])
            .arg(&made.authority)
            .arg(&made.certificate))
        .unwrap();
    }
}
