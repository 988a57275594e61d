//! The listening socket: TCP, or a Unix socket that replaces nothing but the leftovers of a dead server.

use std::{
    fmt, fs, io,
    net::SocketAddr,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net,
    },
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tracing::{debug, warn};

use crate::error::BindError;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A Unix socket. The file of a dead server is replaced, that of a live one refused, any other file left alone.
    Unix {
        /// The socket file.
        path: PathBuf,
        /// Its permissions, such as `0o660`; who may write to it may connect.
        mode: u32,
    },
    /// A TCP port; port 0 takes a free one. The protocol has no passwords and no encryption here: bind to loopback.
    Tcp(SocketAddr),
}

/// Where a server listens. Shown as the URI that libnbd and QEMU understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// A TCP address, with the port that was really taken.
    Tcp(SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "nbd://{address}"),
            Self::Unix(path) => {
                f.write_str("nbd+unix:///?socket=")?;
                for byte in path.as_os_str().as_encoded_bytes() {
                    match byte {
                        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                            write!(f, "{}", char::from(*byte))?;
                        }
                        _ => write!(f, "%{byte:02X}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// A listening socket. Dropping it removes its file.
pub(crate) enum Listener {
    Unix { listener: UnixListener, _file: SocketFile },
    Tcp(TcpListener),
}

/// A connection as it was accepted.
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// The file of a Unix socket, known by its inode so that only the very same is removed.
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            warn!(path = %self.path.display(), %error, "cannot remove the NBD socket");
        }
    }
}

impl Listener {
    pub(crate) async fn bind(listen: Listen) -> Result<(Self, Address), BindError> {
        let address = match &listen {
            Listen::Unix { path, .. } => Address::Unix(path.clone()),
            Listen::Tcp(address) => Address::Tcp(*address),
        };
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse {
                address: address.to_string(),
            },
            _ => BindError::Io {
                address: address.to_string(),
                source,
            },
        };
        match listen {
            Listen::Tcp(socket) => {
                let listener = bind_tcp(socket).map_err(failed)?;
                let address = Address::Tcp(listener.local_addr().map_err(failed)?);
                Ok((Self::Tcp(listener), address))
            }
            Listen::Unix { path, mode } => {
                make_room(&path, &address).await?;
                let (listener, file) = bind_unix(&path, mode).map_err(failed)?;
                Ok((Self::Unix { listener, _file: file }, address))
            }
        }
    }

    /// The next connection and a name for its other end.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, String)> {
        match self {
            Self::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                let peer = match stream.peer_cred() {
                    Ok(peer) => format!("uid {} pid {}", peer.uid(), peer.pid().unwrap_or_default()),
                    Err(_) => "unknown process".to_owned(),
                };
                Ok((Stream::Unix(stream), peer))
            }
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Replies must not wait for the client's acknowledgements ("Protocol phases").
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%peer, %error, "cannot set TCP_NODELAY");
                }
                Ok((Stream::Tcp(stream), peer.to_string()))
            }
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it (Linux): a client whose machine vanished does not hold its place for ever.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Removes the socket of a dead server.
async fn make_room(path: &Path, address: &Address) -> Result<(), BindError> {
    let io = |source| BindError::Io {
        address: address.to_string(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    // Only a refused connection proves that nobody listens; a full backlog, for one, proves the contrary.
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(io),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(io(error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(BindError::InUse {
            address: address.to_string(),
        }),
    }
}

/// Binds under a temporary name and links it into place once its permissions are right, so that nobody ever connects
/// to a socket with others, and nothing is overwritten that came in between.
fn bind_unix(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // A path that is too long for clients must not pass because the temporary one is shorter.
    net::SocketAddr::from_pathname(path)?;
    let unique = format!(".nbd-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let temporary = path.with_file_name(unique);
    let listener = UnixListener::bind(&temporary)?;
    let linked = fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))
        .and_then(|()| fs::symlink_metadata(&temporary))
        .and_then(|found| match fs::hard_link(&temporary, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(io::ErrorKind::AddrInUse.into()),
            Err(error) => Err(error),
            Ok(()) => Ok((found.dev(), found.ino())),
        });
    let removed = fs::remove_file(&temporary);
    let file = SocketFile {
        path: path.to_owned(),
        inode: linked?,
    };
    removed?;
    Ok((listener, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_uris() {
        let tcp = Address::Tcp("127.0.0.1:10809".parse().unwrap());
        assert_eq!(tcp.to_string(), "nbd://127.0.0.1:10809");
        let tcp6 = Address::Tcp("[::1]:10809".parse().unwrap());
        assert_eq!(tcp6.to_string(), "nbd://[::1]:10809");
        let unix = Address::Unix("/run/a b&c/nbd.sock".into());
        assert_eq!(unix.to_string(), "nbd+unix:///?socket=/run/a%20b%26c/nbd.sock");
    }

    fn unix(path: &Path) -> Listen {
        Listen::Unix {
            path: path.to_owned(),
            mode: 0o600,
        }
    }

    #[tokio::test]
    async fn a_unix_socket_has_its_mode_and_goes_with_its_server() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nbd.sock");
        let (listener, _) = Listener::bind(unix(&path)).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "no temporary name is left"
        );
        let second = Listener::bind(unix(&path)).await;
        assert!(
            matches!(second, Err(BindError::InUse { .. })),
            "a live server is not replaced"
        );
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn only_the_socket_of_a_dead_server_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nbd.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Listener::bind(unix(&path)).await.unwrap());
        fs::write(&path, "precious").unwrap();
        let refused = Listener::bind(unix(&path)).await;
        assert!(matches!(refused, Err(BindError::NotASocket { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn a_file_put_in_place_of_the_socket_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nbd.sock");
        let (listener, _) = Listener::bind(unix(&path)).await.unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        drop(listener);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_taken_port_is_told_from_a_path_that_cannot_be() {
        let (_listener, address) = Listener::bind(Listen::Tcp("127.0.0.1:0".parse().unwrap()))
            .await
            .unwrap();
        let Address::Tcp(taken) = address else { panic!("TCP") };
        let second = Listener::bind(Listen::Tcp(taken)).await;
        assert!(matches!(second, Err(BindError::InUse { .. })));
        let long = Path::new("/tmp").join("n".repeat(120));
        assert!(matches!(Listener::bind(unix(&long)).await, Err(BindError::Io { .. })));
        let missing = Listener::bind(unix(Path::new("/nonexistent/nbd.sock"))).await;
        assert!(matches!(missing, Err(BindError::Io { .. })));
    }
}
