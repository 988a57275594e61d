//! Making a device, or taking over the one that a dead daemon left.

use std::{
    num::NonZero,
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use block::Disk;
use libublk::{
    UblkError as LibError, UblkFlags,
    ctrl::{UblkCtrl, UblkCtrlBuilder},
    io::UblkDev,
    sys,
};
use tokio::{runtime::Handle, sync::watch};

use crate::{
    Options, UblkError, control,
    device::Parts,
    params::{params, same_but_size},
    queue::{self, Mailbox, Setup},
    state::{self, Claim, State},
    support,
};

/// What every device of ours is made with. Requests that a dead daemon had taken are issued again, not failed: a write
/// twice is a write once, and the daemon that comes back owns its store alone.
pub(crate) const FLAGS: u64 =
    (sys::UBLK_F_USER_RECOVERY | sys::UBLK_F_USER_RECOVERY_REISSUE | sys::UBLK_F_USER_COPY) as u64;

/// How long a daemon that was killed may take to be gone.
const GONE: Duration = Duration::from_secs(30);

/// After which time a process that still runs is taken for alive, not dying.
const DYING: Duration = Duration::from_secs(5);

/// How long the threads may take to get going, and the device node to appear.
const SETUP: Duration = Duration::from_secs(10);

/// What the one before has left of the disk.
enum Found {
    Nothing,
    /// Its device can be taken over; with the size it has.
    Recoverable {
        id: u32,
        sectors: u64,
    },
    /// Its device is of no use any more.
    Useless {
        id: u32,
        why: &'static str,
    },
}

pub(crate) fn start(name: &str, disk: Disk, options: &Options, runtime: Handle) -> Result<Parts, UblkError> {
    options.check()?;
    state::check_name(name)?;
    let features = support::required()?;
    let claim = Claim::new(&options.state_dir, name)?;
    let properties = disk.properties();
    let wanted = params(&properties, options.max_io);
    let identity = state::identity(&[disk.name(), &options.identity]);
    let resizable = features & u64::from(sys::UBLK_F_UPDATE_SIZE) != 0;
    let mut recovered = None;
    match find(name, &claim, &identity, &wanted, resizable)? {
        Found::Nothing => {}
        Found::Recoverable { id, sectors } => match control::start_recovery(id, GONE) {
            Ok(()) => recovered = Some((id, sectors)),
            // The one before was killed in the middle of its own recovery: the driver allows no second one.
            Err(UblkError::Control { source, .. }) if source.raw_os_error() == Some(libc::EINVAL) => {
                replace(name, id, "its last recovery was cut short")?;
            }
            Err(error) => return Err(error),
        },
        Found::Useless { id, why } => replace(name, id, why)?,
    }
    let launch = Launch {
        name,
        disk: &disk,
        options,
        runtime,
        wanted,
        claim: &claim,
        identity,
    };
    let launched = launch.run(recovered.map(|(id, _)| id))?;
    let id = launched.device.dev_info.dev_id;
    if let Some((_, sectors)) = recovered
        && sectors != wanted.basic.dev_sectors
        && let Err(error) = control::update_size(id, wanted.basic.dev_sectors)
    {
        launched.mailboxes.iter().for_each(|mailbox| mailbox.detach());
        return Err(error);
    }
    Ok(Parts {
        id,
        recovered: recovered.is_some(),
        name: name.to_owned(),
        disk: disk.clone(),
        deadline: options.deadline,
        device: launched.device,
        mailboxes: launched.mailboxes,
        threads: launched.threads,
        live: launched.live,
        claim,
    })
}

/// Removes a device that cannot be taken over, to make room for a new one.
fn replace(name: &str, id: u32, why: &str) -> Result<(), UblkError> {
    tracing::warn!("/dev/ublkb{id} of disk {name} cannot be taken over ({why}): removed");
    control::stop(id)?;
    control::delete(id)
}

/// Looks for the device of the disk `name` among those of the kernel.
fn find(
    name: &str,
    claim: &Claim,
    identity: &str,
    wanted: &sys::ublk_params,
    resizable: bool,
) -> Result<Found, UblkError> {
    let tag = state::tag(name);
    let mut found = None;
    for id in control::devices() {
        if let Some(info) = control::info(id)?
            && info.ublksrv_flags == tag
        {
            found = Some(info);
        }
    }
    let Some(mut info) = found else {
        return Ok(Found::Nothing);
    };
    let id = info.dev_id;
    // The claim is ours, so its server has given it up: it is dying, or it was started with another state folder.
    let begin = Instant::now();
    let settled = control::wait_until(GONE, || match control::info(id) {
        Ok(Some(now)) => {
            info = now;
            let elsewhere = begin.elapsed() > DYING && serving_elsewhere(now.ublksrv_pid);
            u32::from(now.state) != sys::UBLK_S_DEV_LIVE || elsewhere
        }
        _ => true,
    });
    if !settled || u32::from(info.state) == sys::UBLK_S_DEV_LIVE {
        return Err(UblkError::InUse {
            name: name.to_owned(),
            pid: Some(info.ublksrv_pid),
        });
    }
    let useless = |why| Ok(Found::Useless { id, why });
    if u32::from(info.state) != sys::UBLK_S_DEV_QUIESCED {
        return useless("it was stopped");
    }
    if info.flags & FLAGS != FLAGS {
        return useless("it was made with other features");
    }
    if claim.read().is_none_or(|state| state.identity != identity) {
        return useless("it served another disk or nothing is known of it");
    }
    let old = control::params(id)?;
    if !same_but_size(&old, wanted) {
        return useless("the disk has other properties now");
    }
    let sectors = old.basic.dev_sectors;
    if sectors != wanted.basic.dev_sectors && !resizable {
        return useless("the disk has another size now");
    }
    Ok(Found::Recoverable { id, sectors })
}

/// Whether the process `pid` is another one that lives on: then waiting is of no use.
fn serving_elsewhere(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name in parentheses (proc(5)); zombies and the dead serve nobody.
    let state = status.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    pid != std::process::id() as i32 && state.is_some_and(|state| !matches!(state, 'Z' | 'X' | 'x'))
}

struct Launch<'a> {
    name: &'a str,
    disk: &'a Disk,
    options: &'a Options,
    runtime: Handle,
    wanted: sys::ublk_params,
    claim: &'a Claim,
    identity: String,
}

struct Launched {
    device: Arc<UblkDev>,
    mailboxes: Vec<Arc<Mailbox>>,
    threads: Vec<thread::JoinHandle<()>>,
    live: watch::Receiver<usize>,
}

impl Launch<'_> {
    /// Adds the device, or goes on with device `old` whose recovery has begun, starts its threads and then the device.
    fn run(&self, old: Option<u32>) -> Result<Launched, UblkError> {
        let ctrl = self.add(old)?;
        // By default libublk deletes the device when this handle goes, and waits until nobody has it open.
        ctrl.disown();
        let id = ctrl.dev_info().dev_id;
        let started = self.start_device(&ctrl, id);
        if started.is_err() && old.is_none() {
            let _ = control::stop(id);
            let _ = control::delete(id);
            self.claim.forget();
        }
        started
    }

    fn add(&self, old: Option<u32>) -> Result<UblkCtrl, UblkError> {
        // The driver allows no more queues than processors, and says how many it made; libublk asks for them all.
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let queues = usize::from(self.options.queues).min(processors) as u16;
        let (id, flags) = match (old, self.options.id) {
            (Some(id), _) => (Some(id), UblkFlags::UBLK_DEV_F_RECOVER_DEV),
            (None, None) => (None, UblkFlags::UBLK_DEV_F_ADD_DEV),
            (None, Some(id)) => {
                // Not left to libublk 0.4: when the number is taken, it deletes the device that has it.
                control::add(&sys::ublksrv_ctrl_dev_info {
                    dev_id: id,
                    nr_hw_queues: queues,
                    queue_depth: self.options.depth,
                    max_io_buf_bytes: self.options.max_io,
                    flags: FLAGS,
                    ublksrv_flags: state::tag(self.name),
                    ..Default::default()
                })?;
                (Some(id), UblkFlags::empty())
            }
        };
        UblkCtrlBuilder::default()
            .name("cloud-stick")
            .id(id.map_or(-1, |id| id as i32))
            .nr_queues(queues)
            .depth(self.options.depth)
            .io_buf_bytes(self.options.max_io)
            .ctrl_flags(FLAGS)
            .ctrl_target_flags(state::tag(self.name))
            .dev_flags(flags)
            .build()
            .map_err(|error| lib_error(id, "adding the device", &error))
    }

    fn start_device(&self, ctrl: &UblkCtrl, id: u32) -> Result<Launched, UblkError> {
        let info = ctrl.dev_info();
        if info.flags & FLAGS != FLAGS {
            return Err(UblkError::MissingFeature {
                feature: "UBLK_F_USER_RECOVERY_REISSUE or UBLK_F_USER_COPY",
                since: "6.5",
            });
        }
        self.claim.write(&State {
            id,
            name: self.name.to_owned(),
            identity: self.identity.clone(),
            pid: std::process::id(),
        })?;
        let mut wanted = self.wanted;
        wanted.basic.max_sectors = wanted.basic.max_sectors.min(info.max_io_buf_bytes >> 9);
        let device = UblkDev::new(
            "cloud-stick".to_owned(),
            |device| {
                device.tgt.dev_size = wanted.basic.dev_sectors << 9;
                device.tgt.params = wanted;
                // Every request once, the mailbox and the timer.
                device.tgt.sq_depth = info.queue_depth.saturating_add(8);
                device.tgt.cq_depth = info.queue_depth.saturating_mul(2).saturating_add(16);
                Ok(())
            },
            ctrl,
        );
        let device = Arc::new(device.map_err(|error| lib_error(Some(id), "opening the device", &error))?);
        let launched = self.start_queues(&device, id)?;
        let started = match ctrl.start_dev(&device) {
            // libublk takes EBUSY for success.
            Ok(0..) => Ok(()),
            Ok(error) => Err(lib_error(
                Some(id),
                "starting the device",
                &LibError::UringIOError(error),
            )),
            Err(error) => Err(lib_error(Some(id), "starting the device", &error)),
        };
        let path = format!("/dev/ublkb{id}");
        let started = started.and_then(|()| {
            control::wait_until(SETUP, || Path::new(&path).exists())
                .then_some(())
                .ok_or_else(|| UblkError::Stuck {
                    device: path.clone(),
                    what: "making the device node (is devtmpfs mounted?)",
                    after: SETUP,
                    holders: Vec::new(),
                })
        });
        if started.is_err() {
            launched.mailboxes.iter().for_each(|mailbox| mailbox.detach());
        }
        started.map(|()| launched)
    }

    fn start_queues(&self, device: &Arc<UblkDev>, id: u32) -> Result<Launched, UblkError> {
        let queues = device.dev_info.nr_hw_queues;
        let (sender, ready) = mpsc::channel();
        let (live, live_receiver) = watch::channel(usize::from(queues));
        let live = Arc::new(live);
        let mut launched = Launched {
            device: device.clone(),
            mailboxes: Vec::new(),
            threads: Vec::new(),
            live: live_receiver,
        };
        let setup = Setup {
            disk: self.disk.clone(),
            deadline: self.options.deadline,
            scan_partitions: self.options.scan_partitions,
            failed: self.options.failed.clone(),
            runtime: self.runtime.clone(),
        };
        let mut result = Ok(());
        for index in 0..queues {
            let mailbox = Mailbox::new(device.dev_info.queue_depth).map_err(|source| UblkError::Thread { source })?;
            let mailbox = Arc::new(mailbox);
            launched.mailboxes.push(mailbox.clone());
            let (device, setup, sender, live) = (device.clone(), setup.clone(), sender.clone(), live.clone());
            let spawned = crate::thread::spawn(format!("ublk{id}q{index}"), move || {
                // Memory that is needed to write out dirty pages must not wait for writing out dirty pages.
                UblkCtrl::init_queue_thread();
                queue::serve(&device, index, &setup, &mailbox, |result| {
                    let _ = sender.send((index, result));
                });
                live.send_modify(|count| *count -= 1);
            });
            match spawned {
                Ok(thread) => launched.threads.push(thread),
                Err(source) => {
                    result = Err(UblkError::Thread { source });
                    break;
                }
            }
        }
        drop(sender);
        for _ in 0..launched.threads.len() {
            let (queue, answer) = match ready.recv_timeout(SETUP) {
                Ok(answer) => answer,
                Err(error) => (0, Err(error.to_string())),
            };
            if let Err(detail) = answer
                && result.is_ok()
            {
                result = Err(UblkError::Queue {
                    device: format!("/dev/ublkc{id}"),
                    queue,
                    detail,
                });
            }
        }
        if result.is_err() {
            launched.mailboxes.iter().for_each(|mailbox| mailbox.detach());
        }
        result.map(|()| launched)
    }
}

fn lib_error(id: Option<u32>, command: &'static str, error: &LibError) -> UblkError {
    let source = match error {
        LibError::UringIOError(code) | LibError::OtherError(code) => std::io::Error::from_raw_os_error(-code),
        other => std::io::Error::other(other.to_string()),
    };
    UblkError::control(id, command, source)
}
