//! The calls of librbd and librados that the crate `ceph` does not declare, as in `rbd/librbd.h` and
//! `rados/librados.h` of Ceph 16, which 18 and 19 keep.
#![allow(non_camel_case_types, reason = "the names of the C headers")]

use std::ffi::{c_char, c_int, c_void};

use ceph::rados::{rados_ioctx_t, rados_t};
use libc::{iovec, size_t, ssize_t, timespec};

pub(super) type rbd_image_t = *mut c_void;
pub(super) type rbd_completion_t = *mut c_void;
pub(super) type rbd_image_options_t = *mut c_void;
pub(super) type rbd_callback_t = extern "C" fn(rbd_completion_t, *mut c_void);
pub(super) type rbd_update_callback_t = extern "C" fn(*mut c_void);
pub(super) type librbd_progress_fn_t = extern "C" fn(u64, u64, *mut c_void) -> c_int;
pub(super) type rbd_diff_callback_t = extern "C" fn(u64, size_t, c_int, *mut c_void) -> c_int;

pub(super) const RBD_IMAGE_OPTION_FEATURES: c_int = 1;
pub(super) const RBD_IMAGE_OPTION_ORDER: c_int = 2;
pub(super) const RBD_IMAGE_OPTION_DATA_POOL: c_int = 10;
pub(super) const RBD_LOCK_MODE_EXCLUSIVE: c_int = 0;
pub(super) const RBD_WRITE_ZEROES_FLAG_THICK_PROVISION: c_int = 1;
/// Namespace of the snapshots that people take.
pub(super) const RBD_SNAP_NAMESPACE_TYPE_USER: c_int = 0;

#[repr(C)]
pub(super) struct rbd_image_spec_t {
    pub(super) id: *mut c_char,
    pub(super) name: *mut c_char,
}

#[repr(C)]
pub(super) struct rbd_image_info_t {
    pub(super) size: u64,
    pub(super) obj_size: u64,
    pub(super) num_objs: u64,
    pub(super) order: c_int,
    block_name_prefix: [c_char; 24],
    parent_pool: i64,
    parent_name: [c_char; 96],
}

#[repr(C)]
pub(super) struct rbd_snap_info_t {
    pub(super) id: u64,
    pub(super) size: u64,
    pub(super) name: *const c_char,
}

#[repr(C)]
pub(super) struct rbd_image_watcher_t {
    pub(super) addr: *mut c_char,
    pub(super) id: i64,
    pub(super) cookie: u64,
}

#[repr(C)]
pub(super) struct rbd_config_option_t {
    pub(super) name: *mut c_char,
    pub(super) value: *mut c_char,
    /// Where the value is from (`rbd_config_source_t`).
    pub(super) source: c_int,
}

#[repr(C)]
pub(super) struct rbd_linked_image_spec_t {
    pub(super) pool_id: i64,
    pub(super) pool_name: *mut c_char,
    pub(super) pool_namespace: *mut c_char,
    pub(super) image_id: *mut c_char,
    pub(super) image_name: *mut c_char,
    pub(super) trash: bool,
}

#[repr(C)]
pub(super) struct rbd_snap_spec_t {
    pub(super) id: u64,
    pub(super) namespace_type: c_int,
    pub(super) name: *mut c_char,
}

#[link(name = "rados")]
unsafe extern "C" {
    pub(super) fn rados_getaddrs(cluster: rados_t, addrs: *mut *mut c_char) -> c_int;
    pub(super) fn rados_set_pool_full_try(io: rados_ioctx_t);
}

#[link(name = "rbd")]
unsafe extern "C" {
    pub(super) fn rbd_version(major: *mut c_int, minor: *mut c_int, extra: *mut c_int);

    pub(super) fn rbd_image_options_create(options: *mut rbd_image_options_t);
    pub(super) fn rbd_image_options_destroy(options: rbd_image_options_t);
    pub(super) fn rbd_image_options_set_string(
        options: rbd_image_options_t,
        name: c_int,
        value: *const c_char,
    ) -> c_int;
    pub(super) fn rbd_image_options_set_uint64(options: rbd_image_options_t, name: c_int, value: u64) -> c_int;

    pub(super) fn rbd_list2(io: rados_ioctx_t, images: *mut rbd_image_spec_t, max: *mut size_t) -> c_int;
    pub(super) fn rbd_image_spec_list_cleanup(images: *mut rbd_image_spec_t, count: size_t);
    pub(super) fn rbd_create4(io: rados_ioctx_t, name: *const c_char, size: u64, options: rbd_image_options_t)
    -> c_int;
    pub(super) fn rbd_clone3(
        parent_io: rados_ioctx_t,
        parent: *const c_char,
        snapshot: *const c_char,
        io: rados_ioctx_t,
        name: *const c_char,
        options: rbd_image_options_t,
    ) -> c_int;
    pub(super) fn rbd_remove(io: rados_ioctx_t, name: *const c_char) -> c_int;

    pub(super) fn rbd_open(
        io: rados_ioctx_t,
        name: *const c_char,
        image: *mut rbd_image_t,
        snapshot: *const c_char,
    ) -> c_int;
    pub(super) fn rbd_open_read_only(
        io: rados_ioctx_t,
        name: *const c_char,
        image: *mut rbd_image_t,
        snapshot: *const c_char,
    ) -> c_int;
    pub(super) fn rbd_close(image: rbd_image_t) -> c_int;
    pub(super) fn rbd_stat(image: rbd_image_t, info: *mut rbd_image_info_t, size: size_t) -> c_int;
    pub(super) fn rbd_get_size(image: rbd_image_t, size: *mut u64) -> c_int;
    pub(super) fn rbd_get_features(image: rbd_image_t, features: *mut u64) -> c_int;
    pub(super) fn rbd_get_flags(image: rbd_image_t, flags: *mut u64) -> c_int;
    pub(super) fn rbd_get_id(image: rbd_image_t, id: *mut c_char, length: size_t) -> c_int;
    pub(super) fn rbd_get_data_pool_id(image: rbd_image_t) -> i64;
    pub(super) fn rbd_get_modify_timestamp(image: rbd_image_t, time: *mut timespec) -> c_int;
    pub(super) fn rbd_get_parent(
        image: rbd_image_t,
        parent: *mut rbd_linked_image_spec_t,
        snapshot: *mut rbd_snap_spec_t,
    ) -> c_int;
    pub(super) fn rbd_linked_image_spec_cleanup(image: *mut rbd_linked_image_spec_t);
    pub(super) fn rbd_snap_spec_cleanup(snapshot: *mut rbd_snap_spec_t);
    pub(super) fn rbd_resize2(
        image: rbd_image_t,
        size: u64,
        allow_shrink: bool,
        progress: librbd_progress_fn_t,
        argument: *mut c_void,
    ) -> c_int;
    pub(super) fn rbd_flatten_with_progress(
        image: rbd_image_t,
        progress: librbd_progress_fn_t,
        argument: *mut c_void,
    ) -> c_int;

    pub(super) fn rbd_is_exclusive_lock_owner(image: rbd_image_t, is_owner: *mut c_int) -> c_int;
    pub(super) fn rbd_lock_acquire(image: rbd_image_t, mode: c_int) -> c_int;
    pub(super) fn rbd_lock_get_owners(
        image: rbd_image_t,
        mode: *mut c_int,
        owners: *mut *mut c_char,
        max: *mut size_t,
    ) -> c_int;
    pub(super) fn rbd_lock_get_owners_cleanup(owners: *mut *mut c_char, count: size_t);
    pub(super) fn rbd_lock_break(image: rbd_image_t, mode: c_int, owner: *const c_char) -> c_int;
    pub(super) fn rbd_list_lockers(
        image: rbd_image_t,
        exclusive: *mut c_int,
        tag: *mut c_char,
        tag_length: *mut size_t,
        clients: *mut c_char,
        clients_length: *mut size_t,
        cookies: *mut c_char,
        cookies_length: *mut size_t,
        addresses: *mut c_char,
        addresses_length: *mut size_t,
    ) -> ssize_t;
    pub(super) fn rbd_lock_exclusive(image: rbd_image_t, cookie: *const c_char) -> c_int;
    pub(super) fn rbd_unlock(image: rbd_image_t, cookie: *const c_char) -> c_int;
    pub(super) fn rbd_break_lock(image: rbd_image_t, client: *const c_char, cookie: *const c_char) -> c_int;
    pub(super) fn rbd_watchers_list(image: rbd_image_t, watchers: *mut rbd_image_watcher_t, max: *mut size_t) -> c_int;
    pub(super) fn rbd_watchers_list_cleanup(watchers: *mut rbd_image_watcher_t, count: size_t);

    pub(super) fn rbd_config_image_list(
        image: rbd_image_t,
        options: *mut rbd_config_option_t,
        max: *mut c_int,
    ) -> c_int;
    pub(super) fn rbd_config_image_list_cleanup(options: *mut rbd_config_option_t, max: c_int);
    pub(super) fn rbd_metadata_get(
        image: rbd_image_t,
        key: *const c_char,
        value: *mut c_char,
        length: *mut size_t,
    ) -> c_int;
    pub(super) fn rbd_metadata_set(image: rbd_image_t, key: *const c_char, value: *const c_char) -> c_int;

    pub(super) fn rbd_snap_list(image: rbd_image_t, snapshots: *mut rbd_snap_info_t, max: *mut c_int) -> c_int;
    pub(super) fn rbd_snap_list_end(snapshots: *mut rbd_snap_info_t);
    pub(super) fn rbd_snap_get_namespace_type(image: rbd_image_t, id: u64, kind: *mut c_int) -> c_int;
    pub(super) fn rbd_snap_get_timestamp(image: rbd_image_t, id: u64, time: *mut timespec) -> c_int;
    pub(super) fn rbd_snap_create(image: rbd_image_t, name: *const c_char) -> c_int;
    pub(super) fn rbd_snap_remove(image: rbd_image_t, name: *const c_char) -> c_int;
    pub(super) fn rbd_snap_rollback_with_progress(
        image: rbd_image_t,
        name: *const c_char,
        progress: librbd_progress_fn_t,
        argument: *mut c_void,
    ) -> c_int;
    pub(super) fn rbd_snap_protect(image: rbd_image_t, name: *const c_char) -> c_int;
    pub(super) fn rbd_snap_unprotect(image: rbd_image_t, name: *const c_char) -> c_int;
    pub(super) fn rbd_snap_is_protected(image: rbd_image_t, name: *const c_char, is_protected: *mut c_int) -> c_int;

    pub(super) fn rbd_diff_iterate2(
        image: rbd_image_t,
        from_snapshot: *const c_char,
        offset: u64,
        length: u64,
        include_parent: u8,
        whole_object: u8,
        callback: rbd_diff_callback_t,
        argument: *mut c_void,
    ) -> c_int;

    pub(super) fn rbd_aio_create_completion(
        argument: *mut c_void,
        callback: rbd_callback_t,
        completion: *mut rbd_completion_t,
    ) -> c_int;
    pub(super) fn rbd_aio_get_return_value(completion: rbd_completion_t) -> ssize_t;
    pub(super) fn rbd_aio_release(completion: rbd_completion_t);
    pub(super) fn rbd_aio_read(
        image: rbd_image_t,
        offset: u64,
        length: size_t,
        buffer: *mut c_char,
        completion: rbd_completion_t,
    ) -> c_int;
    pub(super) fn rbd_aio_writev(
        image: rbd_image_t,
        slices: *const iovec,
        count: c_int,
        offset: u64,
        completion: rbd_completion_t,
    ) -> c_int;
    pub(super) fn rbd_aio_write_zeroes(
        image: rbd_image_t,
        offset: u64,
        length: size_t,
        completion: rbd_completion_t,
        zero_flags: c_int,
        operation_flags: c_int,
    ) -> c_int;
    pub(super) fn rbd_aio_flush(image: rbd_image_t, completion: rbd_completion_t) -> c_int;

    pub(super) fn rbd_update_watch(
        image: rbd_image_t,
        handle: *mut u64,
        callback: rbd_update_callback_t,
        argument: *mut c_void,
    ) -> c_int;
    pub(super) fn rbd_update_unwatch(image: rbd_image_t, handle: u64) -> c_int;
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    /// As a C compiler lays the structures of `librbd.h` out on x86-64 and on ARMv7 (EABI: 64-bit fields are aligned
    /// to 8 bytes on both).
    #[test]
    fn structures_are_laid_out_as_in_the_header() {
        assert_eq!(offset_of!(rbd_image_info_t, order), 24);
        assert_eq!(offset_of!(rbd_image_info_t, parent_pool), 56);
        assert_eq!(size_of::<rbd_image_info_t>(), 160);
        assert_eq!(offset_of!(rbd_snap_info_t, name), 16);
        assert_eq!(offset_of!(rbd_image_watcher_t, id), 8);
        assert_eq!(size_of::<rbd_image_watcher_t>(), 24);
        assert_eq!(offset_of!(rbd_linked_image_spec_t, pool_name), 8);
    }
}
