//! The loop of a queue's thread.
//!
//! The thread is the executor of its own requests: it polls their futures itself, inside the daemon's tokio runtime
//! context, and sleeps in `io_uring_enter` until the kernel has a request or a waker (a socket, a timer, a worker
//! thread) wants a future polled. So a request that the stack answers at once costs no thread switch at all, and any
//! other costs one.

use std::{
    io,
    os::fd::RawFd,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use block::{BlockError, Disk, Payload, WriteFlags, ZeroFlags};
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use libublk::{
    BufDesc, BufDescList, UblkError as LibError, UblkIORes, UblkUringData,
    io::{UblkDev, UblkIOCtx, UblkQueue, with_task_io_ring_mut},
    sys,
};
use tokio::runtime::Handle;

use super::{
    copy,
    mailbox::{Mailbox, wakers},
    pool::Pool,
    request::Request,
    trust::without_sys_admin,
};
use crate::{
    FailedWrites,
    errno::{DEADLINE, errno},
};

/// What completions of the ring are for, besides commands of the kernel.
const EVENT: u64 = UblkUringData::Target as u64 | 1;
const TIMER: u64 = UblkUringData::Target as u64 | 2;

type Future<'d, T> = Pin<Box<dyn std::future::Future<Output = Result<T, BlockError>> + Send + 'd>>;

/// An operation under way.
enum Running<'d> {
    Read(Future<'d, Payload>),
    Other(Future<'d, ()>),
}

struct Slot<'d> {
    request: Request,
    running: Running<'d>,
    started: Instant,
}

/// A completion, copied out of the ring so that the ring is free while it is dealt with.
struct Event {
    data: u64,
    result: i32,
    more: bool,
}

/// Everything that the loop works on.
struct Server<'d> {
    queue: &'d UblkQueue<'d>,
    device: RawFd,
    disk: &'d Disk,
    failed: &'d FailedWrites,
    mailbox: &'d Mailbox,
    wakers: Vec<Waker>,
    pool: Pool,
    deadline: Duration,
    slots: Vec<Option<Slot<'d>>>,
    busy: usize,
    detaching: bool,
    /// The time that the running timer was given; the kernel reads it when the request is submitted.
    timer: Option<types::Timespec>,
}

/// What all queues of a device have in common.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) disk: Disk,
    pub(crate) deadline: Duration,
    pub(crate) scan_partitions: bool,
    pub(crate) failed: Arc<FailedWrites>,
    pub(crate) runtime: Handle,
}

/// Serves queue `index` of `device` until the device is stopped or the mailbox asks to detach.
///
/// `ready` is called when the kernel has the queue's commands, or with the reason why not.
pub(crate) fn serve(
    device: &UblkDev,
    index: u16,
    setup: &Setup,
    mailbox: &Arc<Mailbox>,
    ready: impl FnOnce(Result<(), String>),
) {
    // Futures of the stack use the runtime's timers, sockets and threads.
    let _runtime = setup.runtime.enter();
    let queue = match fetch(device, index, setup.scan_partitions) {
        Ok(queue) => queue,
        Err(error) => return ready(Err(error)),
    };
    let depth = device.dev_info.queue_depth;
    let mut server = Server {
        queue: &queue,
        device: device.tgt.fds[0],
        disk: &setup.disk,
        failed: &setup.failed,
        mailbox,
        wakers: wakers(mailbox, depth),
        pool: Pool::default(),
        deadline: setup.deadline,
        slots: (0..depth).map(|_| None).collect(),
        busy: 0,
        detaching: false,
        timer: None,
    };
    server.watch_mailbox();
    ready(Ok(()));
    let end = server.run();
    drop(server);
    if end == End::Left {
        leave(queue);
    }
}

/// Sets the queue up and gives the kernel all its commands.
fn fetch(device: &UblkDev, index: u16, scan_partitions: bool) -> Result<UblkQueue<'_>, String> {
    let start = || {
        let queue = UblkQueue::new(index, device)
            .and_then(|queue| queue.submit_fetch_commands_unified(BufDescList::Slices(None)))
            .map_err(|error| error.to_string())?;
        with_task_io_ring_mut(|ring: &mut IoUring| ring.submit()).map_err(|error| error.to_string())?;
        Ok(queue)
    };
    if scan_partitions {
        start()
    } else {
        without_sys_admin(start).map_err(|error| format!("capabilities: {error}"))?
    }
}

/// How a queue ended.
#[derive(PartialEq, Eq)]
enum End {
    /// The driver has taken all its commands back.
    Down,
    /// The driver still has commands; they end with the ring, which ends with this thread.
    Left,
}

/// Lets go of a queue whose commands are still with the driver.
///
/// Dropping it would unregister the ring's files first, and that waits for all commands for ever (Linux before 6.13).
/// What else the drop does is done here: as long as the descriptors are mapped, the driver takes the device for served.
fn leave(queue: UblkQueue<'_>) {
    let descriptors = std::ptr::from_ref(queue.get_iod(0)).cast_mut().cast();
    // SAFETY: sysconf has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let length = (queue.get_depth() as usize * size_of::<sys::ublksrv_io_desc>()).next_multiple_of(page);
    std::mem::forget(queue);
    // SAFETY: the mapping that UblkQueue::new made, as long as it made it; nobody else can reach it any more.
    unsafe { libc::munmap(descriptors, length) };
}

impl<'d> Server<'d> {
    fn run(&mut self) -> End {
        let mut events = Vec::with_capacity(self.slots.len() + 2);
        let mut woken = Vec::with_capacity(self.slots.len());
        loop {
            self.mailbox.take(|tag| woken.push(tag));
            for tag in woken.drain(..) {
                self.poll(tag);
            }
            self.detaching = self.mailbox.is_detaching();
            if self.detaching && self.busy == 0 {
                // Commits of what was just finished must reach the kernel; new requests are left to the next server.
                let _ = self.queue.flush_and_wake_io_tasks(|_, _, _| {}, 0);
                return End::Left;
            }
            self.set_timer();
            // One system call submits all answers and waits for whatever comes next.
            let wait = usize::from(self.mailbox.sleep(self.detaching));
            let result = self.queue.flush_and_wake_io_tasks(
                |data, entry, _| {
                    events.push(Event {
                        data,
                        result: entry.result(),
                        more: cqueue::more(entry.flags()),
                    });
                },
                wait,
            );
            self.mailbox.awake();
            match result {
                Ok(_) => {}
                // A debugger or the freezer; signals are blocked in this thread.
                Err(LibError::IOError(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(LibError::QueueIsDown) => return End::Down,
                Err(error) => {
                    tracing::error!(
                        "/dev/ublkb{} queue {}: {error}: not served any more",
                        self.queue.dev.dev_info.dev_id,
                        self.queue.get_qid()
                    );
                    return End::Left;
                }
            }
            for event in events.drain(..) {
                self.handle(&event);
            }
        }
    }

    fn handle(&mut self, event: &Event) {
        match event.data {
            EVENT => {
                if !event.more {
                    self.watch_mailbox();
                }
            }
            TIMER => {
                self.timer = None;
                self.expire();
            }
            data => match event.result {
                0 => self.begin(UblkIOCtx::user_data_to_tag(data) as u16),
                sys::UBLK_IO_RES_ABORT => {}
                error => tracing::error!(
                    "/dev/ublkb{} queue {}: the driver refused a command: {}",
                    self.queue.dev.dev_info.dev_id,
                    self.queue.get_qid(),
                    io::Error::from_raw_os_error(-error)
                ),
            },
        }
    }

    /// Starts a request of the kernel.
    fn begin(&mut self, tag: u16) {
        if self.detaching {
            // Left as it is: the driver issues it again to the next server (UBLK_F_USER_RECOVERY_REISSUE).
            return;
        }
        let Some(request) = Request::decode(self.queue.get_iod(tag)) else {
            return self.answer(tag, -libc::EOPNOTSUPP);
        };
        let disk = self.disk;
        let running = match request {
            Request::Read { offset, len } => Running::Read(disk.read(offset, len)),
            Request::Write { offset, len, fua } => {
                let mut buffer = self.pool.get(len as usize);
                if let Err(error) = copy::from_request(self.device, self.queue.get_qid(), tag, buffer.as_mut()) {
                    return self.copy_failed(tag, request, &error);
                }
                let payload = Payload::from(buffer.freeze());
                Running::Other(disk.write(offset, payload, WriteFlags { fua }))
            }
            Request::WriteZeroes {
                offset,
                len,
                no_hole,
                fua,
            } => {
                let flags = ZeroFlags {
                    fua,
                    no_hole,
                    fast_only: false,
                };
                Running::Other(disk.write_zeroes(offset, len, flags))
            }
            Request::Discard { offset, len } => Running::Other(disk.discard(offset, len)),
            Request::Flush => Running::Other(disk.flush()),
        };
        self.slots[usize::from(tag)] = Some(Slot {
            request,
            running,
            started: Instant::now(),
        });
        self.busy += 1;
        self.poll(tag);
    }

    /// Polls the request `tag`, if there is one, and answers it when it is done.
    fn poll(&mut self, tag: u16) {
        let Some(slot) = &mut self.slots[usize::from(tag)] else {
            return;
        };
        let mut context = Context::from_waker(&self.wakers[usize::from(tag)]);
        // A bug in a store must fail one request, not leave a mounted file system without its disk.
        let polled = catch_unwind(AssertUnwindSafe(|| match &mut slot.running {
            Running::Read(future) => future.as_mut().poll(&mut context).map_ok(Some),
            Running::Other(future) => future.as_mut().poll(&mut context).map_ok(|()| None),
        }));
        let request = slot.request;
        let result = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(result)) => result,
            Err(_) => Err(BlockError::io(self.disk.name(), "internal error (a panic), see above")),
        };
        self.end(tag);
        match result {
            Ok(Some(payload)) => self.answer_read(tag, request, &payload),
            Ok(None) => self.answer(tag, request.done()),
            Err(error) => {
                tracing::warn!(?request, "{error}");
                let number = match (request, errno(&error)) {
                    // The kernel takes a flush that is not supported for one that is not needed.
                    (Request::Flush, libc::EOPNOTSUPP) => libc::EIO,
                    (_, number) => number,
                };
                self.fail(tag, request, number);
            }
        }
    }

    fn end(&mut self, tag: u16) {
        if self.slots[usize::from(tag)].take().is_some() {
            self.busy -= 1;
        }
    }

    fn answer_read(&mut self, tag: u16, request: Request, payload: &Payload) {
        if payload.len() != request.done() as usize {
            tracing::error!(?request, "{}: {} bytes read instead", self.disk.name(), payload.len());
            return self.answer(tag, -libc::EIO);
        }
        match copy::to_request(self.device, self.queue.get_qid(), tag, payload) {
            Ok(()) => self.answer(tag, request.done()),
            Err(error) => self.copy_failed(tag, request, &error),
        }
    }

    fn copy_failed(&mut self, tag: u16, request: Request, error: &io::Error) {
        tracing::error!(
            "{}: data cannot be copied from or to the kernel: {error}",
            self.disk.name()
        );
        self.fail(tag, request, libc::EIO);
    }

    /// Tells the kernel that a request failed, and remembers what is missing by that.
    fn fail(&self, tag: u16, request: Request, number: i32) {
        // The kernel does what is not supported in another way.
        if let Some(bytes) = request.loses()
            && number != libc::EOPNOTSUPP
        {
            self.failed.count(bytes);
        }
        self.answer(tag, -number);
    }

    /// Gives the kernel its answer, and the slot back to it for the next request; submitted with the next wait.
    fn answer(&self, tag: u16, result: i32) {
        let result = self
            .queue
            .complete_io_cmd_unified(tag, BufDesc::Slice(&[]), Ok(UblkIORes::Result(result)));
        if let Err(error) = result {
            // Impossible for a device with user copy: an empty slice fits it.
            tracing::error!("{}: the answer to request {tag} was refused: {error}", self.disk.name());
        }
    }

    /// Fails what took too long. Dropping its future is the cancellation that the block contract allows.
    fn expire(&mut self) {
        let now = Instant::now();
        for tag in 0..self.slots.len() as u16 {
            let Some(slot) = &self.slots[usize::from(tag)] else {
                continue;
            };
            let request = slot.request;
            if now.duration_since(slot.started) >= self.deadline {
                tracing::warn!(
                    ?request,
                    "{}: not answered within {:?}",
                    self.disk.name(),
                    self.deadline
                );
                self.end(tag);
                self.fail(tag, request, DEADLINE);
            }
        }
    }

    /// Keeps one timer running while requests are under way: for the oldest of them, not one for each.
    fn set_timer(&mut self) {
        if self.busy == 0 || self.timer.is_some() {
            return;
        }
        let Some(oldest) = self.slots.iter().flatten().map(|slot| slot.started).min() else {
            return;
        };
        let left = (oldest + self.deadline).saturating_duration_since(Instant::now());
        // A little later rather than a little early, or it would have to be set again.
        let time = self
            .timer
            .insert(types::Timespec::from(left + Duration::from_millis(1)));
        let entry = opcode::Timeout::new(time).build().user_data(TIMER);
        push(&entry);
    }

    fn watch_mailbox(&self) {
        let entry = opcode::PollAdd::new(types::Fd(self.mailbox.event()), libc::POLLIN as u32)
            .multi(true)
            .build()
            .user_data(EVENT);
        push(&entry);
    }
}

fn push(entry: &squeue::Entry) {
    with_task_io_ring_mut(|ring: &mut IoUring| {
        // SAFETY: what the entry points to (the timer's time, the eventfd) lives in the server and its mailbox, which
        // outlive the thread's ring's use of them: a time is read at submission, a file is held by the ring.
        while unsafe { ring.submission().push(entry) }.is_err() {
            if let Err(error) = ring.submit() {
                tracing::error!("ublk: io_uring takes no more requests: {error}");
                return;
            }
        }
    });
}
