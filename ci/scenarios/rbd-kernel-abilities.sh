# shellcheck shell=bash
# Disks through the kernel's rbd client: what it can do, what it refuses and with which words.

ceph_start
# shellcheck disable=SC2034 # vm.sh reads it
VM_SPEED=none vm_start
forward_ceph
stick_install_check rbd-check

step "what it can do and what it refuses"
ceph_facts | vm_pipe rbd-check abilities
expect_equal "nothing stays mapped" "" "$(stick ls /sys/bus/rbd/devices)"
expect_equal "no complaint of the kernel" "" "$(stick sh -c 'dmesg | grep -E "WARNING:|BUG:|Oops|hung task" || true')"
