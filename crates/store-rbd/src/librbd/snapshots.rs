//! Snapshots of an image, and clones of them.

use std::{ptr, slice};

use libc::c_int;
use time::OffsetDateTime;

use super::{
    cluster::{Pool, c_string, text},
    image::{Image, at},
    progress::Report,
    sys,
};
use crate::error::{RbdError, Result};

/// More snapshots of one image than Ceph has been seen to bear.
const MANY: c_int = 10_000;

/// A snapshot.
#[derive(Debug, Clone)]
pub(super) struct SnapshotInfo {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) created: Option<OffsetDateTime>,
}

impl Image {
    fn snapshot_error(&self, snapshot: &str, doing: &'static str, code: i32) -> RbdError {
        let object = format!("{}@{snapshot}", self.name());
        match -code {
            libc::ENOENT => RbdError::not_found(object, "`disk snapshots` lists those there are"),
            libc::EBUSY => RbdError::InUse {
                object,
                owner: "its clones, or by being protected".to_owned(),
                remedy: "flatten or delete the clones, and unprotect it".to_owned(),
            },
            _ => RbdError::from_errno(&object, doing, code),
        }
    }

    fn with_snapshot(
        &self,
        snapshot: &str,
        doing: &'static str,
        call: unsafe extern "C" fn(sys::rbd_image_t, *const std::ffi::c_char) -> c_int,
    ) -> Result<()> {
        let name = c_string(snapshot)?;
        // SAFETY: an open image and a text that lives through the call.
        match unsafe { call(self.raw(), name.as_ptr()) } {
            code if code < 0 => Err(self.snapshot_error(snapshot, doing, code)),
            _ => Ok(()),
        }
    }

    /// The snapshots that people took, oldest first.
    pub(super) fn snapshots(&self) -> Result<Vec<SnapshotInfo>> {
        let mut capacity: c_int = 16;
        loop {
            let mut list: Vec<sys::rbd_snap_info_t> = Vec::with_capacity(capacity as usize);
            let mut count = capacity;
            // SAFETY: an open image; there is room for as many as said.
            let found = unsafe { sys::rbd_snap_list(self.raw(), list.as_mut_ptr(), &raw mut count) };
            if found == -libc::ERANGE && count > capacity && count <= MANY {
                // librbd counts the entry at the end as well.
                capacity = count + 1;
                continue;
            }
            let found = self.check("listing the snapshots", found)? as usize;
            if found == 0 {
                return Ok(Vec::new());
            }
            // SAFETY: so many were filled.
            let filled = unsafe { slice::from_raw_parts(list.as_ptr(), found) };
            let mut snapshots: Vec<(u64, SnapshotInfo)> = Vec::new();
            for snapshot in filled {
                if self.is_of_a_person(snapshot.id) {
                    let info = SnapshotInfo {
                        // SAFETY: a text of librbd.
                        name: unsafe { text(snapshot.name) },
                        size: snapshot.size,
                        created: self.snapshot_time(snapshot.id),
                    };
                    snapshots.push((snapshot.id, info));
                }
            }
            // SAFETY: the list that the call filled, given back once.
            unsafe { sys::rbd_snap_list_end(list.as_mut_ptr()) };
            snapshots.sort_by_key(|(id, _)| *id);
            return Ok(snapshots.into_iter().map(|(_, info)| info).collect());
        }
    }

    /// Not one that a group, mirroring or the trash keeps.
    fn is_of_a_person(&self, id: u64) -> bool {
        let mut kind = 0;
        // SAFETY: an open image; the call writes a number.
        let code = unsafe { sys::rbd_snap_get_namespace_type(self.raw(), id, &raw mut kind) };
        code >= 0 && kind == sys::RBD_SNAP_NAMESPACE_TYPE_USER
    }

    fn snapshot_time(&self, id: u64) -> Option<OffsetDateTime> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: an open image; the call writes a time.
        let code = unsafe { sys::rbd_snap_get_timestamp(self.raw(), id, &raw mut time) };
        (code >= 0).then(|| at(&time)).flatten()
    }

    pub(super) fn take_snapshot(&self, name: &str) -> Result<()> {
        self.with_snapshot(name, "taking a snapshot", sys::rbd_snap_create)
    }

    pub(super) fn remove_snapshot(&self, name: &str) -> Result<()> {
        self.with_snapshot(name, "deleting the snapshot", sys::rbd_snap_remove)
    }

    pub(super) fn protect(&self, name: &str) -> Result<()> {
        match self.is_protected(name)? {
            true => Ok(()),
            false => self.with_snapshot(name, "protecting the snapshot", sys::rbd_snap_protect),
        }
    }

    pub(super) fn unprotect(&self, name: &str) -> Result<()> {
        match self.is_protected(name)? {
            false => Ok(()),
            true => self.with_snapshot(name, "unprotecting the snapshot", sys::rbd_snap_unprotect),
        }
    }

    pub(super) fn is_protected(&self, name: &str) -> Result<bool> {
        let c_name = c_string(name)?;
        let mut is_protected = 0;
        // SAFETY: an open image; the text lives through the call, which writes a number.
        let code = unsafe { sys::rbd_snap_is_protected(self.raw(), c_name.as_ptr(), &raw mut is_protected) };
        match code {
            code if code < 0 => Err(self.snapshot_error(name, "asking for protection", code)),
            _ => Ok(is_protected != 0),
        }
    }

    pub(super) fn roll_back(&self, name: &str, report: &Report) -> Result<()> {
        let c_name = c_string(name)?;
        let (callback, argument) = report.for_c();
        // SAFETY: an open image; text and report live through the call.
        let code = unsafe { sys::rbd_snap_rollback_with_progress(self.raw(), c_name.as_ptr(), callback, argument) };
        match code {
            code if code < 0 => Err(self.snapshot_error(name, "rolling back", code)),
            _ => Ok(()),
        }
    }

    /// Copies what the image shares with its parent.
    pub(super) fn flatten(&self, report: &Report) -> Result<()> {
        let (callback, argument) = report.for_c();
        // SAFETY: an open image; the report lives through the call.
        let code = unsafe { sys::rbd_flatten_with_progress(self.raw(), callback, argument) };
        if code == -libc::EINVAL {
            return Err(RbdError::invalid(
                self.name(),
                "is no clone, so there is nothing to flatten",
            ));
        }
        self.check("flattening", code).map(drop)
    }

    pub(super) fn resize(&self, size: u64) -> Result<()> {
        let report = Report::nobody();
        let (callback, argument) = report.for_c();
        // SAFETY: an open image; the report lives through the call.
        let code = unsafe { sys::rbd_resize2(self.raw(), size, true, callback, argument) };
        self.check("resizing", code).map(drop)
    }
}

/// What a new image is to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Making {
    pub(super) features: Option<u64>,
    pub(super) order: Option<u64>,
    pub(super) data_pool: Option<String>,
}

/// Options of librbd, freed when dropped.
struct Options(sys::rbd_image_options_t);

impl Options {
    fn new(making: &Making) -> Result<Self> {
        let mut raw = ptr::null_mut();
        // SAFETY: the call writes the handle.
        unsafe { sys::rbd_image_options_create(&raw mut raw) };
        let options = Self(raw);
        let numbers = [
            (sys::RBD_IMAGE_OPTION_FEATURES, making.features),
            (sys::RBD_IMAGE_OPTION_ORDER, making.order),
        ];
        for (name, value) in numbers {
            if let Some(value) = value {
                // SAFETY: options of ours.
                let code = unsafe { sys::rbd_image_options_set_uint64(options.0, name, value) };
                if code < 0 {
                    return Err(RbdError::from_errno("new image", "setting an option", code));
                }
            }
        }
        if let Some(pool) = &making.data_pool {
            let pool = c_string(pool)?;
            // SAFETY: options of ours; the text lives through the call.
            let code =
                unsafe { sys::rbd_image_options_set_string(options.0, sys::RBD_IMAGE_OPTION_DATA_POOL, pool.as_ptr()) };
            if code < 0 {
                return Err(RbdError::from_errno("new image", "setting the data pool", code));
            }
        }
        Ok(options)
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: made by us, destroyed once.
        unsafe { sys::rbd_image_options_destroy(self.0) };
    }
}

impl Pool {
    /// The names of the images.
    pub(super) fn images(&self) -> Result<Vec<String>> {
        let mut capacity = 256_usize;
        loop {
            let mut list: Vec<sys::rbd_image_spec_t> = Vec::with_capacity(capacity);
            let mut count = capacity;
            // SAFETY: a pool of ours; there is room for as many as said.
            let code = unsafe { sys::rbd_list2(self.raw(), list.as_mut_ptr(), &raw mut count) };
            if code == -libc::ERANGE && count > capacity {
                capacity = count;
                continue;
            }
            if code < 0 {
                return Err(RbdError::from_errno(
                    &format!("pool {}", self.name()),
                    "listing the images",
                    code,
                ));
            }
            // SAFETY: so many were filled; their texts are given back once.
            let names = unsafe {
                let filled = slice::from_raw_parts(list.as_ptr(), count);
                let names = filled.iter().map(|image| text(image.name)).collect();
                sys::rbd_image_spec_list_cleanup(list.as_mut_ptr(), count);
                names
            };
            return Ok(names);
        }
    }

    pub(super) fn create(&self, image: &str, size: u64, making: &Making) -> Result<()> {
        let options = Options::new(making)?;
        let name = c_string(image)?;
        // SAFETY: pool and options of ours; the text lives through the call.
        let code = unsafe { sys::rbd_create4(self.raw(), name.as_ptr(), size, options.0) };
        self.made(image, making, code)
    }

    /// Makes `image` a clone of `parent@snapshot` in the same pool.
    pub(super) fn clone_image(&self, parent: &str, snapshot: &str, image: &str, making: &Making) -> Result<()> {
        let options = Options::new(making)?;
        let (c_parent, c_snapshot, name) = (c_string(parent)?, c_string(snapshot)?, c_string(image)?);
        // SAFETY: pool and options of ours; the texts live through the call.
        let code = unsafe {
            sys::rbd_clone3(
                self.raw(),
                c_parent.as_ptr(),
                c_snapshot.as_ptr(),
                self.raw(),
                name.as_ptr(),
                options.0,
            )
        };
        let origin = format!("{}/{parent}@{snapshot}", self.name());
        match -code {
            libc::ENOENT => Err(RbdError::not_found(
                origin,
                "`disk snapshots` lists the snapshots there are",
            )),
            libc::EINVAL => {
                let detail = "cannot be cloned; protect it first (`disk protect`), and see that the image has layering";
                Err(RbdError::invalid(origin, detail))
            }
            _ => self.made(image, making, code),
        }
    }

    fn made(&self, image: &str, making: &Making, code: i32) -> Result<()> {
        let object = format!("{}/{image}", self.name());
        match (-code, &making.data_pool) {
            (libc::ENOENT, Some(pool)) => Err(RbdError::not_found(
                format!("data pool {pool}"),
                "create it and allow overwrites if it is erasure-coded, or correct data_pool",
            )),
            (libc::EINVAL, _) => {
                let detail = "cannot be made like this; see object_size, features and data_pool (an erasure-coded one \
                              needs allow_ec_overwrites)";
                Err(RbdError::invalid(object, detail))
            }
            _ if code < 0 => Err(RbdError::from_errno(&object, "creating", code)),
            _ => Ok(()),
        }
    }

    pub(super) fn remove(&self, image: &str) -> Result<()> {
        let name = c_string(image)?;
        let object = format!("{}/{image}", self.name());
        // SAFETY: a pool of ours; the text lives through the call.
        let code = unsafe { sys::rbd_remove(self.raw(), name.as_ptr()) };
        match -code {
            libc::EBUSY => Err(RbdError::InUse {
                object,
                owner: "a client that has it open, or had half a minute ago".to_owned(),
                remedy: "close it there and try again in a minute".to_owned(),
            }),
            libc::ENOTEMPTY => Err(RbdError::invalid(
                object,
                "has snapshots; delete them too (--with-snapshots)",
            )),
            _ if code < 0 => Err(RbdError::from_errno(&object, "deleting", code)),
            _ => Ok(()),
        }
    }
}
