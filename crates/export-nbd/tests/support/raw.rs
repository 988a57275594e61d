//! A client of bare bytes, written from the protocol's text alone and free to break it.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::patient;

pub const IHAVEOPT: u64 = 0x4948_4156_454F_5054;
pub const FIXED_NEWSTYLE: u32 = 1;
pub const NO_ZEROES: u32 = 2;

pub const OPT_EXPORT_NAME: u32 = 1;
pub const OPT_ABORT: u32 = 2;
pub const OPT_LIST: u32 = 3;
pub const OPT_STARTTLS: u32 = 5;
pub const OPT_INFO: u32 = 6;
pub const OPT_GO: u32 = 7;
pub const OPT_STRUCTURED: u32 = 8;
pub const OPT_LIST_META: u32 = 9;
pub const OPT_SET_META: u32 = 10;
pub const OPT_EXTENDED: u32 = 11;

pub const REP_ACK: u32 = 1;
pub const REP_SERVER: u32 = 2;
pub const REP_INFO: u32 = 3;
pub const REP_META: u32 = 4;
pub const ERR_UNSUP: u32 = 0x8000_0001;
pub const ERR_INVALID: u32 = 0x8000_0003;
pub const ERR_UNKNOWN: u32 = 0x8000_0006;
pub const ERR_TOO_BIG: u32 = 0x8000_0009;

pub const READ: u16 = 0;
pub const WRITE: u16 = 1;
pub const DISC: u16 = 2;
pub const FLUSH: u16 = 3;
pub const TRIM: u16 = 4;
pub const CACHE: u16 = 5;
pub const WRITE_ZEROES: u16 = 6;
pub const BLOCK_STATUS: u16 = 7;

pub const FUA: u16 = 1;
pub const NO_HOLE: u16 = 2;
pub const DF: u16 = 4;
pub const REQ_ONE: u16 = 8;
pub const FAST_ZERO: u16 = 16;

/// A structured reply chunk or a simple reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Simple {
        error: u32,
        cookie: u64,
    },
    Chunk {
        done: bool,
        kind: u16,
        cookie: u64,
        body: Vec<u8>,
    },
}

impl Reply {
    pub fn cookie(&self) -> u64 {
        match self {
            Self::Simple { cookie, .. } | Self::Chunk { cookie, .. } => *cookie,
        }
    }

    /// The error of a simple reply or of an error chunk.
    pub fn error(&self) -> u32 {
        match self {
            Self::Simple { error, .. } => *error,
            Self::Chunk { kind, body, .. } if kind & 0x8000 != 0 => be32(body),
            Self::Chunk { .. } => 0,
        }
    }
}

pub fn be16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes(bytes[..2].try_into().unwrap())
}
pub fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}
pub fn be64(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes[..8].try_into().unwrap())
}

/// A connection.
pub struct Raw {
    pub stream: TcpStream,
}

impl Raw {
    /// Connects and does nothing more.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = patient(TcpStream::connect(address)).await.expect("connects");
        Self { stream }
    }

    /// Connects and exchanges flags.
    pub async fn greet(address: SocketAddr, flags: u32) -> Self {
        let mut raw = Self::connect(address).await;
        let greeting = raw.take(18).await;
        assert_eq!(&greeting[..16], b"NBDMAGICIHAVEOPT");
        assert_eq!(be16(&greeting[16..]), 3, "fixed newstyle and no zeroes");
        raw.send(&flags.to_be_bytes()).await;
        raw
    }

    /// In transmission on an export, with structured replies and `base:allocation` or without; and the flags.
    pub async fn enter(address: SocketAddr, name: &str, structured: bool) -> (Self, u16, u64) {
        let mut raw = Self::greet(address, FIXED_NEWSTYLE | NO_ZEROES).await;
        if structured {
            assert_eq!(raw.option(OPT_STRUCTURED, b"").await, [(REP_ACK, vec![])]);
            let replies = raw.option(OPT_SET_META, &meta(name, &["base:allocation"])).await;
            assert_eq!(replies[0], (REP_META, b"\0\0\0\x01base:allocation".to_vec()));
        }
        let replies = raw.option(OPT_GO, &go(name, &[])).await;
        assert_eq!(replies.last().unwrap().0, REP_ACK, "{replies:?}");
        let (_, fact) = replies
            .iter()
            .find(|(_, body)| body.starts_with(&[0, 0]))
            .expect("size and flags");
        let (size, flags) = (be64(&fact[2..]), be16(&fact[10..]));
        (raw, flags, size)
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        patient(self.stream.write_all(bytes)).await.expect("the server listens");
    }

    pub async fn take(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        patient(self.stream.read_exact(&mut bytes))
            .await
            .expect("the server answers");
        bytes
    }

    /// Whether the server has hung up; what it still had to say.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset is as good: the server closed with bytes of ours unread.
        patient(self.stream.read_to_end(&mut bytes)).await.ok();
        bytes
    }

    pub async fn send_option(&mut self, kind: u32, data: &[u8]) {
        let mut bytes = IHAVEOPT.to_be_bytes().to_vec();
        bytes.extend(kind.to_be_bytes());
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(data);
        self.send(&bytes).await;
    }

    /// Sends an option and collects its replies: type and data.
    pub async fn option(&mut self, kind: u32, data: &[u8]) -> Vec<(u32, Vec<u8>)> {
        self.send_option(kind, data).await;
        let mut replies = Vec::new();
        loop {
            let head = self.take(20).await;
            assert_eq!(be64(&head), 0x3_e889_0455_65a9);
            assert_eq!(be32(&head[8..]), kind, "the reply names the option");
            let (reply, length) = (be32(&head[12..]), be32(&head[16..]));
            replies.push((reply, self.take(length as usize).await));
            if reply == REP_ACK || reply & (1 << 31) != 0 {
                return replies;
            }
        }
    }

    pub async fn request(&mut self, flags: u16, command: u16, cookie: u64, offset: u64, length: u32) {
        self.send(&request(flags, command, cookie, offset, length)).await;
    }

    /// The next simple reply or chunk; data of simple replies are left to the caller.
    pub async fn reply(&mut self) -> Reply {
        let head = self.take(16).await;
        match be32(&head) {
            0x6744_6698 => Reply::Simple {
                error: be32(&head[4..]),
                cookie: be64(&head[8..]),
            },
            0x668e_33ef => {
                let length = be32(&self.take(4).await);
                Reply::Chunk {
                    done: be16(&head[4..]) & 1 != 0,
                    kind: be16(&head[6..]),
                    cookie: be64(&head[8..]),
                    body: self.take(length as usize).await,
                }
            }
            other => panic!("a reply starts with {other:#x}"),
        }
    }

    /// Sends a request without payload and takes its reply, which must be one chunk.
    pub async fn ask(&mut self, flags: u16, command: u16, offset: u64, length: u32) -> Reply {
        self.request(flags, command, 0x1234, offset, length).await;
        let reply = self.reply().await;
        assert_eq!(reply.cookie(), 0x1234);
        reply
    }

    pub async fn write(&mut self, flags: u16, offset: u64, data: &[u8]) -> Reply {
        self.request(flags, WRITE, 0x4321, offset, data.len() as u32).await;
        self.send(data).await;
        let reply = self.reply().await;
        assert_eq!(reply.cookie(), 0x4321);
        reply
    }
}

pub fn request(flags: u16, command: u16, cookie: u64, offset: u64, length: u32) -> Vec<u8> {
    let mut bytes = 0x2560_9513_u32.to_be_bytes().to_vec();
    bytes.extend(flags.to_be_bytes());
    bytes.extend(command.to_be_bytes());
    bytes.extend(cookie.to_be_bytes());
    bytes.extend(offset.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes
}

/// Data of `NBD_OPT_GO` and `NBD_OPT_INFO`.
pub fn go(name: &str, infos: &[u16]) -> Vec<u8> {
    let mut data = counted(name);
    data.extend((infos.len() as u16).to_be_bytes());
    data.extend(infos.iter().flat_map(|info| info.to_be_bytes()));
    data
}

/// Data of the options about metadata contexts.
pub fn meta(name: &str, queries: &[&str]) -> Vec<u8> {
    let mut data = counted(name);
    data.extend((queries.len() as u32).to_be_bytes());
    data.extend(queries.iter().flat_map(|query| counted(query)));
    data
}

fn counted(text: &str) -> Vec<u8> {
    let mut data = (text.len() as u32).to_be_bytes().to_vec();
    data.extend(text.as_bytes());
    data
}
