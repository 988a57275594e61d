//! An open image: what it is, and its end.

use std::{
    ffi::{CStr, CString},
    mem::size_of,
    ops::Deref,
    ptr,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
};

use time::OffsetDateTime;
use tokio::sync::Notify;

use super::{
    closing,
    cluster::{Pool, c_string, text},
    sys,
};
use crate::{
    error::{RbdError, Result},
    features::Features,
};

/// Set in the flags of an image whose object map cannot be trusted (`RBD_FLAG_OBJECT_MAP_INVALID`, `…FAST_DIFF…`).
const FLAGS_INVALID_MAP: u64 = 0b11;

/// An open image or snapshot.
///
/// Its functions block, and so does dropping it, which closes it: see [`Share`].
pub(super) struct Image {
    raw: sys::rbd_image_t,
    name: String,
    writable: bool,
    watch: Mutex<Option<Watch>>,
    pool: Arc<Pool>,
    /// Whether it is open. Read-locked while librbd is called.
    open: RwLock<bool>,
}

struct Watch {
    handle: u64,
    /// From `Arc::into_raw`, for librbd's callback.
    notify: *const Notify,
}

// SAFETY: librbd is thread-safe; an `rbd_image_t` may be used by any thread.
unsafe impl Send for Image {}
// SAFETY: as above; `Watch` is behind a mutex and its pointer is only used to give it back.
unsafe impl Sync for Image {}

impl Image {
    /// Opens an image or one of its snapshots; without `writable` nobody is told of it, and it needs no right to write.
    pub(super) fn open(pool: &Arc<Pool>, image: &str, snapshot: Option<&str>, writable: bool) -> Result<Self> {
        let c_name = c_string(image)?;
        let c_snapshot = snapshot.map(c_string).transpose()?;
        let snapshot_pointer = c_snapshot.as_deref().map_or(ptr::null(), CStr::as_ptr);
        let mut raw = ptr::null_mut();
        let open = if writable {
            sys::rbd_open
        } else {
            sys::rbd_open_read_only
        };
        // SAFETY: a pool that the image will hold, and texts that live through the call, which writes the handle.
        let code = unsafe { open(pool.raw(), c_name.as_ptr(), &raw mut raw, snapshot_pointer) };
        let name = match snapshot {
            Some(snapshot) => format!("{}/{image}@{snapshot}", pool.name()),
            None => format!("{}/{image}", pool.name()),
        };
        match code {
            code if code == -libc::ENOENT => Err(RbdError::not_found(name, "check its name, or create it")),
            code if code < 0 => Err(RbdError::from_errno(&name, "opening", code)),
            _ => Ok(Self {
                raw,
                name,
                writable,
                watch: Mutex::new(None),
                pool: pool.clone(),
                open: RwLock::new(true),
            }),
        }
    }

    pub(super) fn raw(&self) -> sys::rbd_image_t {
        self.raw
    }

    /// `pool/image` or `pool/image@snapshot`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Whether it was opened for writing.
    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Turns a code of librbd into an error of this image.
    pub(super) fn check(&self, doing: &'static str, code: i32) -> Result<i32> {
        match code {
            code if code < 0 => Err(RbdError::from_errno(&self.name, doing, code)),
            code => Ok(code),
        }
    }

    /// Size in bytes, as it is now.
    pub(super) fn size(&self) -> Result<u64> {
        let mut size = 0;
        // SAFETY: an open image; the call writes a number.
        self.check("asking for the size", unsafe {
            sys::rbd_get_size(self.raw, &raw mut size)
        })?;
        Ok(size)
    }

    /// Size in bytes of its objects.
    pub(super) fn object_size(&self) -> Result<u64> {
        // SAFETY: numbers and texts of C may be all zeroes.
        let mut info: sys::rbd_image_info_t = unsafe { std::mem::zeroed() };
        // SAFETY: an open image; the structure is as long as said.
        let code = unsafe { sys::rbd_stat(self.raw, &raw mut info, size_of::<sys::rbd_image_info_t>()) };
        self.check("asking what it is", code)?;
        Ok(info.obj_size)
    }

    pub(super) fn features(&self) -> Result<Features> {
        let mut features = 0;
        // SAFETY: an open image; the call writes a number.
        let code = unsafe { sys::rbd_get_features(self.raw, &raw mut features) };
        self.check("asking for the features", code)?;
        Ok(Features(features))
    }

    /// Whether the cluster knows without looking at each object which of them exist.
    pub(super) fn has_fast_diff(&self) -> Result<bool> {
        let mut flags = 0;
        // SAFETY: an open image; the call writes a number.
        let code = unsafe { sys::rbd_get_flags(self.raw, &raw mut flags) };
        self.check("asking for the flags", code)?;
        let wanted = Features(Features::FAST_DIFF.0 | Features::OBJECT_MAP.0);
        Ok(self.features()?.contains(wanted) && flags & FLAGS_INVALID_MAP == 0)
    }

    /// The identity of the image, which outlives its name.
    pub(super) fn id(&self) -> Result<String> {
        let mut buffer = [0_u8; 64];
        // SAFETY: an open image; the buffer is as long as said.
        let code = unsafe { sys::rbd_get_id(self.raw, buffer.as_mut_ptr().cast(), buffer.len()) };
        self.check("asking for the id", code)?;
        let id = CStr::from_bytes_until_nul(&buffer);
        Ok(id.map(|id| id.to_string_lossy().into_owned()).unwrap_or_default())
    }

    /// The number of the pool its data are in, where that is another one.
    pub(super) fn data_pool(&self) -> Option<i64> {
        // SAFETY: an open image.
        let id = unsafe { sys::rbd_get_data_pool_id(self.raw) };
        (id >= 0 && id != self.pool.id()).then_some(id)
    }

    /// The last change, to the minute.
    pub(super) fn modified(&self) -> Option<OffsetDateTime> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: an open image; the call writes a time.
        let code = unsafe { sys::rbd_get_modify_timestamp(self.raw, &raw mut time) };
        (code >= 0).then(|| at(&time)).flatten()
    }

    /// What it is a clone of: `pool/image@snapshot`.
    pub(super) fn parent(&self) -> Result<Option<String>> {
        // SAFETY: numbers and null pointers are valid for both.
        let (mut image, mut snapshot): (sys::rbd_linked_image_spec_t, sys::rbd_snap_spec_t) =
            unsafe { std::mem::zeroed() };
        // SAFETY: an open image; the call fills both.
        let code = unsafe { sys::rbd_get_parent(self.raw, &raw mut image, &raw mut snapshot) };
        if code == -libc::ENOENT {
            return Ok(None);
        }
        self.check("asking for the parent", code)?;
        // SAFETY: texts of librbd, freed once by its own functions.
        let (pool, namespace, name, snap) = unsafe {
            let texts = (
                text(image.pool_name),
                text(image.pool_namespace),
                text(image.image_name),
                text(snapshot.name),
            );
            sys::rbd_linked_image_spec_cleanup(&raw mut image);
            sys::rbd_snap_spec_cleanup(&raw mut snapshot);
            texts
        };
        let place = match namespace.is_empty() {
            true => pool,
            false => format!("{pool}/{namespace}"),
        };
        Ok(Some(format!("{place}/{name}@{snap}")))
    }

    /// A value kept with the image under `key`.
    pub(super) fn metadata(&self, key: &CStr) -> Result<Option<String>> {
        let mut buffer = vec![0_u8; 4096];
        let mut length = buffer.len();
        // SAFETY: an open image; the buffer is as long as said.
        let code =
            unsafe { sys::rbd_metadata_get(self.raw, key.as_ptr(), buffer.as_mut_ptr().cast(), &raw mut length) };
        // Longer than any of ours: not of our making.
        if code == -libc::ENOENT || code == -libc::ERANGE {
            return Ok(None);
        }
        self.check("reading its metadata", code)?;
        let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(length.min(4096));
        Ok(Some(String::from_utf8_lossy(&buffer[..end]).into_owned()))
    }

    /// Keeps a value with the image.
    pub(super) fn set_metadata(&self, key: &CStr, value: &str) -> Result<()> {
        let value: CString = c_string(value)?;
        // SAFETY: an open image; both texts live through the call.
        let code = unsafe { sys::rbd_metadata_set(self.raw, key.as_ptr(), value.as_ptr()) };
        self.check("writing its metadata", code).map(drop)
    }

    /// Whether librbd may keep written data in memory until a flush: our connections say no, but settings of the image or its
    /// pool come before.
    pub(super) fn has_cache(&self) -> Result<bool> {
        let mut options = Vec::<sys::rbd_config_option_t>::new();
        let mut count = 0;
        loop {
            // SAFETY: an open image; the list has room for as many as said.
            let code = unsafe { sys::rbd_config_image_list(self.raw, options.as_mut_ptr(), &raw mut count) };
            if code != -libc::ERANGE {
                self.check("asking for its settings", code)?;
                break;
            }
            options.reserve(count as usize);
        }
        // SAFETY: librbd filled as many, with texts of its own, which it frees once.
        let cache = unsafe {
            options.set_len(count as usize);
            let value = options
                .iter()
                .find(|option| text(option.name) == "rbd_cache")
                .map(|option| text(option.value));
            sys::rbd_config_image_list_cleanup(options.as_mut_ptr(), count);
            value
        };
        Ok(cache.is_none_or(|value| value != "false"))
    }

    /// Tells `notify` whenever the image changes (size, snapshots, features), until it is closed.
    pub(super) fn watch(&self, notify: Arc<Notify>) -> Result<()> {
        let notify = Arc::into_raw(notify);
        let mut handle = 0;
        // SAFETY: an open image; the pointer stays valid until the watch is taken back, see `end_watch`.
        let code = unsafe { sys::rbd_update_watch(self.raw, &raw mut handle, updated, notify.cast_mut().cast()) };
        if code < 0 {
            // SAFETY: librbd did not take it.
            drop(unsafe { Arc::from_raw(notify) });
        } else {
            *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = Some(Watch { handle, notify });
        }
        self.check("watching for changes", code).map(drop)
    }

    fn end_watch(&self) {
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(watch) = watch {
            // SAFETY: a watch of this image, ended once. It waits for callbacks under way; after a failure one could
            // come yet, and then the memory is left to it.
            unsafe {
                if sys::rbd_update_unwatch(self.raw, watch.handle) >= 0 {
                    drop(Arc::from_raw(watch.notify));
                }
            }
        }
    }

    /// Keeps it from being closed while the guard lives. None once it is closed, or about to be.
    pub(super) fn using(&self) -> Option<RwLockReadGuard<'_, bool>> {
        self.open.try_read().ok().filter(|open| **open)
    }

    /// Closes it, which gives up locks of librbd, and ends requests under way. Idempotent.
    pub(super) fn close(&self) -> Result<()> {
        if !std::mem::replace(&mut *self.open.write().unwrap_or_else(PoisonError::into_inner), false) {
            return Ok(());
        }
        self.end_watch();
        // SAFETY: closed once, and nothing begins to use it any more, see `using`. librbd waits for what is under way.
        let code = unsafe { sys::rbd_close(self.raw) };
        self.check("closing", code).map(drop)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::debug!(image = %self.name, %error, "closed");
        }
    }
}

/// A share of an open image that may be dropped anywhere, also by a thread of librbd: closing blocks, and so the last share
/// leaves it to a thread of its own.
#[derive(Clone)]
pub(super) struct Share(Option<Arc<Image>>);

impl Share {
    pub(super) fn new(image: Image) -> Self {
        Self(Some(Arc::new(image)))
    }
}

impl Deref for Share {
    type Target = Image;

    fn deref(&self) -> &Image {
        // Taken by `drop` only.
        self.0.as_ref().expect("a share in use")
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // Of shares that are dropped at the same time exactly one gets the image.
        if let Some(image) = self.0.take().and_then(Arc::into_inner) {
            closing::spawn(move || drop(image));
        }
    }
}

/// Called by a thread of librbd.
extern "C" fn updated(argument: *mut std::ffi::c_void) {
    // SAFETY: the pointer given to `rbd_update_watch`, valid until the watch ends.
    unsafe { &*argument.cast::<Notify>() }.notify_one();
}

/// A time of C.
pub(super) fn at(time: &libc::timespec) -> Option<OffsetDateTime> {
    #[allow(clippy::unnecessary_cast, reason = "32 bits wide on 32-bit systems")]
    let seconds = time.tv_sec as i64;
    (seconds > 0)
        .then(|| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .flatten()
}
