//! A connection to a cluster, and a pool through it.
//!
//! librados is declared by the crate `ceph`. Its own `connect_to_ceph` is not used: it takes settings from a file only, so that
//! the key would have to be in one, and leaks its client whenever connecting fails, which an offline stick does every few
//! seconds (`docs/decisions/0013`). All functions here block.

use std::{
    ffi::{CStr, CString, c_char, c_int},
    ptr,
    sync::Arc,
    time::Duration,
};

use ceph::rados;

use super::sys;
use crate::{
    access::Access,
    error::{RbdError, Result},
};

/// How long a fenced client is refused: a week instead of the usual hour. A machine that slept meanwhile must not send what
/// it had under way when it wakes up.
const FENCED_SECONDS: f64 = 7.0 * 24.0 * 3600.0;

/// What a connection is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Managing images: every step fails after this time.
    Manage(Duration),
    /// The requests of a disk: these wait for the cluster as long as it takes, so that a restart of it is a pause and no
    /// error. Who asked has a deadline of its own. Connecting and asking monitors have this time.
    Serve(Duration),
}

/// A client of a cluster.
pub(super) struct Cluster {
    raw: rados::rados_t,
    name: String,
}

// SAFETY: librados is thread-safe; a `rados_t` may be used by any thread.
unsafe impl Send for Cluster {}
// SAFETY: as above.
unsafe impl Sync for Cluster {}

/// A text for C. Names were checked before, so that a zero byte in one is a mistake of ours; it gets an error all the same.
pub(super) fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| RbdError::invalid("text", "has a zero byte in it"))
}

/// Copies what C returned.
///
/// # Safety
///
/// `text` is null or a text with a zero byte at its end.
pub(super) unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: by the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

impl Cluster {
    /// Connects.
    pub(super) fn connect(access: &Access, purpose: Purpose) -> Result<Arc<Self>> {
        let user = c_string(&format!("client.{}", access.user))?;
        let mut raw = ptr::null_mut();
        // SAFETY: the texts live through the call, which writes the handle.
        let created = unsafe { rados::rados_create2(&raw mut raw, c"ceph".as_ptr(), user.as_ptr(), 0) };
        let name = format!("Ceph cluster at {}", access.monitors);
        if created < 0 {
            return Err(RbdError::from_errno(&name, "making a client", created));
        }
        let cluster = Self { raw, name };
        for (option, value) in options(access, purpose) {
            cluster.set(&option, &value)?;
        }
        if let Some(key) = &access.key {
            cluster.set("key", key.expose())?;
        }
        // SAFETY: a client that was created and is not connected yet.
        let connected = unsafe { rados::rados_connect(cluster.raw) };
        if connected < 0 {
            return Err(cluster.not_connected(access, -connected));
        }
        if access.fsid.is_some() {
            access.check_cluster(&cluster.name, &cluster.fsid()?)?;
        }
        Ok(Arc::new(cluster))
    }

    fn not_connected(&self, access: &Access, errno: i32) -> RbdError {
        let user = &access.user;
        match errno {
            libc::EACCES | libc::EPERM | libc::EINVAL | libc::ENOENT | libc::EKEYREJECTED => RbdError::Denied {
                object: self.name.clone(),
                detail: format!(
                    "the cluster does not accept client.{user} with this key; compare with `ceph auth get client.{user}`, and \
                     this device's clock with the cluster's"
                ),
            },
            errno => {
                let error = RbdError::from_errno(&self.name, "connecting", errno);
                match error {
                    RbdError::Unreachable { object, .. } => RbdError::unreachable(
                        object,
                        "no monitor answered in time; check the addresses, the network and whether the monitors run",
                    ),
                    other => other,
                }
            }
        }
    }

    fn set(&self, option: &str, value: &str) -> Result<()> {
        let (name, value) = (
            c_string(option)?,
            zeroize::Zeroizing::new(c_string(value)?.into_bytes_with_nul()),
        );
        // SAFETY: both texts end with a zero byte and live through the call.
        let set = unsafe { rados::rados_conf_set(self.raw, name.as_ptr(), value.as_ptr().cast()) };
        match set {
            // A setting that this version does not know is of no use to it.
            code if code == -libc::ENOENT => Ok(()),
            code if code < 0 => Err(RbdError::invalid(option, "has a value that librados refuses")),
            _ => Ok(()),
        }
    }

    /// What messages call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The identity of the cluster.
    pub(super) fn fsid(&self) -> Result<String> {
        let mut buffer = [0_u8; 37];
        // SAFETY: the buffer is as long as said.
        let length = unsafe { rados::rados_cluster_fsid(self.raw, buffer.as_mut_ptr().cast(), buffer.len()) };
        if length < 0 {
            return Err(RbdError::from_errno(&self.name, "asking for the fsid", length));
        }
        Ok(CStr::from_bytes_until_nul(&buffer)
            .map(|text| text.to_string_lossy().to_ascii_lowercase())
            .unwrap_or_default())
    }

    /// Our own addresses, as the cluster knows this client.
    pub(super) fn addresses(&self) -> Result<String> {
        let mut addresses = ptr::null_mut();
        // SAFETY: the call writes a text that it allocated.
        let code = unsafe { sys::rados_getaddrs(self.raw, &raw mut addresses) };
        if code < 0 {
            return Err(RbdError::from_errno(&self.name, "asking for our address", code));
        }
        // SAFETY: a text from librados, freed once.
        unsafe {
            let found = text(addresses);
            libc::free(addresses.cast());
            Ok(found)
        }
    }

    /// Asks the monitors; `command` is JSON, and so is the answer where it says `"format": "json"`.
    pub(super) fn ask_monitors(&self, command: &serde_json::Value) -> Result<Vec<u8>> {
        let command = c_string(&command.to_string())?;
        let mut commands = [command.as_ptr()];
        let (mut out, mut out_length, mut status, mut status_length) = (ptr::null_mut(), 0, ptr::null_mut(), 0);
        // SAFETY: the command lives through the call; the four results are written by it.
        let code = unsafe {
            rados::rados_mon_command(
                self.raw,
                commands.as_mut_ptr(),
                1,
                c"".as_ptr(),
                0,
                &raw mut out,
                &raw mut out_length,
                &raw mut status,
                &raw mut status_length,
            )
        };
        let mut answer = Vec::new();
        // SAFETY: librados filled these buffers with as many bytes as it says; each is freed once, by its own function.
        unsafe {
            if !out.is_null() {
                answer.extend_from_slice(std::slice::from_raw_parts(out.cast::<u8>(), out_length));
                rados::rados_buffer_free(out);
            }
            if !status.is_null() {
                rados::rados_buffer_free(status);
            }
        }
        match code {
            code if code < 0 => Err(RbdError::from_errno(&self.name, "asking the monitors", code)),
            _ => Ok(answer),
        }
    }

    /// Refuses the client at `address` for long. librbd has fenced it before, for as long as the cluster usually does:
    /// librados 16 cannot ask newer clusters for another time (it sends the number as a text).
    pub(super) fn fence_for_long(&self, address: &str) -> Result<()> {
        let command = serde_json::json!({
            "prefix": "osd blocklist", "blocklistop": "add", "addr": address, "expire": FENCED_SECONDS,
        });
        self.ask_monitors(&command).map(drop)
    }

    /// The names of the pools.
    pub(super) fn pools(&self) -> Result<Vec<String>> {
        let mut buffer = vec![0_u8; 4096];
        loop {
            // SAFETY: the buffer is as long as said.
            let needed = unsafe { rados::rados_pool_list(self.raw, buffer.as_mut_ptr().cast(), buffer.len()) };
            let needed =
                usize::try_from(needed).map_err(|_| RbdError::from_errno(&self.name, "listing the pools", needed))?;
            if needed <= buffer.len() {
                let names = buffer[..needed].split(|byte| *byte == 0);
                let names = names.filter(|name| !name.is_empty());
                return Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect());
            }
            buffer.resize(needed, 0);
        }
    }

    /// A pool, and in it a namespace.
    pub(super) fn pool(self: &Arc<Self>, pool: &str, namespace: Option<&str>) -> Result<Pool> {
        let c_pool = c_string(pool)?;
        let mut raw = ptr::null_mut();
        // SAFETY: the text lives through the call, which writes the handle.
        let code = unsafe { rados::rados_ioctx_create(self.raw, c_pool.as_ptr(), &raw mut raw) };
        if code == -libc::ENOENT {
            let remedy =
                format!("create it (ceph osd pool create {pool} && rbd pool init {pool}), or correct its name");
            return Err(RbdError::not_found(format!("pool {pool}"), remedy));
        }
        if code < 0 {
            return Err(RbdError::from_errno(&format!("pool {pool}"), "opening", code));
        }
        let name = match namespace {
            Some(namespace) => format!("{pool}/{namespace}"),
            None => pool.to_owned(),
        };
        let found = Pool {
            raw,
            name,
            cluster: self.clone(),
        };
        if let Some(namespace) = namespace {
            let namespace = c_string(namespace)?;
            // SAFETY: a pool of ours and a text that lives through the call.
            unsafe { rados::rados_ioctx_set_namespace(found.raw, namespace.as_ptr()) };
        }
        // A full pool is an error at once, instead of a wait until somebody makes room.
        // SAFETY: a pool of ours.
        unsafe { sys::rados_set_pool_full_try(found.raw) };
        Ok(found)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SAFETY: nothing uses the handle any more: pools hold the cluster, images their pool. It waits for the threads of
        // librados, of which this is none: see `Image`.
        unsafe { rados::rados_shutdown(self.raw) };
    }
}

/// Settings for librados: those of the conf file, then ours, which win.
fn options(access: &Access, purpose: Purpose) -> Vec<(String, String)> {
    let (connect, per_request) = match purpose {
        Purpose::Manage(time) => (time, time.as_secs()),
        Purpose::Serve(time) => (time, 0),
    };
    let monitors = access.monitors.to_string();
    let connect = connect.as_secs().to_string();
    let ours: [(&str, &str); 16] = [
        ("mon_host", &monitors),
        ("client_mount_timeout", &connect),
        ("rados_mon_op_timeout", &connect),
        ("rados_osd_op_timeout", &per_request.to_string()),
        // Nothing is written on this machine, and nothing listens.
        ("log_file", ""),
        ("log_to_file", "false"),
        ("log_to_stderr", "false"),
        ("err_to_stderr", "false"),
        ("log_to_syslog", "false"),
        ("err_to_syslog", "false"),
        ("admin_socket", ""),
        ("keyring", ""),
        // The cache is ours (or the kernel's), and its memory bounded there.
        ("rbd_cache", "false"),
        // The segments of a payload never change and are kept until librbd has let go of them.
        ("rbd_disable_zero_copy_writes", "false"),
        // Taking over fences.
        ("rbd_blocklist_on_break_lock", "true"),
        // Fewer threads, which a small board does not have the memory for. (Not those of `librados_thread_count`: librbd 16
        // blocks one while it looks for the clones of a snapshot, and with one only waits for itself.)
        ("ms_async_op_threads", "2"),
    ];
    let mut all = access.options.clone();
    all.extend(ours.map(|(name, value)| (name.to_owned(), value.to_owned())));
    all
}

/// A pool and namespace.
pub(super) struct Pool {
    raw: rados::rados_ioctx_t,
    name: String,
    /// Disconnected after its pools are gone.
    cluster: Arc<Cluster>,
}

// SAFETY: librados is thread-safe; an `rados_ioctx_t` may be used by any thread.
unsafe impl Send for Pool {}
// SAFETY: as above; nothing here changes its namespace or snapshot after it was made.
unsafe impl Sync for Pool {}

impl Pool {
    pub(super) fn raw(&self) -> rados::rados_ioctx_t {
        self.raw
    }

    /// `pool` or `pool/namespace`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The number of the pool.
    pub(super) fn id(&self) -> i64 {
        // SAFETY: a pool of ours.
        unsafe { rados::rados_ioctx_get_id(self.raw) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: no image uses it any more: images hold their pool.
        unsafe { rados::rados_ioctx_destroy(self.raw) };
    }
}

/// The versions of librados and librbd that are linked, such as `3.0.0` and `1.16.0`.
pub(super) fn versions() -> (String, String) {
    let version = |ask: unsafe extern "C" fn(*mut c_int, *mut c_int, *mut c_int)| {
        let (mut major, mut minor, mut extra) = (0, 0, 0);
        // SAFETY: the call writes three numbers.
        unsafe { ask(&raw mut major, &raw mut minor, &raw mut extra) };
        format!("{major}.{minor}.{extra}")
    };
    (version(rados_version), version(sys::rbd_version))
}

/// The crate `ceph` declares it with Rust's own `()`.
unsafe extern "C" fn rados_version(major: *mut c_int, minor: *mut c_int, extra: *mut c_int) {
    // SAFETY: by the caller's promise.
    unsafe { rados::rados_version(major, minor, extra) };
}
