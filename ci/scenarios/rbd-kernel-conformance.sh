# shellcheck shell=bash
# What all disks have in common, for disks through the kernel's rbd client: the conformance suite with images as the cluster
# makes them, and what depends on how an image is made with others: small objects in a data pool, clones. (All cases with all
# kinds: replace the list of cases. Each maps an image a dozen times.)

ceph_start
# shellcheck disable=SC2034 # vm.sh reads it
VM_SPEED=none VM_TIMEOUT=600 vm_start
forward_ceph
stick_install_check rbd-check

step "the conformance suite"
ceph_facts | vm_pipe rbd-check --operations 100 usual \
    data-pool:overlap,discard,clean_close,concurrent_overlapping,dropped_futures \
    clone:overlap,discard,clean_close,concurrent_overlapping,dropped_futures
expect_equal "nothing stays mapped" "" "$(stick ls /sys/bus/rbd/devices)"
