//! Starting and reaping children so that none survives and no signal ever meets a stranger.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        signal::{self, Signal},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use tokio::sync::watch;

type Job = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts `command` in a process group of its own, to be killed when this process dies.
///
/// `PR_SET_PDEATHSIG` fires when the *thread* that forked ends (prctl(2)), and threads of a runtime come and go. Hence
/// one thread that lives as long as the process does all the forking.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: Mutex<Option<mpsc::Sender<Job>>> = Mutex::new(None);
    let (reply, answer) = mpsc::channel();
    SPAWNER
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_with(start_spawner)
        .send((command, reply))
        .map_err(|_| io::Error::other("the thread that starts processes is gone"))?;
    answer
        .recv()
        .map_err(|_| io::Error::other("the thread that starts processes is gone"))?
}

fn start_spawner() -> mpsc::Sender<Job> {
    let (jobs, queue) = mpsc::channel::<Job>();
    thread::spawn(move || {
        for (mut command, reply) in queue {
            let _ = reply.send(die_with_us(&mut command).spawn());
        }
    });
    jobs
}

fn die_with_us(command: &mut Command) -> &mut Command {
    let parent = std::process::id().cast_signed();
    command.process_group(0);
    // SAFETY: the closure runs between fork and exec and calls nothing but prctl and getppid, which are async-signal-
    // safe; it neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the call above.
            if libc::getppid() != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        })
    }
}

/// A child whose end is awaited by a thread.
#[derive(Debug)]
pub(super) struct Running {
    pid: Pid,
    /// False once the child is reaped, from when on its number may belong to somebody else.
    alive: Mutex<bool>,
    status: watch::Sender<Option<ExitStatus>>,
}

/// Takes over a child: waits for its end, kills what is left of its group, and reaps it.
pub(super) fn supervise(mut child: Child) -> Arc<Running> {
    let running = Arc::new(Running {
        pid: Pid::from_raw(child.id().cast_signed()),
        alive: Mutex::new(true),
        status: watch::Sender::new(None),
    });
    let shared = Arc::clone(&running);
    thread::spawn(move || {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(shared.pid), flags) == Err(nix::errno::Errno::EINTR) {}
        // Until it is reaped, the number of the process and of its group are not given to anybody else.
        let mut alive = shared.alive.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = signal::killpg(shared.pid, Signal::SIGKILL);
        let status = child.wait();
        *alive = false;
        drop(alive);
        shared.status.send_replace(status.ok());
    });
    running
}

impl Running {
    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    pub(super) fn status(&self) -> Option<ExitStatus> {
        *self.status.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<ExitStatus>> {
        self.status.subscribe()
    }

    pub(super) fn signal(&self, signal: Signal) {
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        if *alive {
            let _ = signal::kill(self.pid, signal);
        }
    }

    pub(super) fn signal_group(&self, signal: Signal) {
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        if *alive {
            let _ = signal::killpg(self.pid, signal);
        }
    }

    /// Whether somebody of its group still runs, the child or another: what was killed with it may take longer to be gone.
    pub(super) fn group_lives(&self) -> bool {
        // Who is dead and was not fetched by anybody yet counts as there for this call.
        signal::killpg(self.pid, None) != Err(Errno::ESRCH) && running_in_group(self.pid)
    }

    /// Waits for the end of a child that was killed, and for `limit` for that of its group; for use where nothing can be
    /// awaited.
    pub(super) fn wait_blocking(&self, limit: Duration) {
        while *self.alive.lock().unwrap_or_else(PoisonError::into_inner) {
            thread::sleep(Duration::from_millis(1));
        }
        let begin = Instant::now();
        while self.group_lives() && begin.elapsed() < limit {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether a process of this group is neither dead nor dying (proc(5), `/proc/pid/stat`).
fn running_in_group(group: Pid) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = processes.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
    stats.into_iter().any(|stat| {
        // The name before may hold anything.
        let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
        let (state, its_group) = (fields.next(), fields.nth(1));
        state.is_some_and(|state| !matches!(state, "Z" | "X")) && its_group == Some(group.to_string().as_str())
    })
}
