//! A key of the kernel's input devices (`/dev/input/event*`, `Documentation/input/input.rst` of the kernel). Reading a key
//! needs eight bytes of each event; what the crate `evdev` offers beside that is not needed here.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use tokio::{io::AsyncReadExt as _, net::unix::pipe};

/// Where event devices are.
const DEVICES: &str = "/dev/input";
/// What the kernel knows of them.
const CLASS: &str = "/sys/class/input";
/// `EV_KEY` (`include/uapi/linux/input-event-codes.h`).
const EV_KEY: u16 = 1;
/// Bytes of `struct input_event` (`include/uapi/linux/input.h`): its time has the size of the machine's words.
const EVENT: usize = size_of::<libc::input_event>();
/// Type, code and value end it.
const TAIL: usize = 8;
/// Events read at once.
const BATCH: usize = 16;

/// What a key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Motion {
    /// It went down.
    Down,
    /// It came up.
    Up,
}

/// An open input device.
pub(super) struct Input {
    /// A file that can be waited for like a pipe, and reads whole events.
    file: pipe::Receiver,
    /// Only this key; any if there is none.
    key: Option<u16>,
    /// Read and not asked for yet.
    motions: std::collections::VecDeque<Motion>,
}

/// The event device that is meant by a path, or by the name that the kernel knows it by.
///
/// # Errors
///
/// There is none of this name now.
pub(super) fn find(device: &str) -> io::Result<PathBuf> {
    if device.starts_with('/') {
        return Ok(device.into());
    }
    find_in(Path::new(CLASS), device).map(|node| Path::new(DEVICES).join(node))
}

fn find_in(class: &Path, name: &str) -> io::Result<PathBuf> {
    let mut known = Vec::new();
    for entry in fs::read_dir(class)?.flatten() {
        let node = entry.file_name();
        if !node.to_string_lossy().starts_with("event") {
            continue;
        }
        let Ok(found) = fs::read_to_string(entry.path().join("device/name")) else {
            continue;
        };
        if found.trim_end() == name {
            return Ok(node.into());
        }
        known.push(format!("\"{}\"", found.trim_end()));
    }
    let known = match known.is_empty() {
        true => "there is no input device at all".to_owned(),
        false => format!("there are {}", known.join(", ")),
    };
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        format!("no input device has this name; {known}"),
    ))
}

impl Input {
    /// Opens a device to watch a key of it, or all of them.
    pub(super) fn open(path: &Path, key: Option<u16>) -> io::Result<Self> {
        let file = fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        Ok(Self {
            file: pipe::Receiver::from_file_unchecked(file)?,
            key,
            motions: std::collections::VecDeque::new(),
        })
    }

    /// The next thing that the key does.
    ///
    /// # Errors
    ///
    /// The device is gone.
    pub(super) async fn motion(&mut self) -> io::Result<Motion> {
        loop {
            if let Some(motion) = self.motions.pop_front() {
                return Ok(motion);
            }
            let mut bytes = [0; EVENT * BATCH];
            let length = self.file.read(&mut bytes).await?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.motions.extend(motions(&bytes[..length], self.key));
        }
    }

    /// Does this to its end, and forgets what the key does meanwhile. If it is down at the end, returns when it comes up.
    ///
    /// # Errors
    ///
    /// The device is gone.
    pub(super) async fn ignore_during(&mut self, work: impl Future<Output = ()>) -> io::Result<()> {
        let mut work = std::pin::pin!(work);
        let mut last = Motion::Up;
        loop {
            tokio::select! {
                // What is known of the key comes before the end of the work.
                biased;
                motion = self.motion() => match motion {
                    Ok(motion) => last = motion,
                    Err(error) => {
                        work.await;
                        return Err(error);
                    }
                },
                () = &mut work => break,
            }
        }
        while last == Motion::Down {
            last = self.motion().await?;
        }
        Ok(())
    }
}

/// What a key did, by these events.
fn motions(bytes: &[u8], key: Option<u16>) -> impl Iterator<Item = Motion> {
    bytes.chunks_exact(EVENT).filter_map(move |event| {
        let tail = event.last_chunk::<TAIL>()?;
        let kind = u16::from_ne_bytes([tail[0], tail[1]]);
        let code = u16::from_ne_bytes([tail[2], tail[3]]);
        let value = i32::from_ne_bytes([tail[4], tail[5], tail[6], tail[7]]);
        if kind != EV_KEY || key.is_some_and(|key| key != code) {
            return None;
        }
        match value {
            0 => Some(Motion::Up),
            1 => Some(Motion::Down),
            // 2 is a repetition of a key that is held.
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        let mut event = vec![0xa5; EVENT - TAIL];
        event.extend(kind.to_ne_bytes());
        event.extend(code.to_ne_bytes());
        event.extend(value.to_ne_bytes());
        event
    }

    #[test]
    fn only_the_key_counts_and_only_down_and_up() {
        let events = [
            event(EV_KEY, 116, 1),
            event(0, 0, 0),
            event(EV_KEY, 116, 2),
            event(EV_KEY, 30, 1),
            event(EV_KEY, 116, 0),
            vec![0; 3],
        ]
        .concat();
        let of = |key| motions(&events, key).collect::<Vec<_>>();
        assert_eq!(of(Some(116)), [Motion::Down, Motion::Up]);
        assert_eq!(of(None), [Motion::Down, Motion::Down, Motion::Up]);
        assert_eq!(of(Some(1)), []);
    }

    #[tokio::test]
    async fn what_the_key_does_during_work_is_forgotten() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut input = Input::open(&path, None).unwrap();
        let keyboard = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let put = |value| (&keyboard).write_all(&event(EV_KEY, 116, value)).unwrap();
        let a_moment = || tokio::time::sleep(std::time::Duration::from_millis(100));
        // Pressed once more, before the work and while it is done.
        put(1);
        put(0);
        let work = async {
            put(1);
            a_moment().await;
            put(0);
        };
        input.ignore_during(work).await.unwrap();
        let left = tokio::time::timeout(std::time::Duration::from_millis(50), input.motion()).await;
        assert!(left.is_err(), "{left:?}");
        // Held beyond its end.
        let work = async {
            put(1);
            a_moment().await;
        };
        let release = async {
            a_moment().await;
            a_moment().await;
            put(0);
        };
        let (ignored, ()) = tokio::join!(input.ignore_during(work), release);
        ignored.unwrap();
        put(1);
        assert_eq!(input.motion().await.unwrap(), Motion::Down);
    }

    #[test]
    fn a_device_is_found_by_its_name() {
        let class = tempfile::tempdir().unwrap();
        for (node, name) in [
            ("event0", "Power Button\n"),
            ("event1", "r_gpio_keys\n"),
            ("mouse0", "r_gpio_keys\n"),
        ] {
            let folder = class.path().join(node).join("device");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("name"), name).unwrap();
        }
        assert_eq!(find_in(class.path(), "r_gpio_keys").unwrap(), Path::new("event1"));
        let error = find_in(class.path(), "gpio").unwrap_err().to_string();
        assert!(error.contains("\"Power Button\""), "{error}");
        assert_eq!(find("/dev/input/event7").unwrap(), Path::new("/dev/input/event7"));
    }
}
