//! What goes wrong: with the server, with a connection, with a request.

use std::{io, path::PathBuf, time::Duration};

use block::BlockError;

use crate::protocol::{Command, InvalidOption, Request, WrongMagic, cmd_flag, errno};

/// Why a server cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The list of exports is empty.
    #[error("an NBD server needs at least one export")]
    NoExports,
    /// Two exports share a name.
    #[error("two NBD exports are named {0:?}; names must differ")]
    DuplicateExport(String),
    /// A name that the protocol does not allow.
    #[error("NBD export {name:?}: {reason}")]
    BadExport {
        /// The name, or its beginning.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something listens there already.
    #[error("{address} is in use by another server; stop it or choose another address")]
    InUse {
        /// Where.
        address: String,
    },
    /// The path of the Unix socket is taken by something that is not a socket. It was left alone.
    #[error("{path} exists and is no socket; remove it or choose another path", path = path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system said no.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// Where.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum Disconnect {
    /// The handshake took too long.
    #[error("the handshake was not over after {0:?}")]
    HandshakeTimeout(Duration),
    /// The handshake was too long.
    #[error("more than {0} bytes of options")]
    HandshakeTooLong(usize),
    /// Client flags that the server did not offer.
    #[error("unknown client flags {0:#x}")]
    ClientFlags(u32),
    /// An option that does not start as it must.
    #[error("an option starts with {0:#018x}: not an NBD client, or out of step")]
    OptionMagic(u64),
    /// `NBD_OPT_EXPORT_NAME` cannot be refused in any other way.
    #[error("no export is named {0:?}")]
    UnknownExport(String),
    /// Likewise.
    #[error("malformed export name: {0}")]
    ExportName(InvalidOption),
    /// A request that does not start as it must.
    #[error(transparent)]
    RequestMagic(#[from] WrongMagic),
    /// A write with more data than any server must take.
    #[error("a write of {length} bytes, more than {maximum}")]
    WriteTooLong {
        /// Bytes announced.
        length: u32,
        /// Bytes taken at most.
        maximum: u32,
    },
    /// The connection ended in the middle of a message.
    #[error("the connection ended in the middle of {0}")]
    Truncated(&'static str),
    /// The connection failed.
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
}

impl Disconnect {
    /// Whether the client broke the protocol, as opposed to having gone away.
    #[must_use]
    pub fn is_violation(&self) -> bool {
        !matches!(self, Self::Io(_) | Self::Truncated(_))
    }
}

/// The NBD error for a failed request ("Error values").
///
/// Writes beyond the end are `ENOSPC`, everything else there `EINVAL`. `ENOTSUP` is reserved for zeroes that would not
/// be fast. What the store could not do for a reason of its own is `EIO`, whatever number its system gave: an `EINVAL`
/// would blame the client.
#[must_use]
pub fn nbd_error(error: &BlockError, request: &Request) -> u32 {
    match error {
        BlockError::OutOfRange { .. } if matches!(request.command, Command::Write | Command::WriteZeroes) => {
            errno::ENOSPC
        }
        BlockError::OutOfRange { .. } | BlockError::Misaligned { .. } => errno::EINVAL,
        BlockError::ReadOnly { .. } | BlockError::Denied { .. } => errno::EPERM,
        BlockError::NoSpace { .. } => errno::ENOSPC,
        BlockError::Unsupported { .. } if request.has(cmd_flag::FAST_ZERO) => errno::ENOTSUP,
        BlockError::Unsupported { .. } => errno::EINVAL,
        BlockError::Io { errno: Some(code), .. } => match io::Error::from_raw_os_error(*code).kind() {
            io::ErrorKind::OutOfMemory => errno::ENOMEM,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => errno::ENOSPC,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => errno::EPERM,
            _ => errno::EIO,
        },
        BlockError::Io { errno: None, .. }
        | BlockError::Unreachable { .. }
        | BlockError::Fenced { .. }
        | BlockError::Corrupt { .. } => errno::EIO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nbd_error(error: &BlockError, command: Command) -> u32 {
        super::nbd_error(error, &request(command, 0))
    }

    fn request(command: Command, flags: u16) -> Request {
        Request {
            flags,
            command,
            cookie: 0,
            offset: 0,
            length: 0,
        }
    }

    #[test]
    fn only_zeroes_that_had_to_be_fast_are_not_supported() {
        let error = BlockError::Unsupported {
            disk: "d".into(),
            operation: "fast zeroes".into(),
        };
        let fast = request(Command::WriteZeroes, cmd_flag::FAST_ZERO);
        assert_eq!(super::nbd_error(&error, &fast), errno::ENOTSUP);
        assert_eq!(nbd_error(&error, Command::WriteZeroes), errno::EINVAL);
    }

    #[test]
    fn errors_are_those_of_the_protocol() {
        let beyond = BlockError::out_of_range("d", 0, 1, 0);
        assert_eq!(nbd_error(&beyond, Command::Write), errno::ENOSPC);
        assert_eq!(nbd_error(&beyond, Command::WriteZeroes), errno::ENOSPC);
        assert_eq!(nbd_error(&beyond, Command::Read), errno::EINVAL);
        assert_eq!(nbd_error(&beyond, Command::Trim), errno::EINVAL);
        assert_eq!(nbd_error(&BlockError::read_only("d"), Command::Write), errno::EPERM);
        assert_eq!(
            nbd_error(&BlockError::no_space("d", "full"), Command::Write),
            errno::ENOSPC
        );
        assert_eq!(
            nbd_error(&BlockError::unreachable("d", "gone"), Command::Read),
            errno::EIO
        );
        assert_eq!(nbd_error(&BlockError::fenced("d", "lost"), Command::Write), errno::EIO);
    }

    #[test]
    fn system_errors_keep_what_the_protocol_can_say() {
        let io = |errno| BlockError::Io {
            disk: "d".into(),
            detail: "x".into(),
            errno: Some(errno),
        };
        // The numbers of Linux: ENOMEM, ENOSPC, EDQUOT, EFBIG, EROFS, EINVAL.
        let mapped = [12, 28, 122, 27, 30, 22].map(|errno| nbd_error(&io(errno), Command::Write));
        assert_eq!(
            mapped,
            [
                errno::ENOMEM,
                errno::ENOSPC,
                errno::ENOSPC,
                errno::ENOSPC,
                errno::EPERM,
                errno::EIO
            ]
        );
    }
}
