//! Handing a key to the kernel: as a key of its own kind in the thread's keyring, from which only this thread can take it,
//! and only until the image is mapped. So the key is in no file, no argument and no attribute of sysfs.
//!
//! Source: add_key(2), keyctl(2); `net/ceph/crypto.c` (`ceph_key_type`) and `get_secret` in `net/ceph/ceph_common.c` of Linux.

use std::{ffi::CString, io};

use base64::{Engine, engine::general_purpose::STANDARD};
use libc::c_long;
use zeroize::Zeroizing;

use crate::Secret;

/// The kernel's type for keys of Ceph users.
const KEY_TYPE: &std::ffi::CStr = c"ceph";
/// The keyring of the calling thread (`include/uapi/linux/keyctl.h`).
const THREAD_KEYRING: c_long = -1;
/// Takes a key out of a keyring, ibidem.
const KEYCTL_UNLINK: c_long = 9;

/// A key that the kernel knows by a name, for this thread, until this is dropped: neither may go to another thread.
#[derive(Debug)]
pub(super) struct KernelKey {
    id: c_long,
    _of_this_thread: std::marker::PhantomData<*const ()>,
}

impl KernelKey {
    /// Gives the kernel `key` under `name`; one of zeroes for clusters that ask for none.
    ///
    /// # Errors
    ///
    /// The kernel's code. `EDQUOT` where the user has too many keys.
    pub(super) fn add(name: &str, key: Option<&Secret>) -> io::Result<Self> {
        let name = CString::new(name)?;
        let payload = payload(key)?;
        // SAFETY: both texts end with a zero and the payload has its length; all live through the call, which keeps none.
        let id = unsafe {
            libc::syscall(
                libc::SYS_add_key,
                KEY_TYPE.as_ptr(),
                name.as_ptr(),
                payload.as_ptr(),
                payload.len(),
                THREAD_KEYRING,
            )
        };
        match id {
            -1 => Err(io::Error::last_os_error()),
            id => Ok(Self {
                id,
                _of_this_thread: std::marker::PhantomData,
            }),
        }
    }
}

impl Drop for KernelKey {
    fn drop(&mut self) {
        // SAFETY: plain numbers.
        let result = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_UNLINK, self.id, THREAD_KEYRING) };
        if result != 0 {
            let error = io::Error::last_os_error();
            tracing::warn!(%error, "a key stays in the kernel until its thread ends");
        }
    }
}

/// The key as the kernel takes it, which is what its text in a keyring encodes.
fn payload(key: Option<&Secret>) -> io::Result<Zeroizing<Vec<u8>>> {
    let Some(key) = key else {
        // Type 1 (AES), made at the second 0, 16 bytes long.
        let mut zeroes = vec![0; 28];
        zeroes[0] = 1;
        zeroes[10] = 16;
        return Ok(Zeroizing::new(zeroes));
    };
    let decoded = STANDARD.decode(key.expose().trim());
    decoded
        .map(Zeroizing::new)
        .map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::{check_key, tests::key};

    #[test]
    fn a_payload_is_what_the_text_encodes() {
        let none = payload(None).unwrap();
        check_key("client.tv", &STANDARD.encode(&*none)).unwrap();
        let text = key(7);
        let some = payload(Some(&Secret::new(text.clone()))).unwrap();
        assert_eq!(STANDARD.encode(&*some), text);
        assert!(payload(Some(&Secret::new("?"))).is_err());
    }
}
