//! An NBD connection as a block device, so that the conformance suite reaches a disk through the server.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use block::{
    BlockDevice, BlockError, Disk, Extent, ExtentKind, Features, Health, Operation, Payload, Properties, RangeLock,
    Result, Status, WriteFlags, ZeroFlags,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    sync::{Mutex as AsyncMutex, oneshot, watch},
};

use super::raw::{self, Raw, be16, be32, be64};

/// What came back for a request: data at their place, extents, or an error.
#[derive(Default)]
struct Answer {
    data: Vec<u8>,
    filled: usize,
    extents: Vec<(u32, u32)>,
    error: Option<(u32, String)>,
}

struct Pending {
    offset: u64,
    answer: Answer,
    done: oneshot::Sender<Answer>,
}

type Waiting = Arc<Mutex<HashMap<u64, Pending>>>;

struct Connection {
    send: AsyncMutex<OwnedWriteHalf>,
    waiting: Waiting,
    next: AtomicU64,
    ranges: RangeLock,
}

/// A disk at the other end of a connection, named by the server's address.
pub struct Client {
    name: String,
    connection: Arc<Connection>,
    properties: Properties,
    closed: AtomicBool,
    status: watch::Sender<Status>,
}

impl Client {
    pub async fn connect(address: SocketAddr, export: &str) -> Disk {
        let (raw, flags, size) = Raw::enter(address, export, true).await;
        let has = |flag: u16| flags & flag != 0;
        let properties = Properties {
            read_only: has(1 << 1),
            features: Features {
                discard: has(1 << 5),
                discard_zeroes: false,
                fast_zero: has(1 << 11),
                extents: true,
                resize: false,
                volatile_cache: has(1 << 2),
            },
            ..Properties::new(size)
        };
        let (receive, send) = raw.stream.into_split();
        let waiting = Waiting::default();
        tokio::spawn(receiver(receive, waiting.clone()));
        Arc::new(Self {
            name: address.to_string(),
            connection: Arc::new(Connection {
                send: AsyncMutex::new(send),
                waiting,
                next: AtomicU64::new(0),
                ranges: RangeLock::new(),
            }),
            properties,
            closed: AtomicBool::new(false),
            status: watch::Sender::new(Status::online(size)),
        })
    }

    /// Sends a request in a task of its own, which keeps its range until the reply is there: the request outlives a
    /// dropped future.
    async fn ask(
        &self,
        operation: Operation,
        (flags, command): (u16, u16),
        (offset, length): (u64, u32),
        payload: Payload,
    ) -> Result<Answer> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(BlockError::io(&self.name, "closed"));
        }
        self.properties.check(&self.name, operation, offset, length.into())?;
        let connection = self.connection.clone();
        let range = offset..offset + u64::from(length);
        let guard = match operation {
            Operation::Read | Operation::Extents | Operation::Flush => connection.ranges.shared(range).await,
            _ => connection.ranges.exclusive(range).await,
        };
        let task = tokio::spawn(async move {
            let _guard = guard;
            connection.exchange(flags, command, offset, length, payload).await
        });
        let answer = task
            .await
            .ok()
            .flatten()
            .ok_or_else(|| BlockError::unreachable(&self.name, "the server hung up"))?;
        match &answer.error {
            None => Ok(answer),
            Some((95, _)) => Err(BlockError::Unsupported {
                disk: self.name.as_str().into(),
                operation: "fast zeroes".into(),
            }),
            Some((code, text)) => Err(BlockError::io(&self.name, format!("NBD error {code}: {text}"))),
        }
    }
}

impl Connection {
    async fn exchange(&self, flags: u16, command: u16, offset: u64, length: u32, payload: Payload) -> Option<Answer> {
        let cookie = self.next.fetch_add(1, Ordering::SeqCst);
        let (done, answered) = oneshot::channel();
        let mut answer = Answer::default();
        if command == raw::READ {
            answer.data = vec![0xAA; length as usize];
        }
        self.waiting
            .lock()
            .unwrap()
            .insert(cookie, Pending { offset, answer, done });
        {
            let mut send = self.send.lock().await;
            send.write_all(&raw::request(flags, command, cookie, offset, length))
                .await
                .ok()?;
            for segment in payload {
                send.write_all(&segment).await.ok()?;
            }
        }
        answered.await.ok()
    }
}

/// Sorts replies to their requests until the connection ends.
async fn receiver(mut receive: OwnedReadHalf, waiting: Waiting) {
    while receive_one(&mut receive, &waiting).await.is_ok() {}
    waiting.lock().unwrap().clear();
}

async fn receive_one(receive: &mut OwnedReadHalf, waiting: &Waiting) -> std::io::Result<()> {
    let mut head = [0; 16];
    receive.read_exact(&mut head).await?;
    let cookie = be64(&head[8..]);
    let mut pending = waiting.lock().unwrap().remove(&cookie).expect("a reply to a request");
    let answer = &mut pending.answer;
    let done = if be32(&head) == 0x6744_6698 {
        let code = be32(&head[4..]);
        answer.error = (code != 0).then(|| (code, String::new()));
        true
    } else {
        assert_eq!(be32(&head), 0x668e_33ef);
        let length = receive.read_u32().await? as usize;
        let mut body = vec![0; length];
        receive.read_exact(&mut body).await?;
        let place = |at: u64| (at - pending.offset) as usize;
        match be16(&head[6..]) {
            0 => assert!(body.is_empty()),
            1 => {
                let (at, data) = (place(be64(&body)), &body[8..]);
                answer.data[at..at + data.len()].copy_from_slice(data);
                answer.filled += data.len();
            }
            2 => {
                let (at, hole) = (place(be64(&body)), be32(&body[8..]) as usize);
                answer.data[at..at + hole].fill(0);
                answer.filled += hole;
            }
            5 => {
                assert_eq!(be32(&body), 1, "our context");
                answer.extents = body[4..].chunks(8).map(|pair| (be32(pair), be32(&pair[4..]))).collect();
            }
            kind => {
                assert_eq!(kind, 0x8001, "an error chunk");
                let text = String::from_utf8(body[6..].to_vec()).expect("a text");
                answer.error = Some((be32(&body), text));
            }
        }
        be16(&head[4..]) & 1 != 0
    };
    if done {
        let complete = pending.answer.filled == pending.answer.data.len();
        assert!(pending.answer.error.is_some() || complete, "all data came");
        pending.done.send(pending.answer).ok();
    } else {
        waiting.lock().unwrap().insert(cookie, pending);
    }
    Ok(())
}

#[async_trait]
impl BlockDevice for Client {
    fn properties(&self) -> Properties {
        self.properties
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    async fn read(&self, offset: u64, len: u32) -> Result<Payload> {
        let answer = self
            .ask(Operation::Read, (0, raw::READ), (offset, len), Payload::new())
            .await?;
        Ok(answer.data.into())
    }

    async fn write(&self, offset: u64, data: Payload, flags: WriteFlags) -> Result<()> {
        let flags = if flags.fua { raw::FUA } else { 0 };
        let length = data.len() as u32;
        self.ask(Operation::Write, (flags, raw::WRITE), (offset, length), data)
            .await
            .map(drop)
    }

    async fn write_zeroes(&self, offset: u64, len: u64, flags: ZeroFlags) -> Result<()> {
        self.properties.check(&self.name, Operation::WriteZeroes, offset, len)?;
        let mut bits = if flags.fua { raw::FUA } else { 0 };
        bits |= if flags.no_hole { raw::NO_HOLE } else { 0 };
        bits |= if flags.fast_only { raw::FAST_ZERO } else { 0 };
        let command = (bits, raw::WRITE_ZEROES);
        self.ask(Operation::WriteZeroes, command, (offset, len as u32), Payload::new())
            .await
            .map(drop)
    }

    async fn discard(&self, offset: u64, len: u64) -> Result<()> {
        self.properties.check(&self.name, Operation::Discard, offset, len)?;
        let range = (offset, len as u32);
        self.ask(Operation::Discard, (0, raw::TRIM), range, Payload::new())
            .await
            .map(drop)
    }

    async fn flush(&self) -> Result<()> {
        self.ask(Operation::Flush, (0, raw::FLUSH), (0, 0), Payload::new())
            .await
            .map(drop)
    }

    async fn extents(&self, offset: u64, len: u64) -> Result<Vec<Extent>> {
        self.properties.check(&self.name, Operation::Extents, offset, len)?;
        if len == 0 && !self.closed.load(Ordering::SeqCst) {
            return Ok(Vec::new());
        }
        let range = (offset, len as u32);
        let answer = self
            .ask(Operation::Extents, (0, raw::BLOCK_STATUS), range, Payload::new())
            .await?;
        let mut at = offset;
        Ok(answer
            .extents
            .into_iter()
            .map(|(length, flags)| {
                let offset = at;
                at += u64::from(length);
                let kind = match flags {
                    0 => ExtentKind::Data,
                    2 => ExtentKind::Zero,
                    3 => ExtentKind::Hole,
                    other => panic!("flags {other}"),
                };
                Extent {
                    offset,
                    length: length.into(),
                    kind,
                }
            })
            .collect())
    }

    async fn resize(&self, _size: u64) -> Result<()> {
        Err(BlockError::Unsupported {
            disk: self.name.as_str().into(),
            operation: "resize".into(),
        })
    }

    async fn close(&self) -> Result<()> {
        if !self.closed.swap(true, Ordering::SeqCst) {
            self.status.send_modify(|status| status.health = Health::Closed);
            let goodbye = raw::request(0, raw::DISC, 0, 0, 0);
            self.connection.send.lock().await.write_all(&goodbye).await.ok();
        }
        Ok(())
    }
}
