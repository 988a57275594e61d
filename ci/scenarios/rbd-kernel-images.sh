# shellcheck shell=bash
# Disks through the kernel's rbd client in images made in other ways (objects of 1 MiB in a data pool; clones): the cases of
# the conformance suite in which that matters. Each maps an image several times. Without a list of cases: all of them.

ceph_start
# shellcheck disable=SC2034 # vm.sh reads it
VM_SPEED=none VM_TIMEOUT=600 vm_start
forward_ceph
stick_install_check rbd-check

step "the conformance suite"
ceph_facts | vm_pipe rbd-check --operations 100 \
    data-pool:overlap,discard,clean_close,concurrent_overlapping,dropped_futures \
    clone:overlap,discard,clean_close,concurrent_overlapping,dropped_futures
expect_equal "nothing stays mapped" "" "$(stick ls /sys/bus/rbd/devices)"
