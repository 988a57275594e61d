# shellcheck shell=bash
# What all disks have in common, for disks through the kernel's rbd client: the conformance suite with images as the cluster
# makes them (objects of 4 MiB, features by default).

ceph_start
# shellcheck disable=SC2034 # vm.sh reads it
VM_SPEED=none VM_TIMEOUT=600 vm_start
forward_ceph
stick_install_check rbd-check

step "the conformance suite"
ceph_facts | vm_pipe rbd-check --operations 100 usual
expect_equal "nothing stays mapped" "" "$(stick ls /sys/bus/rbd/devices)"
