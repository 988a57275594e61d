//! The handshake: fixed newstyle, without TLS.

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tracing::debug;

use crate::{
    connection::Reader,
    error::Disconnect,
    export::{BlockSizes, Export, find},
    protocol::{
        ALLOCATION, ALLOCATION_ID, ClientOption, FLAG_FIXED_NEWSTYLE, FLAG_NO_ZEROES, INIT_MAGIC, InfoRequest,
        MetaRequest, OPTION_MAGIC, OptionReply, info, opt, parse_option, rep,
    },
};

/// All that a client may send before transmission, in bytes: more than any client needs, little enough to be no attack.
const MAX_HANDSHAKE: usize = 256 << 10;

/// The longest data of one option that are looked at, in bytes; longer ones are skipped and refused.
const MAX_OPTION: usize = 32 << 10;

/// What client and server agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// Index of the export.
    pub(crate) export: usize,
    /// Its size, in bytes, as the client was told.
    pub(crate) size: u64,
    /// Structured replies are in use.
    pub(crate) structured: bool,
    /// `base:allocation` was chosen for this export.
    pub(crate) allocation: bool,
}

/// What becomes of the connection after an option.
enum Next {
    Haggle,
    Transmit(Agreement),
    End,
}

struct Handshake<'a> {
    exports: &'a [Export],
    memory: u32,
    no_zeroes: bool,
    structured: bool,
    /// The export for which `base:allocation` was chosen.
    allocation: Option<usize>,
}

/// Agrees with a client on an export; `None` when it went away in good order.
///
/// Bounded in bytes here and in time by the caller.
pub(crate) async fn handshake<R, W>(
    reader: &mut Reader<R>,
    writer: &mut W,
    exports: &[Export],
    memory: u32,
) -> Result<Option<Agreement>, Disconnect>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut greeting = [0; 18];
    greeting[..8].copy_from_slice(&INIT_MAGIC.to_be_bytes());
    greeting[8..16].copy_from_slice(&OPTION_MAGIC.to_be_bytes());
    greeting[16..].copy_from_slice(&(FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES).to_be_bytes());
    writer.write_all(&greeting).await?;
    let Some(flags) = reader.array("the client's flags").await? else {
        return Ok(None);
    };
    let flags = u32::from_be_bytes(flags);
    if flags & !u32::from(FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES) != 0 {
        return Err(Disconnect::ClientFlags(flags));
    }
    let mut handshake = Handshake {
        exports,
        memory,
        no_zeroes: flags & u32::from(FLAG_NO_ZEROES) != 0,
        structured: false,
        allocation: None,
    };
    let mut received = 0;
    loop {
        let Some(header) = reader.array::<16>("an option").await? else {
            return Ok(None);
        };
        let [magic @ .., _, _, _, _, _, _, _, _] = header;
        let [_, _, _, _, _, _, _, _, k0, k1, k2, k3, l0, l1, l2, l3] = header;
        let (magic, kind) = (u64::from_be_bytes(magic), u32::from_be_bytes([k0, k1, k2, k3]));
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        if magic != OPTION_MAGIC {
            return Err(Disconnect::OptionMagic(magic));
        }
        received += header.len();
        if length > MAX_HANDSHAKE - received.min(MAX_HANDSHAKE) {
            return Err(Disconnect::HandshakeTooLong(MAX_HANDSHAKE));
        }
        received += length;
        let (reply, next) = if length > MAX_OPTION && kind != opt::EXPORT_NAME {
            reader.skip(length, "an option").await?;
            (refuse(kind, rep::ERR_TOO_BIG, "too much data"), Next::Haggle)
        } else {
            let data = reader.bytes(length, "an option").await?;
            handshake.option(kind, &data)?
        };
        writer.write_all(&reply).await?;
        match next {
            Next::Haggle => {}
            Next::Transmit(agreement) => return Ok(Some(agreement)),
            Next::End => return Ok(None),
        }
    }
}

fn refuse(option: u32, kind: u32, reason: &str) -> Vec<u8> {
    debug!(option, reason, "option refused");
    let mut reply = OptionReply::new(option);
    reply.push(kind, &[reason.as_bytes()]);
    reply.into_bytes()
}

fn acknowledge(option: u32) -> Vec<u8> {
    let mut reply = OptionReply::new(option);
    reply.push(rep::ACK, &[]);
    reply.into_bytes()
}

impl Handshake<'_> {
    fn option(&mut self, kind: u32, data: &[u8]) -> Result<(Vec<u8>, Next), Disconnect> {
        // A failed choice of contexts replaces an earlier one too.
        if kind == opt::SET_META_CONTEXT {
            self.allocation = None;
        }
        let option = match parse_option(kind, data) {
            Ok(option) => option,
            Err(reason) if kind == opt::EXPORT_NAME => return Err(Disconnect::ExportName(reason)),
            Err(reason) => return Ok((refuse(kind, rep::ERR_INVALID, reason.0), Next::Haggle)),
        };
        Ok(match option {
            ClientOption::ExportName(name) => return self.export_name(name),
            ClientOption::Abort => (acknowledge(kind), Next::End),
            ClientOption::List => (self.list(), Next::Haggle),
            ClientOption::Info(request) => (self.info(kind, &request).0, Next::Haggle),
            ClientOption::Go(request) => match self.info(kind, &request) {
                (reply, Some(agreement)) => (reply, Next::Transmit(agreement)),
                (reply, None) => (reply, Next::Haggle),
            },
            ClientOption::StructuredReply => {
                self.structured = true;
                (acknowledge(kind), Next::Haggle)
            }
            ClientOption::ListMetaContext(request) => {
                let matches = request.queries == 0 || request.allocation || request.base_wildcard;
                (self.contexts(kind, &request, matches, 0).0, Next::Haggle)
            }
            ClientOption::SetMetaContext(request) => {
                let (reply, export) = self.contexts(kind, &request, request.allocation, ALLOCATION_ID);
                self.allocation = export;
                (reply, Next::Haggle)
            }
            ClientOption::StartTls => (
                refuse(kind, rep::ERR_UNSUP, "TLS is not supported by this server"),
                Next::Haggle,
            ),
            ClientOption::Unknown(_) => (refuse(kind, rep::ERR_UNSUP, "unknown option"), Next::Haggle),
        })
    }

    /// Size and flags of an export now, and what follows from choosing it.
    fn agree(&self, export: usize) -> (u16, Agreement) {
        let agreement = Agreement {
            export,
            size: self.exports[export].disk.properties().size,
            structured: self.structured,
            allocation: self.allocation == Some(export),
        };
        (self.exports[export].flags(self.structured), agreement)
    }

    fn export_name(&self, name: &str) -> Result<(Vec<u8>, Next), Disconnect> {
        let Some(export) = find(self.exports, name) else {
            return Err(Disconnect::UnknownExport(name.to_owned()));
        };
        let (flags, agreement) = self.agree(export);
        let mut reply = agreement.size.to_be_bytes().to_vec();
        reply.extend(flags.to_be_bytes());
        if !self.no_zeroes {
            reply.extend([0; 124]);
        }
        Ok((reply, Next::Transmit(agreement)))
    }

    fn list(&self) -> Vec<u8> {
        let mut reply = OptionReply::new(opt::LIST);
        for Export { name, description, .. } in self.exports {
            let length = (name.len() as u32).to_be_bytes();
            reply.push(rep::SERVER, &[&length, name.as_bytes(), description.as_bytes()]);
        }
        reply.push(rep::ACK, &[]);
        reply.into_bytes()
    }

    fn info(&self, kind: u32, request: &InfoRequest<'_>) -> (Vec<u8>, Option<Agreement>) {
        let Some(index) = find(self.exports, request.name) else {
            return (refuse(kind, rep::ERR_UNKNOWN, "no such export"), None);
        };
        let export = &self.exports[index];
        let (flags, agreement) = self.agree(index);
        let mut reply = OptionReply::new(kind);
        reply.push(
            rep::INFO,
            &[
                &info::EXPORT.to_be_bytes(),
                &agreement.size.to_be_bytes(),
                &flags.to_be_bytes(),
            ],
        );
        if request.wants_name {
            reply.push(rep::INFO, &[&info::NAME.to_be_bytes(), export.name.as_bytes()]);
        }
        if request.wants_description && !export.description.is_empty() {
            let text = export.description.as_bytes();
            reply.push(rep::INFO, &[&info::DESCRIPTION.to_be_bytes(), text]);
        }
        // Sent unasked too, since the constraints are not the defaults; clients ignore what they do not know.
        let sizes = BlockSizes::new(&export.disk.properties(), self.memory);
        reply.push(
            rep::INFO,
            &[
                &info::BLOCK_SIZE.to_be_bytes(),
                &sizes.minimum.to_be_bytes(),
                &sizes.preferred.to_be_bytes(),
                &sizes.maximum.to_be_bytes(),
            ],
        );
        reply.push(rep::ACK, &[]);
        (reply.into_bytes(), Some(agreement))
    }

    /// The reply to a query of contexts, and the export if there is one in it.
    fn contexts(&self, kind: u32, request: &MetaRequest<'_>, matches: bool, id: u32) -> (Vec<u8>, Option<usize>) {
        if !self.structured {
            let reason = "structured replies must be negotiated first";
            return (refuse(kind, rep::ERR_INVALID, reason), None);
        }
        let Some(export) = find(self.exports, request.name) else {
            return (refuse(kind, rep::ERR_UNKNOWN, "no such export"), None);
        };
        let mut reply = OptionReply::new(kind);
        if matches {
            reply.push(rep::META_CONTEXT, &[&id.to_be_bytes(), ALLOCATION.as_bytes()]);
        }
        reply.push(rep::ACK, &[]);
        (reply.into_bytes(), matches.then_some(export))
    }
}
