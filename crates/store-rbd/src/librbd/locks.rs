//! Who has an image: the exclusive lock where the image has the feature, else an advisory lock.

use std::{
    ffi::{CStr, c_char},
    ptr,
};

use libc::size_t;

use super::{
    cluster::{c_string, text},
    image::Image,
    sys,
};
use crate::{
    error::{RbdError, Result},
    features::Features,
};

/// The cookie of our advisory locks.
const COOKIE: &CStr = c"cloud-stick";
/// More holders or watchers of one image than anybody has.
const MANY: usize = 128;

/// A client that has an image locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// Address as the cluster knows it: `192.168.1.7:0/1234567`.
    pub(super) address: String,
    /// The client and cookie of an advisory lock; none for the exclusive lock.
    advisory: Option<(String, String)>,
}

/// Addresses without what tells protocols apart, to be compared.
pub(super) fn bare(address: &str) -> &str {
    let address = address.rsplit(',').next().unwrap_or(address).trim_matches(['[', ']']);
    ["v1:", "v2:", "any:"]
        .iter()
        .fold(address, |text, prefix| text.strip_prefix(prefix).unwrap_or(text))
}

impl Image {
    /// Who has the image locked.
    pub(super) fn holders(&self) -> Result<Vec<Holder>> {
        // Of an image opened for reading librbd does not tell owners of the exclusive lock, but it lists them with the
        // advisory locks, as they were when it was opened.
        match self.features()?.contains(Features::EXCLUSIVE_LOCK) && self.is_writable() {
            true => self.lock_owners(),
            false => self.lockers(),
        }
    }

    fn lock_owners(&self) -> Result<Vec<Holder>> {
        let mut owners = [ptr::null_mut::<c_char>(); MANY];
        let (mut mode, mut count) = (0, MANY);
        // SAFETY: an open image; the list is as long as said.
        let code = unsafe { sys::rbd_lock_get_owners(self.raw(), &raw mut mode, owners.as_mut_ptr(), &raw mut count) };
        if code == -libc::ENOENT {
            return Ok(Vec::new());
        }
        self.check("asking who has the lock", code)?;
        let holder = |owner: &*mut c_char| Holder {
            // SAFETY: a text of librbd.
            address: unsafe { text(*owner) },
            advisory: None,
        };
        let holders = owners[..count.min(MANY)].iter().map(holder).collect();
        // SAFETY: what the call filled, given back once.
        unsafe { sys::rbd_lock_get_owners_cleanup(owners.as_mut_ptr(), count.min(MANY)) };
        Ok(holders)
    }

    fn lockers(&self) -> Result<Vec<Holder>> {
        let (mut clients, mut cookies, mut addresses) = (vec![0_u8; 16384], vec![0_u8; 16384], vec![0_u8; 16384]);
        let mut tag = vec![0_u8; 4096];
        let (mut exclusive, mut tag_length) = (0, tag.len());
        let mut lengths: [size_t; 3] = [16384; 3];
        let [clients_length, cookies_length, addresses_length] = &mut lengths;
        // SAFETY: an open image; all buffers are as long as said.
        let count = unsafe {
            sys::rbd_list_lockers(
                self.raw(),
                &raw mut exclusive,
                tag.as_mut_ptr().cast(),
                &raw mut tag_length,
                clients.as_mut_ptr().cast(),
                clients_length,
                cookies.as_mut_ptr().cast(),
                cookies_length,
                addresses.as_mut_ptr().cast(),
                addresses_length,
            )
        };
        let count = self.check("asking who has the lock", count as i32)? as usize;
        let part = |buffer: &[u8]| -> Vec<String> {
            let texts = buffer.split(|byte| *byte == 0).take(count);
            texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect()
        };
        let all = part(&clients).into_iter().zip(part(&cookies)).zip(part(&addresses));
        Ok(all
            .map(|((client, cookie), address)| Holder {
                address,
                advisory: Some((client, cookie)),
            })
            .collect())
    }

    /// The addresses of those who have the image open for writing and are alive, or were half a minute ago.
    pub(super) fn watchers(&self) -> Result<Vec<String>> {
        // SAFETY: numbers and null pointers are valid for it.
        let mut list: [sys::rbd_image_watcher_t; MANY] = unsafe { std::mem::zeroed() };
        let mut count = MANY;
        // SAFETY: an open image; the list is as long as said.
        let code = unsafe { sys::rbd_watchers_list(self.raw(), list.as_mut_ptr(), &raw mut count) };
        self.check("asking who watches", code)?;
        // SAFETY: texts of librbd.
        let watchers = list[..count.min(MANY)]
            .iter()
            .map(|watcher| unsafe { text(watcher.addr) })
            .collect();
        // SAFETY: what the call filled, given back once.
        unsafe { sys::rbd_watchers_list_cleanup(list.as_mut_ptr(), count.min(MANY)) };
        Ok(watchers)
    }

    /// Takes the lock, and keeps it: it is not handed over to others who ask for it, as librbd otherwise does. A holder
    /// who died is fenced and displaced by librbd.
    pub(super) fn lock(&self) -> Result<()> {
        let code = match self.features()?.contains(Features::EXCLUSIVE_LOCK) {
            // SAFETY: an open image.
            true => unsafe { sys::rbd_lock_acquire(self.raw(), sys::RBD_LOCK_MODE_EXCLUSIVE) },
            // SAFETY: as above.
            false => unsafe { sys::rbd_lock_exclusive(self.raw(), COOKIE.as_ptr()) },
        };
        match -code {
            libc::EROFS | libc::EBUSY | libc::EEXIST | libc::EAGAIN => {
                Err(self.in_use("a client that took it just now"))
            }
            _ => self.check("taking the lock", code).map(drop),
        }
    }

    /// Gives an advisory lock up; the exclusive lock goes with closing.
    pub(super) fn unlock_advisory(&self) -> Result<()> {
        // SAFETY: an open image.
        let code = unsafe { sys::rbd_unlock(self.raw(), COOKIE.as_ptr()) };
        match code == -libc::ENOENT {
            true => Ok(()),
            false => self.check("giving the lock up", code).map(drop),
        }
    }

    /// Fences a holder (the cluster refuses it from now on) and takes its lock away, in this order.
    pub(super) fn break_lock(&self, holder: &Holder) -> Result<()> {
        let code = match &holder.advisory {
            Some((client, cookie)) => {
                let (client, cookie) = (c_string(client)?, c_string(cookie)?);
                // SAFETY: an open image; the texts live through the call.
                unsafe { sys::rbd_break_lock(self.raw(), client.as_ptr(), cookie.as_ptr()) }
            }
            None => {
                let owner = c_string(&holder.address)?;
                // SAFETY: as above.
                unsafe { sys::rbd_lock_break(self.raw(), sys::RBD_LOCK_MODE_EXCLUSIVE, owner.as_ptr()) }
            }
        };
        // Gone by itself meanwhile.
        if code == -libc::ENOENT {
            return Ok(());
        }
        self.check("breaking the lock", code)?;
        if let Err(error) = self.pool().cluster().fence_for_long(bare(&holder.address)) {
            tracing::warn!(image = self.name(), %error, "the earlier owner is fenced for an hour only");
        }
        Ok(())
    }

    /// Whether we still have the lock: asks the cluster.
    pub(super) fn is_locked_by_us(&self, ours: &str) -> Result<bool> {
        if self.features()?.contains(Features::EXCLUSIVE_LOCK) {
            let mut is_owner = 0;
            // SAFETY: an open image; the call writes a number.
            let code = unsafe { sys::rbd_is_exclusive_lock_owner(self.raw(), &raw mut is_owner) };
            self.check("asking for the lock", code)?;
            return Ok(is_owner != 0);
        }
        // The list is librbd's memory of the last change it was told of; this asks the cluster, which refuses us if we are
        // fenced.
        self.metadata(c"cloudstick_owner")?;
        let holders = self.lockers()?;
        Ok(holders.iter().any(|holder| bare(&holder.address) == bare(ours)))
    }

    /// The error for an image that somebody else has.
    pub(super) fn in_use(&self, owner: &str) -> RbdError {
        RbdError::InUse {
            object: self.name().to_owned(),
            owner: owner.to_owned(),
            remedy: "close it there, or take it over".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_without_protocol() {
        assert_eq!(bare("v1:10.0.0.1:0/77"), "10.0.0.1:0/77");
        assert_eq!(bare("10.0.0.1:0/77"), "10.0.0.1:0/77");
        assert_eq!(bare("[v2:10.0.0.1:0/77,v1:10.0.0.1:0/77]"), "10.0.0.1:0/77");
    }
}
